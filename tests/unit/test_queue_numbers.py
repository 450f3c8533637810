"""The lab's work in numbers, as `/metrics` tells it."""

import time

from sqlalchemy import update

from aliquot.db import Catalogue
from aliquot.db.tables import task
from aliquot.lab.queue import TaskCount, queue
from run_rows import make_run


def test_tasks_are_counted_by_state_and_pool_over_runs(catalogue: Catalogue) -> None:
    make_run(catalogue, ["a", "b", "c"], pool="gpu")
    make_run(catalogue, ["d"], pool="gpu")
    make_run(catalogue, ["e"])
    with catalogue.write() as connection:
        running = update(task).where(task.c.key == "a").values(state="INITIALIZING")
        connection.execute(running)
    with catalogue.read() as connection:
        found = queue(connection, time.time())
    assert found.tasks == [
        TaskCount("INITIALIZING", "gpu", 1), TaskCount("QUEUED", "", 1), TaskCount("QUEUED", "gpu", 3),
    ]  # fmt: skip
    assert found.totals == {"receipts": 0, "tasks": 5, "state_changes": 1}
    assert found.ages["queued_task"] > 0
    assert found.ended_runs == {}
    assert found.ended == {}
