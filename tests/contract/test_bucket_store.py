"""A lab whose store is a bucket: it works, and outlives a time in which the bucket refuses everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from aliquot.blobs import Store, open_store
from aliquot.datasets.export import export
from aliquot.db import Catalogue
from aliquot.db.tables import task
from aliquot.engine.supervise import Supervisor
from aliquot.executors.process import ProcessExecutor
from aliquot.model.errors import Unavailable
from aliquot.model.reference import parse_reference
from aliquot.model.state import State
from bucket import Bucket, bucket_of
from small_lab import SmallLab

LARGE = b"spectrum " * 700_000

COPY = {
    "pipeline": "copy",
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "one": {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": 'cp "$FILE" "$OUT/"'},
        "two": {"inputs": {"file": {"from": "one", "glob": "/*"}}, "command": 'cp "$FILE" "$OUT/"'},
    },
    "outputs": {"copies": {"from": "two", "publish": "copies"}},
}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket_of(monkeypatch) as bucket:
        yield bucket


@pytest.fixture
def store(bucket: Bucket) -> Iterator[Store]:
    store = open_store(bucket.url)
    yield store
    store.close()


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    lab = SmallLab(catalogue, store, tmp_path)
    yield lab
    lab.executor.close()


sqlite = pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)


@sqlite
def test_a_run_over_a_bucket_gives_what_went_in(lab: SmallLab, bucket: Bucket, tmp_path: Path) -> None:
    files = {f"/{at:02}.txt": f"text {at}\n" for at in range(20)}
    lab.add("texts", {**files, "/large.bin": LARGE})
    lab.apply(COPY)
    number = lab.start("copy")
    lab.supervise()
    assert lab.row(number).state == State.COMPLETE
    export(lab.catalogue, lab.store, parse_reference("copies"), tmp_path / "out")
    assert (tmp_path / "out" / "large.bin").read_bytes() == LARGE
    assert {path: (tmp_path / "out" / path[1:]).read_text() for path in files} == files
    assert bucket.open_uploads() == 0


@sqlite
def test_a_bucket_that_refuses_everything_for_a_while_costs_time_and_nothing_else(
    lab: SmallLab, bucket: Bucket, tmp_path: Path
) -> None:
    lab.add("texts", {f"/{at:02}.txt": f"text {at}\n" for at in range(8)})
    lab.apply(COPY)
    number = lab.start("copy")
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: lab.executor)
    bucket.shut()
    for _ in range(1000):
        _cycle(supervisor)
        if any(row.failures for row in lab.tasks(number)):
            break
        supervisor.wait(0.05)
    assert bucket.refused
    waiting = lab.tasks(number)
    assert {row.state for row in waiting} <= {State.QUEUED, State.INITIALIZING, State.RUNNING}
    assert any("503" in row.message or "SlowDown" in row.message for row in waiting)
    bucket.open()
    for _ in range(1000):
        with lab.catalogue.write() as connection:
            connection.execute(update(task).values(not_before=0.0))
        _cycle(supervisor)
        if lab.row(number).state == State.COMPLETE:
            break
        supervisor.wait(0.05)
    supervisor.close()
    lab.executor = ProcessExecutor(lab.store, lab.folder / "work", 2)
    assert (lab.row(number).state, lab.row(number).parked) == (State.COMPLETE, 0)
    assert len(lab.content("copies")) == 8
    assert bucket.open_uploads() == 0


def _cycle(supervisor: Supervisor) -> None:
    try:
        supervisor.cycle()
    except Unavailable:
        supervisor.wait(0.05)
