"""Events wake the real daemon: over HTTP and through a queue; what no event tells of arrives all the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from sqlalchemy import select

from aliquot.access import tokens
from aliquot.access.people import add_person
from aliquot.access.rights import Role
from aliquot.db.tables import audit, receipt
from aliquot.intake.aws import client
from aliquot.intake.health import health_of
from aliquot.lab import open_lab
from bucket import Bucket, bucket_of
from lab_folder import LabFolder
from running_server import RunningServer, running_server
from source_kinds import ObjectsKind
from waiting import until

SETTINGS = """
lab: riverside
catalogue: {catalogue}
executor: {{kind: process, workers: 1}}
projects: [blue]
sources:
"""
SOURCE = """
  {name}:
    watch: s3://{bucket}/{name}
    since: all
    interval: {interval}
    {more}
    settings: {{aws_endpoint: "{endpoint}"}}
    accept: [{{type: any, into: {name}}}]
"""
NEVER = "1d"
CLOUD = {"content-type": "application/cloudevents+json"}


class Lab(LabFolder):
    """A lab whose sources look at folders of a bucket; those that only events wake would look once a day."""

    def __init__(self, folder: Path, bucket: Bucket, catalogue: str) -> None:
        super().__init__(folder)
        self.bucket = bucket
        sqs = client("sqs", bucket.settings, bucket.endpoint)
        queue = sqs.create_queue(QueueName=f"arrivals-{folder.parent.name}")["QueueUrl"]
        self.tell = lambda body: sqs.send_message(QueueUrl=queue, MessageBody=body)
        text = SETTINGS.format(catalogue=catalogue)
        for name, interval, more in (
            ("posted", NEVER, ""), ("queued", NEVER, f'wake: {{sqs: "{queue}"}}'),
            ("clock", "1s", f'wake: {{sqs: "{queue}"}}'),
            ("other", NEVER, "project: blue"),
        ):  # fmt: skip
            text += SOURCE.format(
                name=name, bucket=bucket.name, interval=interval, more=more, endpoint=bucket.endpoint
            )  # fmt: skip
        self.write("aliquot.yaml", text)
        self.write("types/any.yaml", "type: any\nrecognise: {name: '*'}\n")
        self.run("apply")
        with open_lab(folder) as lab, lab.catalogue.write() as connection:
            add_person(connection, lab.by, "ana", {"lab": Role.TECHNICIAN})
        self.number = 0

    def put(self, source: str) -> str:
        """Put an object, and give its key."""
        self.number += 1
        key = f"{source}/{self.number} a+b.txt"
        kind = ObjectsKind(f"s3://{self.bucket.name}", self.folder, settings=self.bucket.settings)
        obstore.put(kind.objects, key, b"1", use_multipart=False)
        return key

    def arrived(self, source: str) -> set[str]:
        with open_lab(self.folder) as lab, lab.catalogue.read() as connection:
            found = connection.execute(select(receipt.c.path).where(receipt.c.source == source)).scalars()
            return {f"{source}{each}" for each in found}

    def wait_for(self, source: str, key: str) -> None:
        until(lambda: key in self.arrived(source))

    def wait_for_looks(self) -> None:
        """Wait until each source has been looked at first."""

        def looked() -> bool:
            with open_lab(self.folder) as lab, lab.catalogue.read() as connection:
                return len(health_of(connection)) == 4

        until(looked)

    def token(self, *scope: str, days: float = 1) -> str:
        with open_lab(self.folder) as lab, lab.catalogue.write() as connection:
            return tokens.make_token(connection, lab.by, "ana", "events", scope, days=days)[0]

    @property
    def denied(self) -> list[tuple[str, str]]:
        with open_lab(self.folder) as lab, lab.catalogue.read() as connection:
            query = select(audit.c.who, audit.c.action).where(audit.c.outcome == "denied").order_by(audit.c.number)
            return [(row.who, row.action) for row in connection.execute(query)]


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, bucket_of(patch) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def server(s3: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = Lab(tmp_path_factory.mktemp("events") / "lab", s3, "sqlite:///.aliquot/catalogue.db")
    with running_server(lab, "up") as started:
        lab.wait_for_looks()
        yield started


def lab_of(server: RunningServer) -> Lab:
    assert isinstance(server.lab, Lab)
    return server.lab


def bearer(word: str) -> dict[str, str]:
    return {"authorization": f"Bearer {word}"}


def cloud_event(**more: Any) -> str:
    return json.dumps({"specversion": "1.0", "id": "1", "source": "/reader", "type": "aliquot.source.wake", **more})


def test_a_server_wakes_the_daemon_that_works_apart(s3: Bucket, postgresql_database: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", s3, postgresql_database)
    daemon = lab.start("daemon")
    try:
        with running_server(lab) as started:
            lab.wait_for_looks()
            _wake_in_every_way(started)
    finally:
        daemon.terminate()
        daemon.wait(60)


def test_whatever_tells_of_an_arrival_wakes_a_lab_that_is_up(server: RunningServer) -> None:
    _wake_in_every_way(server)


def test_a_receipt_names_the_version_of_the_object(server: RunningServer) -> None:
    lab = lab_of(server)
    lab.wait_for("clock", lab.put("clock"))
    number = lab.json("receipts", "list", "--limit", "1")[0]["id"]
    version = lab.json("receipts", "show", str(number))["object_version"]
    assert len(version) == 32
    assert version in lab.run("receipts", "show", str(number)).stdout


def _wake_in_every_way(server: RunningServer) -> None:
    lab, post = lab_of(server), server.client()
    word = lab.token("source.wake")
    key = lab.put("posted")
    answer = post.post("/events", content=cloud_event(subject="posted"), headers=CLOUD | bearer(word))
    assert (answer.status_code, answer.json()) == (200, {"events": 1, "woken": ["posted"], "passed_over": 0})
    lab.wait_for("posted", key)
    key = lab.put("posted")
    said = {"bucket": {"name": lab.bucket.name}, "object": {"key": key}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": said}
    answer = post.post("/events", params={"access_token": word}, json=event)
    assert answer.json()["woken"] == ["posted"]
    lab.wait_for("posted", key)
    key = lab.put("queued")
    said = {"bucket": {"name": lab.bucket.name}, "object": {"key": key.replace("+", "%2B").replace(" ", "+")}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": said}
    lab.tell(json.dumps({"Records": [record]}))
    lab.wait_for("queued", key)
    # All that could tell of it is lost: it comes within the source's interval.
    lab.wait_for("clock", lab.put("clock"))
    post.close()


def test_event_grid_is_told_that_its_events_are_wanted(server: RunningServer, shared_data: Path) -> None:
    word, post = lab_of(server).token("source.wake"), server.client()
    where = {"access_token": word}
    body = (shared_data / "events/azure/eventgrid_subscription_validation.json").read_bytes()
    kind = {"content-type": "application/json", "aeg-event-type": "SubscriptionValidation"}
    answer = post.post("/events", params=where, content=body, headers=kind)
    assert answer.json() == {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}
    asked = {"webhook-request-origin": "eventgrid.azure.net", "webhook-request-rate": "120"}
    answer = post.options("/events", params=where, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    assert int(answer.headers["webhook-allowed-rate"]) > 0
    assert post.options("/events", headers=asked).status_code == 401
    odd = {"webhook-request-origin": "a b"}
    assert post.options("/events", params=where, headers=odd).json()["code"] == "event-refused"
    body = (shared_data / "events/azure/eventgrid_blobcreated.json").read_bytes()
    kind["aeg-event-type"] = "Notification"
    answer = post.post("/events", params=where, content=body, headers=kind)
    assert (answer.status_code, answer.json()["woken"]) == (200, [])
    post.close()


def test_who_may_not_wake_is_refused_and_noted(server: RunningServer) -> None:
    lab, post = lab_of(server), server.client()
    word, broad = lab.token("source.wake"), lab.token("source.wake", "source.read")
    wish = cloud_event(subject="posted")
    for address, headers, status, code in (
        ("/events", {}, 401, "sign-in-needed"),
        ("/events", bearer("aliquot_forged"), 401, "token-unknown"),
        ("/events?access_token=aliquot_forged", {}, 401, "token-unknown"),
        ("/events", {"authorization": f"Basic {word}"}, 401, "sign-in-needed"),
        (f"/events?access_token={broad}", {}, 403, "token-in-address"),
        ("/events", bearer(lab.token("source.read")), 403, "access-denied"),
    ):
        answer = post.post(address, content=wish, headers=CLOUD | headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), address
        assert answer.headers["content-type"] == "application/problem+json"
    answer = post.post("/events", content=cloud_event(subject="other"), headers=CLOUD | bearer(word))
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing-seen")
    assert lab.denied[-3:] == [("ana", "source.wake")] * 3
    # Of those who have not signed in, the first try of a kind and an address is noted, and no stranger fills the audit.
    assert lab.denied.count(("", "source.wake")) == lab.denied.count(("", "sign in by token")) == 1
    assert post.post("/api/v1/runs", headers=bearer(word), json={"pipeline": "x"}).status_code == 403
    for text in (server.log(), str(lab.denied)):
        assert word not in text
        assert broad not in text
    post.close()


def test_an_ended_token_and_garbage_are_told_apart(server: RunningServer) -> None:
    lab, post = lab_of(server), server.client()
    word = lab.token("source.wake", days=1e-9)
    answer = post.post("/events", content=cloud_event(), headers=CLOUD | bearer(word))
    assert (answer.status_code, answer.json()["code"]) == (401, "token-over")
    good = bearer(lab.token("source.wake"))
    for headers, body, status in ((CLOUD, b"{", 422), ({}, b"", 422), (CLOUD, b"{" + b" " * 2**20, 413)):
        assert post.post("/events", content=body, headers=headers | good).status_code == status
    answer = post.post("/events", content=cloud_event(type="org.example.coffee"), headers=CLOUD | good)
    assert (answer.status_code, answer.json()) == (200, {"events": 1, "woken": [], "passed_over": 1})
    # Who guesses has to wait, and keeps nobody else from it.
    answers = [post.post("/events", headers=bearer(f"aliquot_{number}")) for number in range(40)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    headers = CLOUD | bearer(lab.token("source.wake"))
    assert post.post("/events", content=cloud_event(type="x"), headers=headers).status_code == 200
    post.close()
