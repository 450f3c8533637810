"""What messages about S3 say: which object of which bucket may have come. Direct, through SNS, or through EventBridge.

Nothing here does anything: whoever gets a message hands what it names to `wakes.sources_of`, and looks at those.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import unquote_plus

_DEPTH = 4


class Named(NamedTuple):
    """An object of which a message says that it has come: the bucket's scheme and name, and its key."""

    scheme: str
    bucket: str
    key: str


def named_in(body: str | bytes) -> list[Named]:
    """Give the objects that a message names as new.

    Test messages, deletions, versions that are not known and whatever is no message give nothing, and no error.
    """
    return list(dict.fromkeys(named_by(_json(body))))


def named_by(message: object) -> Iterator[Named]:
    """Give the objects that a message, read already, names as new; a lone record is one, too."""
    if isinstance(message, Mapping) and "s3" in message:
        yield from _record(cast("object", message), 0)
    else:
        yield from _named(message, 0)


def _json(body: object) -> object:
    try:
        return json.loads(body) if isinstance(body, str | bytes) else body
    except (ValueError, RecursionError):
        return None


def _named(value: object, depth: int) -> Iterator[Named]:
    if depth > _DEPTH or not isinstance(value, Mapping):
        return
    message = cast("Mapping[str, Any]", value)
    records = message.get("Records")
    if isinstance(records, list):
        for each in cast("list[object]", records):
            yield from _record(each, depth)
    elif message.get("source") == "aws.s3":
        yield from _event_bridge(message)
    elif isinstance(message.get("Message"), str):
        # SNS wraps what it passes on, unless it was told to deliver it raw.
        yield from _named(_json(message["Message"]), depth + 1)


def _record(value: object, depth: int) -> Iterator[Named]:
    if not isinstance(value, Mapping):
        return
    record = cast("Mapping[str, Any]", value)
    if isinstance(record.get("body"), str):
        yield from _named(_json(record["body"]), depth + 1)
    elif isinstance(record.get("Sns"), Mapping):
        yield from _named(record["Sns"], depth + 1)
    elif _tells_of_arrival(record):
        # Keys are written as in a form: a space as '+', everything else odd as %XX.
        yield from _object(record.get("s3"), form=True)


def _tells_of_arrival(record: Mapping[str, Any]) -> bool:
    # MinIO speaks as S3 does, under a name of its own.
    known = record.get("eventSource") in {"aws:s3", "minio:s3"} and str(record.get("eventVersion", "")).startswith("2.")
    return known and str(record.get("eventName", "")).removeprefix("s3:").startswith("ObjectCreated:")


def _event_bridge(message: Mapping[str, Any]) -> Iterator[Named]:
    if message.get("detail-type") == "Object Created":
        yield from _object(message.get("detail"), form=False)


def _object(value: object, *, form: bool) -> Iterator[Named]:
    said: Any = value
    try:
        bucket, key = said["bucket"]["name"], said["object"]["key"]
    except (TypeError, KeyError):
        return
    if isinstance(bucket, str) and isinstance(key, str):
        yield Named("s3", bucket, unquote_plus(key) if form else key)
