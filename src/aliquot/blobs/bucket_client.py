"""Opening other people's buckets, and telling what their refusals mean."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import obstore
from obstore.store import ObjectStore, from_url

_RETRY: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
"""What the client waits for by itself. What lasts longer is told, and tried again by whoever asked."""

_CONNECTION = frozenset({
    "allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type", "http1_only",
    "http2_keep_alive_interval", "http2_keep_alive_timeout", "http2_keep_alive_while_idle", "http2_only",
    "pool_idle_timeout", "pool_max_idle_per_host", "proxy_ca_certificate", "proxy_excludes", "proxy_url",
    "randomize_addresses", "read_timeout", "timeout", "user_agent",
})  # fmt: skip
"""Settings of the connection. The client aborts when it finds them among those of the cloud."""
_CLOUD = re.compile(r"^(?:aws|azure|google)_")
_ADDRESSES = ("endpoint", "endpoint_url", "base_url")
_STATUS = re.compile(r"status code:?\s*(\d{3})")
_EXPIRED = re.compile(r"Expired ?Token|InvalidToken|token (?:has|is) expired", re.IGNORECASE)
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)


def open_bucket(url: str, settings: Mapping[str, str]) -> ObjectStore:
    """Open a bucket, with credentials from the environment where `settings` give none.

    What the client refuses is its own error, or a `ValueError`.
    """
    # A person who writes http:// means it; the client would refuse.
    plain = any(value.startswith("http://") for name, value in settings.items() if name.endswith(_ADDRESSES))
    options: Any = {"allow_http": True} if plain else {}
    given: Any = {}
    for name, value in settings.items():
        option = _CLOUD.sub("", name.lower())
        if option in _CONNECTION:
            options[option] = value
        else:
            given[name] = value
    return from_url(url, config=given, client_options=options, retry_config=_RETRY)


def is_refusal(error: BaseException) -> bool:
    """Say whether a bucket has refused for want of a right, or of credentials that still hold."""
    refused = obstore.exceptions.PermissionDeniedError | obstore.exceptions.UnauthenticatedError | PermissionError
    return isinstance(error, refused) or status_of(error) in {401, 403} or _EXPIRED.search(str(error)) is not None


def is_without_bucket(error: BaseException) -> bool:
    """Say whether an object is not there because its bucket is not."""
    return _NO_BUCKET.search(str(error)) is not None


def status_of(error: BaseException) -> int | None:
    """Give the status of an answer to a listing, which the client tells in words alone."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def first_line(error: BaseException) -> str:
    """Give what an error says, without its inner workings."""
    return str(error).partition("\n")[0]
