"""The lab's work in numbers, as `/metrics` tells it."""

import time

from sqlalchemy import update

from aliquot.db import Catalogue
from aliquot.db.tables import task
from aliquot.lab.queue import TaskCount, last_hour, queue
from run_rows import make_run


def test_tasks_are_counted_by_state_and_pool_over_runs(catalogue: Catalogue) -> None:
    make_run(catalogue, ["a", "b", "c"], pool="gpu")
    make_run(catalogue, ["d"], pool="gpu")
    make_run(catalogue, ["e"])
    with catalogue.write() as connection:
        running = update(task).where(task.c.key == "a").values(state="INITIALIZING")
        connection.execute(running)
    with catalogue.read() as connection:
        found, hour = queue(connection, time.time()), last_hour(connection, time.time())
    assert found.tasks == [
        TaskCount("INITIALIZING", "gpu", 1), TaskCount("QUEUED", "", 1), TaskCount("QUEUED", "gpu", 3),
    ]  # fmt: skip
    assert found.totals == {"receipts": 0, "tasks": 5, "state_changes": 1}
    assert found.ages["queued_task"] > 0
    assert found.ended_runs == {}
    assert (hour.ended, hour.used) == ({}, {"wall": 0.0, "cpu": 0.0})


def test_causes_are_those_of_ended_runs_and_of_the_failed_tasks_of_others(catalogue: Catalogue) -> None:
    now = time.time()
    make_run(catalogue, ["a"], state="COMPLETE", ended_at=now - 60, parked=5, causes={"oom": 3})
    make_run(catalogue, ["b"], state="COMPLETE", ended_at=now - 90_000, parked=7, causes={"oom": 7})
    make_run(catalogue, ["c", "d"])
    with catalogue.write() as connection:
        for state in ("INITIALIZING", "RUNNING", "EXECUTOR_ERROR"):
            connection.execute(update(task).where(task.c.key == "c").values(state=state, cause="oom", ended_at=now))
    with catalogue.read() as connection:
        assert queue(connection, now).causes == {"oom": 4, "unknown": 2}
        assert last_hour(connection, now).ended == {"EXECUTOR_ERROR": 1}
