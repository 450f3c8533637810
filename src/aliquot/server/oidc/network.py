"""Asking a provider over the network, within bounds of time and size."""

import json
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import structlog

from aliquot.model.errors import Unavailable

log: Any = structlog.get_logger()

PATIENCE = 10.0
"""Seconds that a provider has for an answer."""
_MOST = 1_000_000
_HERE = ("localhost", "127.0.0.1", "::1")


def ask(address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Fetch a JSON object; what is out of reach or no such thing is `Unavailable`. Redirects are not followed."""
    try:
        with httpx2.Client(timeout=PATIENCE) as client, client.stream("GET", address, headers=headers) as answer:
            if answer.status_code != 200:
                raise away(f"{address} answers with {answer.status_code}")
            found = bytearray()
            for piece in answer.iter_bytes():
                found += piece
                if len(found) > _MOST:
                    raise away(f"{address} answers with more than {_MOST:,} bytes")
        document = json.loads(bytes(found))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise away(f"{address}: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise away(f"{address} gives no JSON object")
    return cast("dict[str, Any]", document)


def away(reason: str) -> Unavailable:
    """Give the error for a provider that does not do its part; its reason is in the log."""
    log.warning("the sign-in provider is out of reach or not usable", reason=reason)
    words = "The provider that signs people in cannot be reached, or does not answer as it should; try again later."
    return Unavailable("provider-unavailable", words)


def require_safe(address: object, what: str) -> str:
    """Give an address that a provider names, if what is sent there cannot be read on the way."""
    parts = urlsplit(address) if isinstance(address, str) else None
    if parts is None or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)):
        raise away(f"its {what} is not an https:// address")
    return str(address)
