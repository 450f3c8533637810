"""A lab without a folder, for tests of the engine: a catalogue, a store, and pipelines given as values."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import Reference, entries, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import definition, run, task
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.engine.supervise import Supervisor
from aliquot.executors.process import ProcessExecutor
from aliquot.model.digest import digest_document
from aliquot.model.pipeline import Pipeline


class SmallLab:
    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        self.catalogue = catalogue
        self.store = store
        self.folder = folder
        self.executor = ProcessExecutor(store, folder / "work", 2)

    def put(self, dataset: str, removes: tuple[str, ...] = (), **_: Any) -> Committed:
        return commit(self.catalogue, self.store, Change(dataset, (), removes))

    def add(self, dataset: str, files: Mapping[str, bytes | str]) -> Committed:
        batch = self.store.batch()
        adds = []
        for path, content in files.items():
            blob = batch.add_bytes(content.encode() if isinstance(content, str) else content)
            adds.append(NewEntry(path, blob.digest, blob.size))
        locations = batch.flush()
        return commit(
            self.catalogue,
            self.store,
            Change(dataset, adds),
            lambda connection, _: places.record(connection, locations),
        )

    def apply(self, document: dict[str, Any], bundle: Mapping[str, bytes] | None = None) -> None:
        pipeline = Pipeline.model_validate(document)
        locations = {path: self.store.put_bytes(data) for path, data in (bundle or {}).items()}
        digests = {path: place.digest for path, place in locations.items()}
        with self.catalogue.write() as connection:
            places.record(connection, locations.values())
            connection.execute(update(definition).where(definition.c.name == pipeline.pipeline).values(current=False))
            connection.execute(
                insert(definition).values(
                    kind="pipeline", name=pipeline.pipeline, digest=digest_document([document, digests]),
                    document=document, bundle=digests, file="", applied_at=time.time(), applied_by="test", current=True,
                )
            )  # fmt: skip

    def start(self, pipeline: str, publish: bool = True, **parameters: Any) -> int:
        with self.catalogue.write() as connection:
            number = start(connection, Order(current(connection, pipeline), parameters, publish=publish))
        assert number is not None
        return number

    def supervise(self, supervisor: Supervisor | None = None, seconds: float = 60) -> None:
        mine = supervisor or Supervisor(self.catalogue, self.store, lambda _: self.executor)
        if supervisor is None:
            mine.open()
        deadline = time.monotonic() + seconds
        while not mine.idle():
            assert time.monotonic() < deadline, "the runs did not end in time"
            if not mine.cycle():
                mine.wait(0.05)
        if supervisor is None:
            mine.close()
            self.executor = ProcessExecutor(self.store, self.folder / "work", 2)

    def run(self, pipeline: str, **parameters: Any) -> int:
        number = self.start(pipeline, **parameters)
        self.supervise()
        return number

    def row(self, number: int) -> Any:
        with self.catalogue.read() as connection:
            return connection.execute(select(run).where(run.c.id == number)).one()

    def tasks(self, number: int, step: str | None = None) -> list[Any]:
        with self.catalogue.read() as connection:
            query = select(task).where(task.c.run_id == number).order_by(task.c.id)
            return [row for row in connection.execute(query) if step in {None, row.step}]

    def ran(self, number: int, step: str | None = None) -> list[str]:
        """Give the labels of the tasks for which a command was started."""
        return sorted(
            f"{row.step}:" + "+".join(part[0] for part in row.datum["parts"].values())
            for row in self.tasks(number, step)
            if not row.reused
        )

    def content(self, dataset: str, version: str = "latest") -> dict[str, bytes]:
        with self.catalogue.read() as connection:
            found = list(entries(connection, resolve(connection, Reference(dataset, version))))
            where = places.require(connection, [each.digest for each in found])
        return {each.path: self.store.read(where[each.digest]) for each in found}

    def close(self) -> None:
        self.executor.close()
