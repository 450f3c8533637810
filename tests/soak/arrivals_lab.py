"""A lab with a folder, an S3 bucket and an Azure container at its door, and what comes there, with events about it."""

import json
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from azure.storage.queue import QueueClient

from aliquot.access.people import add_person
from aliquot.access.rights import Role
from aliquot.access.tokens import make_token
from aliquot.intake.aws import client
from aliquot.lab import open_lab
from azurite import Azurite
from bucket import Bucket
from lab_folder import LabFolder
from source_kinds import FolderKind, Kind, ObjectsKind

KINDS = ("folder", "s3", "azure")
_SETTINGS = """
lab: doorstep
catalogue: {catalogue}
executor: {{kind: process, workers: 2}}
sources:
  folder:
    watch: ./inbox
    settled: {{quiet: 2s}}
    interval: 3s
    accept: [{{type: rows, into: folder}}]
  s3:
    watch: s3://{bucket}/in
    since: all
    interval: 5s
    wake: {{sqs: "{sqs}"}}
    settings: {s3}
    accept: [{{type: rows, into: s3}}]
  azure:
    watch: az://{container}/in
    since: all
    interval: 5s
    wake: {{azure_queue: "{queue}"}}
    settings: {azure}
    accept: [{{type: rows, into: azure}}]
"""
_TYPE = """
type: rows
recognise: {name: "*.csv"}
format: table
table: {fields: [{name: id, type: integer}, {name: name, type: string}]}
"""
_PIPELINE = """
pipeline: KIND-sizes
inputs: {files: {dataset: KIND}}
trigger: {new_version: [KIND]}
steps:
  measure:
    inputs: {file: {from: files, glob: "/{name}"}}
    command: wc -c < "$FILE" > "$OUT/size of $NAME"
    retry: {backoff: 100ms, on: {lost: 50, ours: 20}}
outputs: {sizes: {from: measure, publish: KIND-sizes}}
"""
_NAMES = ("{n}.csv", "run {n}.csv", "a+b {n}.csv", "100%20{n}.csv", "Läufe-{n}.csv", "測定 {n}.csv")


@dataclass
class Place:
    """One source: where files are put, and what they held by path, in the order in which it was put there."""

    kind: Kind
    good: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    bad: dict[str, bytes] = field(default_factory=dict[str, bytes])


class ArrivalsLab(LabFolder):
    """The lab, and everybody who sends it something. One that is up listens at `address`."""

    def __init__(self, folder: Path, catalogue: str, s3: Bucket, azure: Azurite) -> None:
        folder.mkdir(parents=True)
        super().__init__(folder)
        self.environment |= {"ALIQUOT_LOG": "json", "ALIQUOT_LEASE": "5"}
        sqs = client("sqs", s3.settings, s3.endpoint)
        queue = sqs.create_queue(QueueName="arrivals", Attributes={"VisibilityTimeout": "10"})["QueueUrl"]
        azure.make(azure.queues, "arrivals")
        blobs = QueueClient.from_connection_string(azure.connection, "arrivals")
        self.write(
            "aliquot.yaml",
            _SETTINGS.format(
                catalogue=catalogue, bucket=s3.name, sqs=queue, s3=json.dumps(s3.settings), container=azure.container,
                queue=f"{azure.queues}/arrivals", azure=json.dumps(azure.settings),
            ),
        )  # fmt: skip
        self.write("types/rows.yaml", _TYPE)
        for kind in KINDS:
            self.write(f"pipelines/{kind}.yaml", _PIPELINE.replace("KIND", kind))
        self.places = {
            "folder": Place(FolderKind(folder / "inbox")),
            "s3": Place(ObjectsKind(f"s3://{s3.name}/in", folder, settings=s3.settings)),
            "azure": Place(ObjectsKind(f"az://{azure.container}/in", folder, settings=azure.settings)),
        }
        self.run("apply")
        with open_lab(folder) as lab, lab.catalogue.write() as connection:
            add_person(connection, lab.by, "ana", {"*": Role.TECHNICIAN})
            word, _ = make_token(connection, lab.by, "ana", "events", ["source.wake"])
        self.address = f"http://127.0.0.1:{_free_port()}"
        web = httpx.Client(base_url=self.address, params={"access_token": word}, timeout=5)
        self.tell: dict[str, Sequence[Callable[[str], object]]] = {
            "folder": (),
            "s3": (lambda key: sqs.send_message(QueueUrl=queue, MessageBody=_of_s3(s3.name, key)),),
            "azure": (
                lambda key: blobs.send_message(json.dumps(_of_azure(azure.container, key))),
                lambda key: _post(web, _of_azure(azure.container, key)),
            ),
        }

    @property
    def commands(self) -> Sequence[Sequence[str]]:
        """Give the processes that keep the lab alive together, each with its words."""
        return (("up", "--listen", self.address.removeprefix("http://")), ("daemon",))

    def arrive(self, number: int, chance: random.Random) -> tuple[str, str]:
        """Put a file at one of the places, or another in the place of one; gives the source and the path there."""
        name = chance.choice(KINDS)
        place = self.places[name]
        content = f"id,name\n{number},{'x' * chance.randrange(60)}\n".encode()
        path = chance.choice(_NAMES).format(n=number)
        luck = chance.random()
        if luck < 0.03:
            content = f"id,name\nnone,{number}\n".encode()
            place.bad[path] = content
        elif luck < 0.08 and place.good:
            path = chance.choice(list(place.good))
        elif luck < 0.11 and place.good:
            content = place.good[chance.choice(list(place.good))][-1]
        if path not in place.bad:
            place.good.setdefault(path, []).append(content)
        if name == "folder" and chance.random() < 0.5:
            draft = self.write(f"outside/{number}", content)
            draft.rename(self.folder / "inbox" / path)
        else:
            place.kind.put(path, content)
        return name, path


class Events:
    """Tells of arrivals as clouds do: late, twice, in any order, or never."""

    def __init__(self, lab: ArrivalsLab, chance: random.Random, dropped: float) -> None:
        self._lab = lab
        self._chance = chance
        self._dropped = dropped
        self._waiting: list[tuple[str, str]] = []
        self.sent = self.lost = 0

    def of(self, source: str, path: str) -> None:
        """Tell of an arrival, perhaps, and by and by."""
        if not self._lab.tell[source]:
            return
        if self._chance.random() < self._dropped:
            self.lost += 1
            return
        self._waiting += [(source, path)] * self._chance.choice([1, 1, 1, 2, 3])
        while len(self._waiting) > 30:
            self._send()

    def flush(self) -> None:
        """Send what is left."""
        while self._waiting:
            self._send()

    def _send(self) -> None:
        source, path = self._waiting.pop(self._chance.randrange(len(self._waiting)))
        self._chance.choice(self._lab.tell[source])(f"in/{path}")
        self.sent += 1


def _of_s3(bucket: str, key: str) -> str:
    from urllib.parse import quote_plus

    said = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": said}
    return json.dumps({"Records": [record]})


def _of_azure(container: str, key: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "1", "source": "/storage", "type": "Microsoft.Storage.BlobCreated",
        "subject": f"/blobServices/default/containers/{container}/blobs/{key}",
        "data": {"api": "PutBlob", "url": f"https://lab.blob.core.windows.net/{container}/{key}"},
    }  # fmt: skip


def _post(web: httpx.Client, event: dict[str, Any]) -> None:
    try:
        answer = web.post("/events", json=event, headers={"content-type": "application/cloudevents+json"})
    except httpx.TransportError:
        # Nobody is up at the moment: an event that is lost.
        return
    assert answer.status_code in {200, 429, 503}, answer.text


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
