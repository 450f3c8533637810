"""What messages from outside say, and which sources they wake."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from aliquot.db import Catalogue
from aliquot.intake import wake_azure, wake_s3
from aliquot.intake.queues import Message, Owed
from aliquot.intake.settle import Pending
from aliquot.intake.source import Look
from aliquot.intake.wake_s3 import Named
from aliquot.intake.wakes import sources_of, wake, woken
from aliquot.model.lab_config import Source

ACCEPT = [{"type": "any", "into": "plates"}]


def _direct(key: str, name: str = "ObjectCreated:Put", version: str = "2.1") -> dict[str, Any]:
    said = {"bucket": {"name": "b"}, "object": {"key": key}}
    return {"Records": [{"eventVersion": version, "eventSource": "aws:s3", "eventName": name, "s3": said}]}


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("aws-lambda-go/s3-event.json", ["lambda-artifacts-deafc19498e3f2df"]),
        ("aws-lambda-go/sns-event.json", []),
        ("aws-lambda-go/sqs-event.json", []),
        ("powertools/s3Event.json", ["lambda-artifacts-deafc19498e3f2df"]),
        ("powertools/s3SqsEvent.json", ["xxx"]),
        ("powertools/s3EventBridgeNotificationObjectCreatedEvent.json", ["example-bucket"]),
        ("powertools/s3EventBridgeNotificationObjectDeletedEvent.json", []),
        ("powertools/s3EventBridgeNotificationObjectExpiredEvent.json", []),
        ("powertools/s3EventDeleteObject.json", []),
    ],
)
def test_messages_as_aws_sends_them(shared_data: Path, file: str, named: list[str]) -> None:
    found = wake_s3.named_in((shared_data / "events/s3" / file).read_bytes())
    if file == "aws-lambda-go/s3-event.json":
        assert len(found) == 1
    else:
        assert [each.bucket for each in found] == named


def test_every_message_of_the_samples_is_read_without_an_error(shared_data: Path) -> None:
    for file in (shared_data / "events").rglob("*.json"):
        body = file.read_bytes()
        wake_s3.named_in(body)
        wake_azure.named_in(body)


@pytest.mark.parametrize(
    ("written", "key"),
    [("a+b%2Bc%2520d", "a b+c%20d"), ("Z%C3%BCrich/l%C3%A4uft.csv", "Zürich/läuft.csv"), ("plain/key", "plain/key")],
)
def test_keys_of_direct_messages_are_decoded_as_forms(written: str, key: str) -> None:
    assert wake_s3.named_in(json.dumps(_direct(written))) == [Named("s3", "b", key)]


def test_sns_and_event_bridge_wrap_the_same() -> None:
    direct = json.dumps(_direct("a+b"))
    assert wake_s3.named_in(json.dumps({"Type": "Notification", "Message": direct})) == [Named("s3", "b", "a b")]
    detail = {"bucket": {"name": "b"}, "object": {"key": "a+b"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    assert wake_s3.named_in(json.dumps(event)) == [Named("s3", "b", "a+b")]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}),
        json.dumps(_direct("k", version="3.0")),
        json.dumps(_direct("k", name="ObjectRemoved:Delete")),
        "", "no json", "[]", "[1]", "null", '{"Records": [1, null, {"s3": 3}]}', "[" * 100_000,
        json.dumps({"Message": "{" * 50}),
        '{"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": 1}}',
    ],
)  # fmt: skip
def test_what_names_nothing_is_swallowed(body: str) -> None:
    assert wake_s3.named_in(body) == []
    assert wake_azure.named_in(body) == []


@pytest.mark.parametrize("file", ["cloudevents_blobcreated.json", "eventgrid_blobcreated.json"])
def test_event_grid_in_both_schemas_plain_and_in_base64(shared_data: Path, file: str) -> None:
    body = (shared_data / "events/azure" / file).read_bytes()
    for text in (body, b64encode(body)):
        assert wake_azure.named_in(text) == [Named("az", "incoming", "run42/input.tar")]


def test_only_calls_that_complete_a_blob_count(shared_data: Path) -> None:
    event = json.loads((shared_data / "events/azure/cloudevents_blobcreated.json").read_text())
    for api, count in {"PutBlob": 1, "CopyBlob": 1, "FlushWithClose": 1, "CreateFile": 0, "PutBlock": 0, "": 0}.items():
        event["data"]["api"] = api
        assert len(wake_azure.named_in(json.dumps(event))) == count, api


def test_the_handshake_is_told_apart(shared_data: Path) -> None:
    body = (shared_data / "events/azure/eventgrid_subscription_validation.json").read_text()
    assert wake_azure.validation_code(body) == "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
    assert wake_azure.named_in(body) == []
    assert wake_azure.validation_code("[]") is None


SOURCES = {
    name: Source.model_validate({"watch": watch, "accept": ACCEPT})
    for name, watch in {"in": "s3://b/in", "all": "s3://c", "az": "az://b/in/", "folder": "in"}.items()
}


def test_objects_concern_the_sources_whose_prefix_they_are_below() -> None:
    named = [Named("s3", "b", "in/x"), Named("s3", "b", "inner/x"), Named("s3", "c", "x/y"), Named("az", "b", "in/x")]
    assert sources_of(named, SOURCES) == {"in": {"/x"}, "all": {"/x/y"}, "az": {"/x"}}


@pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)
def test_a_wake_is_seen_by_whoever_asks_the_catalogue(catalogue: Catalogue) -> None:
    wake(catalogue, SOURCES, ["in", "nobody"])
    wake(catalogue, SOURCES, ["in", "az"])
    with catalogue.read() as connection:
        assert woken(connection) == {"in": 2, "az": 1}


def test_a_message_is_done_when_nothing_that_it_names_waits_any_more() -> None:
    owed = Owed()
    first, second = Message(1, (Named("s3", "b", "in/x"),)), Message(2, (Named("s3", "b", "in/y"),))
    nothing = Message(3, ())
    assert owed.add([first, second, nothing], SOURCES) == {"in"}
    assert owed.done() == [nothing]
    owed.looked("in", Look(pending=(Pending("/x", "quiet", "waits"),)))
    assert owed.done() == [second]
    owed.looked("in", Look(more=True))
    assert owed.done() == []
    owed.looked("in", Look())
    assert owed.done() == [first]
