"""CloudEvents 1.0 and what else is posted to `/events`: which sources an event asks to be looked at.

An event comes alone (its attributes in headers or in its body) or in a batch. Beside CloudEvents, what S3's relatives
and Event Grid post in schemas of their own is read. As with queues, nothing here does anything.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from aliquot.intake import wake_azure, wake_s3
from aliquot.intake.wake_s3 import Named
from aliquot.model.errors import Invalid

WAKE = "aliquot.source.wake"
"""The type of an event whose subject is the name of a source."""

_GOOGLE = "google.cloud.storage.object.v1.finalized"
_AMAZON = "com.amazonaws.s3."
_STRUCTURED, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_NEEDED = ("id", "source", "type")


class Asked(NamedTuple):
    """What posted events come to: how many there were, the objects that they name, and sources by their own names."""

    events: int = 0
    named: tuple[Named, ...] = ()
    sources: tuple[str, ...] = ()
    passed_over: int = 0
    """Events of kinds that say nothing of an arrival."""


def read_posted(headers: Mapping[str, str], body: bytes) -> Asked:
    """Read what was posted; what is no event at all is `Invalid`. The names of headers are in lower case.

    Kinds that are not known are counted and passed over: a subscription may send more than is of use here.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _STRUCTURED:
        return _asked([_cloud_event(_json(body))])
    if kind == _BATCH:
        batch = _json(body)
        if not isinstance(batch, list):
            raise _refused("a batch is a JSON array of events")
        return _asked([_cloud_event(each) for each in cast("list[object]", batch)])
    if "ce-specversion" in headers:
        return _asked([_cloud_event(_binary(headers, kind, body))])
    if kind == "application/json" or "x-amz-sns-message-type" in headers:
        return _foreign(_json(body))
    raise _refused(f"its Content-Type {kind or '(none)'} is neither {_STRUCTURED} nor application/json")


def _binary(headers: Mapping[str, str], kind: str, body: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {name[3:]: unquote(text) for name, text in headers.items() if name.startswith("ce-")}
    if body and (kind == "application/json" or kind.endswith("+json")):
        event["data"] = _json(body)
    return event


def _cloud_event(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused("an event is a JSON object")
    event = cast("Mapping[str, Any]", value)
    if event.get("specversion") != "1.0":
        raise _refused("its specversion is not 1.0")
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise _refused(f"it has no {name}")
    return event


def _asked(events: list[Mapping[str, Any]]) -> Asked:
    named: list[Named] = []
    sources: list[str] = []
    over = 0
    for event in events:
        found, subject = list(_named(event)), event.get("subject")
        named += found
        if event["type"] == WAKE and isinstance(subject, str):
            sources.append(subject)
        elif not found:
            over += 1
    return Asked(len(events), tuple(dict.fromkeys(named)), tuple(dict.fromkeys(sources)), over)


def _named(event: Mapping[str, Any]) -> Iterator[Named]:
    kind, data = event["type"], _data(event)
    if kind.startswith(_AMAZON):
        yield from wake_s3.named_by(data)
    elif kind == _GOOGLE and isinstance(data, Mapping):
        said = cast("Mapping[str, object]", data)
        bucket, key = said.get("bucket"), said.get("name")
        if isinstance(bucket, str) and isinstance(key, str):
            yield Named("gs", bucket, key)
    else:
        yield from wake_azure.named_by({**event, "data": data})


def _data(event: Mapping[str, Any]) -> object:
    encoded = event.get("data_base64")
    if not isinstance(encoded, str):
        return event.get("data")
    try:
        return json.loads(b64decode(encoded))
    except (ValueError, RecursionError):
        return None


def _foreign(value: object) -> Asked:
    """Read what has a schema of its own: Event Grid's, S3's, EventBridge's, SNS'."""
    if not isinstance(value, Mapping | list):
        raise _refused("an event is a JSON object")
    several = cast("list[object]", value) if isinstance(value, list) else [value]
    found = [[*wake_s3.named_by(each), *wake_azure.named_by(each)] for each in several]
    named = dict.fromkeys(each for event in found for each in event)
    return Asked(len(several), tuple(named), (), sum(not each for each in found))


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _refused("its body is no JSON") from None


def _refused(why: str) -> Invalid:
    sentence = (
        f"This is no event: {why}. Send a CloudEvent 1.0 (structured, binary or batched), or Event Grid's schema."
    )
    return Invalid("event-refused", sentence)
