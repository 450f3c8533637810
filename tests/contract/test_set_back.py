"""A clock that is set back: leases lapse all the same, pauses end, and no time is less than none."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from aliquot.blobs import Store
from aliquot.cli.text import span
from aliquot.db import Catalogue
from aliquot.db.tables import attempt, run, task
from aliquot.engine import claim
from aliquot.engine.set_back import mend_times
from aliquot.engine.supervise import Supervisor
from aliquot.model.state import ENDED, State
from aliquot.model.task import Outcome, TaskDocument
from instant_executor import InstantExecutor
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
DAY = 86_400.0


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {"/a": "1", "/b": "2"})
    step = {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": "cp"}
    made.apply({"pipeline": "copy", "inputs": {"texts": {"dataset": "texts"}}, "steps": {"one": step}})
    yield made
    made.close()


def under_way(lab: SmallLab) -> int:
    """Start a run whose supervisor holds it and its tasks, and is gone."""
    number = lab.start("copy")
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: InstantExecutor(lambda _: None))
    for _ in range(4):
        supervisor.cycle()
    assert {row.state for row in lab.tasks(number)} == {State.INITIALIZING}
    return number


def claimable(catalogue: Catalogue, now: float) -> list[Any]:
    waits = (task.c.state == State.QUEUED) & (task.c.not_before <= now)
    with catalogue.read() as connection:
        return list(connection.execute(select(task.c.id).where(waits | (task.c.lease_until < now))).scalars())


def mend(catalogue: Catalogue, now: float) -> int:
    return catalogue.repeat(lambda connection: mend_times(connection, now))


@both
def test_a_lease_from_the_future_lapses_after_the_time_of_a_lease(lab: SmallLab) -> None:
    under_way(lab)
    now = time.time() - DAY
    assert claimable(lab.catalogue, now + 2 * claim.LEASE) == [], "without help it would be held for a day"
    assert mend(lab.catalogue, now) == 3
    assert claimable(lab.catalogue, now) == [], "who lives has the time to renew it"
    assert len(claimable(lab.catalogue, now + claim.LEASE + 1)) == 2
    with lab.catalogue.read() as connection:
        assert connection.execute(select(run.c.id).where(claim.needs_care(now + claim.LEASE + 1))).first()
    assert mend(lab.catalogue, now) == 0


@both
def test_a_supervisor_mends_by_its_own_clock(lab: SmallLab) -> None:
    under_way(lab)
    now = time.time() - DAY
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: InstantExecutor(), clock=lambda: now)
    supervisor.open()
    supervisor.close()
    assert len(claimable(lab.catalogue, now + claim.LEASE + 1)) == 2


@both
def test_a_pause_from_the_future_is_over(lab: SmallLab) -> None:
    under_way(lab)
    now = time.time() - DAY
    first, second = lab.tasks(1)
    with lab.catalogue.write() as connection:
        connection.execute(update(task).values(state=State.QUEUED, not_before=now + 600, lease_until=None))
        connection.execute(update(task).where(task.c.id == first.id).values(not_before=now + DAY))
        connection.execute(update(run).values(lease_until=None))
    assert mend(lab.catalogue, now) == 1
    assert claimable(lab.catalogue, now) == [first.id]
    assert lab.tasks(1)[1].not_before == pytest.approx(now + 600)
    assert second.not_before < now + DAY


@both
def test_leases_and_pauses_of_this_time_are_left(lab: SmallLab) -> None:
    under_way(lab)
    with lab.catalogue.write() as connection:
        connection.execute(
            update(task).where(task.c.ordinal == 2).values(state=State.QUEUED, not_before=time.time() + 3600)
        )
    assert mend(lab.catalogue, time.time() - 300) == 0


@both
def test_an_attempt_that_ended_before_it_began_took_no_time(lab: SmallLab) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        return Outcome(document.task, document.fence, State.COMPLETE, exit_code=0, started_at=5000.0, ended_at=1000.0)

    number = lab.start("copy")
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: InstantExecutor(outcome))
    while State(lab.row(number).state) not in ENDED:
        supervisor.cycle()
    with lab.catalogue.read() as connection:
        found = connection.execute(select(attempt)).all()
    assert {(each.started_at, each.ended_at) for each in found} == {(5000.0, 5000.0)}
    assert span(-3.0) == "0.0 s"
