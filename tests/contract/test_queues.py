"""Queues of messages, each on a server that keeps them: what is obeyed is deleted, what is not comes again."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest

from aliquot.intake.aws import client
from aliquot.intake.queue_azure import AzureQueue
from aliquot.intake.queue_sqs import SqsQueue
from aliquot.intake.wake_s3 import Named
from aliquot.model.errors import Invalid, Unavailable
from azurite import azurite_of
from bucket import Bucket, bucket_of
from source_kinds import ObjectsKind

ARN = "arn:aws:sqs:us-east-1:123456789012:arrivals"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket_of(monkeypatch) as bucket:
        yield bucket


def test_an_s3_bucket_tells_a_queue_what_has_come(s3: Bucket, tmp_path: Path) -> None:
    sqs = client("sqs", s3.settings, s3.endpoint)
    url = sqs.create_queue(QueueName="arrivals", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    events = {"QueueConfigurations": [{"QueueArn": ARN, "Events": ["s3:ObjectCreated:*"]}]}
    s3_client = client("s3", s3.settings, s3.endpoint)
    s3_client.put_bucket_notification_configuration(Bucket=s3.name, NotificationConfiguration=events)
    kind = ObjectsKind(f"s3://{s3.name}/in", tmp_path, settings=s3.settings)
    obstore.put(kind.objects, "a b+c%20d.csv", b"1", use_multipart=False)
    queue = SqsQueue(url, s3.settings)
    messages = [each for _ in range(5) for each in queue.receive(1)]
    assert {named for each in messages for named in each.named} == {Named("s3", s3.name, "in/a b+c%20d.csv")}
    assert any(not each.named for each in messages), "the test message that S3 sends first names nothing"
    queue.delete(messages[-1:])
    queue.delete(queue.receive(2) or messages)
    for _ in range(3):
        queue.delete(queue.receive(1))
    assert queue.receive(1) == []


@pytest.mark.parametrize("make", [SqsQueue, AzureQueue])
@pytest.mark.parametrize("url", ["", "arrivals", "http://[broken/a", "https://sqs.eu-central-1.amazonaws.com"])
def test_what_is_no_url_of_a_queue_is_told(make: type[SqsQueue | AzureQueue], url: str) -> None:
    with pytest.raises(Invalid, match="is no URL of a queue"):
        make(url, {})


@pytest.mark.parametrize(
    ("make", "url"),
    [(SqsQueue, "https://sqs_local/123/arrivals"), (AzureQueue, "https://lab.queue.core.windows.net/arrivals")],
)
def test_a_queue_that_its_client_refuses_is_told(make: type[SqsQueue | AzureQueue], url: str) -> None:
    with pytest.raises(Invalid, match="The queue cannot be asked"):
        make(url, {})


@pytest.mark.parametrize("settings", [{}, {"AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}])
def test_an_azure_queue_takes_its_key_as_a_container_does(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    if not settings:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert AzureQueue("https://lab.queue.core.windows.net/arrivals", settings).url.endswith("/arrivals")


def test_a_queue_that_is_not_there_is_unavailable(s3: Bucket) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        SqsQueue(f"{s3.endpoint}/123456789012/nobody", s3.settings).receive(0)


def test_event_grid_tells_a_queue_which_blobs_are_complete() -> None:
    with azurite_of() as azure:
        azure.make(azure.queues, "arrivals")
        from azure.storage.queue import QueueClient

        writer = QueueClient.from_connection_string(azure.connection, "arrivals")
        subject = "/blobServices/default/containers/incoming/blobs/in/x.csv"
        event = {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": subject,
            "data": {"api": "PutBlob", "url": "https://lab.blob.core.windows.net/incoming/in/x.csv"},
        }
        writer.send_message(b64encode(json.dumps(event).encode()).decode())
        writer.send_message("no message of ours")
        queue = AzureQueue(f"{azure.queues}/arrivals", azure.settings)
        messages = queue.receive(0)
        assert [each.named for each in messages] == [(Named("az", "incoming", "in/x.csv"),), ()]
        queue.delete(messages)
        assert writer.get_queue_properties().approximate_message_count == 0
        with pytest.raises(Unavailable, match="does not answer"):
            AzureQueue(f"{azure.queues}/nobody", azure.settings).receive(0)
