"""What Event Grid's messages about Azure's blobs say: which blob of which container is complete.

They come in Event Grid's own schema or as CloudEvents, one or several at a time, by webhook or through a storage queue,
there often in Base64. As with S3, nothing here does anything.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote, urlparse

from aliquot.intake.wake_s3 import Named

COMPLETE = frozenset({"PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"})
"""The calls after which a blob is whole. Others tell of its first byte, or of a piece."""

_CREATED = "Microsoft.Storage.BlobCreated"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


def named_in(body: str | bytes) -> list[Named]:
    """Give the blobs that a message says are complete; whatever says no such thing gives nothing, and no error."""
    return list(dict.fromkeys(named for event in _events(body) for named in named_by(event)))


def named_by(event: object) -> Iterator[Named]:
    """Give the blob that one event, read already, says is complete."""
    if isinstance(event, Mapping):
        yield from _named(cast("Mapping[str, Any]", event))


def validation_code(body: str | bytes) -> str | None:
    """Give the code that a webhook has to answer with when Event Grid asks whether it wants the messages."""
    for event in _events(body):
        data = event.get("data")
        if event.get("eventType") == _VALIDATION and isinstance(data, Mapping):
            code: object = cast("Mapping[str, object]", data).get("validationCode")
            return code if isinstance(code, str) else None
    return None


def _events(body: str | bytes) -> Iterator[Mapping[str, Any]]:
    value = _json(body)
    for each in cast("list[object]", value) if isinstance(value, list) else [value]:
        if isinstance(each, Mapping):
            yield cast("Mapping[str, Any]", each)


def _json(body: str | bytes) -> object:
    for text in (body, _plain(body)):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return None


def _plain(body: str | bytes) -> bytes:
    try:
        return b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _named(event: Mapping[str, Any]) -> Iterator[Named]:
    data: Any = event.get("data")
    if event.get("eventType", event.get("type")) != _CREATED or not isinstance(data, Mapping):
        return
    said = cast("Mapping[str, object]", data)
    url = said.get("url") or said.get("blobUrl")
    if said.get("api") not in COMPLETE or not isinstance(url, str):
        return
    # The host is the account's; emulators have it in the path, which the subject has not.
    subject = event.get("subject")
    before, middle, key = subject.partition("/blobs/") if isinstance(subject, str) else ("", "", "")
    container = before.partition("/containers/")[2]
    if not (middle and container):
        container, _, key = unquote(urlparse(url).path).lstrip("/").partition("/")
    if container and key:
        yield Named("az", container, key)
