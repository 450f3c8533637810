"""Clients for what of AWS the object store's own client does not reach."""

import importlib
import os
from collections.abc import Mapping
from typing import Any

from aliquot.model.errors import Invalid

_SETTINGS = {"aws_access_key_id": "aws_access_key_id", "aws_secret_access_key": "aws_secret_access_key",
             "aws_session_token": "aws_session_token", "aws_region": "region_name"}  # fmt: skip


def client(service: str, settings: Mapping[str, str], endpoint: str | None = None, region: str | None = None) -> Any:
    """Give a client; what `settings` does not say comes from the environment and the machine's role.

    Where the package is not installed, it is `Invalid` and says how to get it.
    """
    try:
        session: Any = importlib.import_module("botocore.session").get_session()
        config: Any = importlib.import_module("botocore.config")
    except ImportError as error:
        sentence = f"This needs a client for {service.upper()}; install it with: pip install 'aliquot[aws]'"
        raise Invalid("aws-missing", sentence, service=service) from error
    given = {_SETTINGS[name.lower()]: value for name, value in settings.items() if name.lower() in _SETTINGS}
    outside = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    given.setdefault("region_name", region or outside or "us-east-1")
    retries: Any = {"max_attempts": 4, "mode": "standard"}
    more: Any = config.Config(connect_timeout=10, read_timeout=40, retries=retries, s3={"addressing_style": "auto"})
    return session.create_client(service, endpoint_url=endpoint, config=more, **given)
