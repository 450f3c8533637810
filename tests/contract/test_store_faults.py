"""A store that is full or silent while results are collected: nothing is lost, and the run goes on afterwards."""

from pathlib import Path

import pytest
from sqlalchemy import update

from aliquot.blobs import open_store
from aliquot.db import Catalogue
from aliquot.db.tables import task
from aliquot.engine.supervise import Supervisor
from aliquot.executors.process import ProcessExecutor
from aliquot.model.state import State
from small_lab import SmallLab

MIB = 2**20


@pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)
def test_a_disk_that_is_full_while_results_are_collected_is_waited_for(
    catalogue: Catalogue, small_disk: Path, tmp_path: Path
) -> None:
    store = open_store(str(small_disk / "store"))
    lab = SmallLab(catalogue, store, tmp_path)
    lab.executor.close()
    lab.executor = ProcessExecutor(store, tmp_path / "work", 1)
    lab.add("texts", {"/a": "1"})
    lab.apply(
        {
            "pipeline": "grow",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "one": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": 'head -c 3000000 /dev/zero | tr "\\0" x > "$OUT/big"',
                }
            },
            "outputs": {"big": {"from": "one", "publish": "big"}},
        }
    )
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 6 * MIB)
    number = lab.start("grow")
    supervisor = Supervisor(lab.catalogue, store, lambda _: lab.executor)
    for _ in range(500):
        supervisor.cycle()
        (row,) = lab.tasks(number) or [None]
        if row and row.failures:
            break
        supervisor.wait(0.05)
    (row,) = lab.tasks(number)
    assert (row.state, row.cause, row.failures) == (State.QUEUED, "ours", {"waited": 1})
    assert "no space" in row.message or "full" in row.message
    held = [path for path in (small_disk / "store").rglob("*") if path.is_file() and path.stat().st_size > MIB]
    assert held == [], "nothing half-written remains"
    ballast.unlink()
    with catalogue.write() as connection:
        connection.execute(update(task).values(not_before=0.0))
    for _ in range(500):
        supervisor.cycle()
        if lab.row(number).state == State.COMPLETE:
            break
        supervisor.wait(0.05)
    assert (lab.row(number).state, lab.row(number).parked) == (State.COMPLETE, 0)
    assert lab.content("big") == {"/big": b"x" * 3_000_000}
    lab.close()
