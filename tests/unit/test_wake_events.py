"""Events as they are posted: in each mode of CloudEvents and in the schemas of clouds, and how many are too many."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from aliquot.intake.wake_events import WAKE, Asked, read_posted
from aliquot.intake.wake_s3 import Named
from aliquot.model.errors import Invalid, TooOften
from aliquot.server.rate import A_SECOND, BURST, Rate

STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
JSON = {"content-type": "application/json"}
BLOB = Named("az", "incoming", "run42/input.tar")


def event(kind: str = WAKE, **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "/reader", "type": kind, **more}


def post(headers: dict[str, str], value: Any) -> Asked:
    return read_posted(headers, json.dumps(value).encode())


def test_an_event_may_be_structured_binary_or_one_of_a_batch() -> None:
    wanted = event(subject="läufe")
    assert post(STRUCTURED, wanted) == Asked(1, (), ("läufe",), 0)
    assert post(BATCH, [wanted, event("other"), wanted]) == Asked(3, (), ("läufe",), 1)
    assert post(BATCH, []) == Asked()
    headers = {f"ce-{name}": str(text) for name, text in event(subject="l%C3%A4ufe").items()}
    assert read_posted(headers, b"") == Asked(1, (), ("läufe",), 0)
    assert read_posted({**headers, "content-type": "text/csv"}, b"a,b\n") == Asked(1, (), ("läufe",), 0)


def test_event_grid_in_both_schemas(shared_data: Path) -> None:
    folder = shared_data / "events/azure"
    assert read_posted(STRUCTURED, (folder / "cloudevents_blobcreated.json").read_bytes()) == Asked(1, (BLOB,))
    assert read_posted(JSON, (folder / "eventgrid_blobcreated.json").read_bytes()) == Asked(1, (BLOB,))
    said = json.loads((folder / "cloudevents_blobcreated.json").read_text())
    said["data"]["api"] = "PutBlock"
    assert post(STRUCTURED, said) == Asked(1, (), (), 1)
    data = said.pop("data") | {"api": "PutBlob"}
    headers = {f"ce-{name}": text for name, text in said.items()} | JSON
    assert post(headers, data).named == (BLOB,)
    assert post(STRUCTURED, {**said, "data_base64": b64encode(json.dumps(data).encode()).decode()}).named == (BLOB,)


@pytest.mark.parametrize("source", ["aws:s3", "minio:s3"])
def test_s3_and_its_relatives(source: str) -> None:
    said = {"bucket": {"name": "b"}, "object": {"key": "a+b"}}
    record = {"eventVersion": "2.0", "eventSource": source, "eventName": "s3:ObjectCreated:Put", "s3": said}
    wanted = (Named("s3", "b", "a b"),)
    assert post(JSON, {"Records": [record]}).named == wanted
    assert post(STRUCTURED, event("com.amazonaws.s3.ObjectCreated.Put", data=record)).named == wanted
    sns = {"Type": "Notification", "Message": json.dumps({"Records": [record]})}
    headers = {"content-type": "text/plain", "x-amz-sns-message-type": "Notification"}
    assert post(headers, sns).named == wanted
    bridge = {"source": "aws.s3", "detail-type": "Object Created", "detail": said}
    assert post(JSON, bridge).named == (Named("s3", "b", "a+b"),)


def test_google_tells_of_objects_in_data() -> None:
    kind = "google.cloud.storage.object.v1.finalized"
    assert post(STRUCTURED, event(kind, data={"bucket": "b", "name": "x y"})).named == (Named("gs", "b", "x y"),)
    assert post(STRUCTURED, event(kind.replace("finalized", "deleted"), data={"bucket": "b", "name": "x"})).named == ()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (STRUCTURED, b""), (STRUCTURED, b"[]"), (STRUCTURED, b"\xff\xfe"), (STRUCTURED, b"[" * 100_000),
        (STRUCTURED, json.dumps(event(specversion="0.3")).encode()), (STRUCTURED, json.dumps(event("")).encode()),
        (STRUCTURED, json.dumps(event(id=3)).encode()), (BATCH, b"{}"), (BATCH, b"[1]"),
        ({"ce-specversion": "1.0", "ce-id": "1"}, b""), (JSON, b"3"), (JSON, b"no"), ({}, b"{}"),
        ({"content-type": "text/html"}, b"{}"), ({"ce-specversion": "1.0", **JSON}, b"{"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_told(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Invalid) as told:
        read_posted(headers, body)
    assert told.value.code == "event-refused"


@pytest.mark.parametrize("data", [None, 1, [], "x", {"s3": 1}, {"url": 3, "api": "PutBlob"}, {"bucket": {}, "name": 1}])
def test_odd_data_names_nothing(data: Any) -> None:
    for kind in ("com.amazonaws.s3.ObjectCreated", "google.cloud.storage.object.v1.finalized",
                 "Microsoft.Storage.BlobCreated", "org.example.odd"):  # fmt: skip
        assert post(STRUCTURED, event(kind, data=data)) == Asked(1, (), (), 1)
    assert post(STRUCTURED, event("x", data_base64="%%")) == Asked(1, (), (), 1)
    assert post(JSON, [data]) == Asked(1, (), (), 1)


def test_a_token_may_ask_so_often_and_another_is_not_held_up() -> None:
    rate = Rate()
    for _ in range(BURST):
        rate.count(1, 100.0)
    with pytest.raises(TooOften):
        rate.count(1, 100.0)
    rate.count(2, 100.0)
    for _ in range(A_SECOND):
        rate.count(1, 101.0)
    with pytest.raises(TooOften):
        rate.count(1, 101.0)
