"""A lab with a folder, an S3 bucket and an Azure container at its door, and what comes there, with events about it."""

import json
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

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
# A part of the files is enough to see that each version has its run, and the last run all files.
_PIPELINE = """
pipeline: KIND-sizes
inputs: {files: {dataset: KIND}}
trigger: {new_version: [KIND]}
steps:
  measure:
    inputs: {file: {from: files, glob: "/{name}7.csv"}}
    command: wc -c < "$FILE" > "$OUT/size of ${NAME}7.csv"
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
    there: list[str] = field(default_factory=list[str])
    """The paths of good files that have been put there."""


class Arrival(NamedTuple):
    """A file that shall come; `moved` into its folder at once, or written there."""

    number: int
    source: str
    path: str
    content: bytes
    moved: bool


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
        self.tell: dict[str, Sequence[Callable[[Sequence[str]], object]]] = {
            "folder": (),
            "s3": (
                lambda keys: sqs.send_message_batch(
                    QueueUrl=queue,
                    Entries=[{"Id": str(n), "MessageBody": _of_s3(s3.name, key)} for n, key in enumerate(keys)],
                ),
            ),
            "azure": (
                lambda keys: blobs.send_message(json.dumps([_of_azure(azure.container, key) for key in keys])),
                lambda keys: _post(web, [_of_azure(azure.container, key) for key in keys]),
            ),
        }
        """How it is told that objects have come, by source; each way takes up to ten keys."""

    @property
    def commands(self) -> Sequence[Sequence[str]]:
        """Give the processes that keep the lab alive together, each with its words."""
        return (("up", "--listen", self.address.removeprefix("http://")), ("daemon",))

    def choose(self, number: int, chance: random.Random) -> Arrival:
        """Choose what comes next: a new file, a wrong one, the content of another, or a new one in the place of one."""
        name = chance.choice(KINDS)
        place = self.places[name]
        content = f"id,name\n{number},{'x' * chance.randrange(60)}\n".encode()
        path = chance.choice(_NAMES).format(n=number)
        luck = chance.random()
        if luck < 0.03:
            content = place.bad[path] = f"id,name\nnone,{number}\n".encode()
        elif luck < 0.08 and place.there:
            # What is under way must not be overtaken.
            path = place.there.pop(chance.randrange(len(place.there)))
        elif luck < 0.11 and place.there:
            content = place.good[chance.choice(place.there)][-1]
        if path not in place.bad:
            place.good.setdefault(path, []).append(content)
        return Arrival(number, name, path, content, moved=name == "folder" and chance.random() < 0.5)

    def put(self, arrival: Arrival) -> Arrival:
        """Put a file where it shall come."""
        if arrival.moved:
            draft = self.write(f"outside/{arrival.number}", arrival.content)
            draft.rename(self.folder / "inbox" / arrival.path)
        else:
            self.places[arrival.source].kind.put(arrival.path, arrival.content)
        return arrival

    def note(self, arrival: Arrival) -> None:
        """Note that a file is there."""
        place = self.places[arrival.source]
        if arrival.path not in place.bad:
            place.there.append(arrival.path)


class Events:
    """Tells of arrivals as clouds do: late, twice, in any order, or never."""

    def __init__(self, lab: ArrivalsLab, chance: random.Random, dropped: float) -> None:
        self._lab = lab
        self._chance = chance
        self._dropped = dropped
        self._waiting: dict[str, list[str]] = {name: [] for name, ways in lab.tell.items() if ways}
        self.sent = self.lost = 0

    def of(self, arrival: Arrival) -> None:
        """Tell of an arrival, perhaps, and by and by."""
        waiting = self._waiting.get(arrival.source)
        if waiting is None:
            return
        if self._chance.random() < self._dropped:
            self.lost += 1
            return
        waiting += [f"in/{arrival.path}"] * self._chance.choice([1, 1, 1, 2, 3])
        if len(waiting) > 30:
            self._send(arrival.source)

    def flush(self) -> None:
        """Send what is left."""
        for name, waiting in self._waiting.items():
            while waiting:
                self._send(name)

    def _send(self, source: str) -> None:
        waiting = self._waiting[source]
        self._chance.shuffle(waiting)
        some = [waiting.pop() for _ in range(min(len(waiting), self._chance.randint(1, 10)))]
        self._chance.choice(self._lab.tell[source])(some)
        self.sent += len(some)


def _of_s3(bucket: str, key: str) -> str:
    said = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": said}
    return json.dumps({"Records": [record]})


def _of_azure(container: str, key: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "1", "source": "/storage", "type": "Microsoft.Storage.BlobCreated",
        "subject": f"/blobServices/default/containers/{container}/blobs/{key}",
        "data": {"api": "PutBlob", "url": f"https://lab.blob.core.windows.net/{container}/{key}"},
    }  # fmt: skip


def _post(web: httpx.Client, events: list[dict[str, Any]]) -> None:
    try:
        answer = web.post("/events", json=events, headers={"content-type": "application/cloudevents-batch+json"})
    except httpx.TransportError:
        # Nobody is up at the moment: an event that is lost.
        return
    assert answer.status_code in {200, 429, 503}, answer.text


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
