"""What a supervisor asks over and over costs what waits and is under way, however many tasks of a run have ended."""

import time
from collections.abc import Callable, Mapping

import pytest
from sqlalchemy import Connection, update

from aliquot.db import Catalogue
from aliquot.db.tables import task
from aliquot.engine import claim
from aliquot.engine.lease import LEASE
from aliquot.engine.shares import under_way
from aliquot.model.state import State
from run_rows import make_run

UNDER_WAY = 20
STEPS_AT_ONCE = 10
"""After how many instructions of its program SQLite calls back."""

ASKED: Mapping[str, Callable[[Connection, int], object]] = {
    "is something open": claim.has_open_tasks,
    "what is under way": lambda connection, _: under_way(connection),
    "what can be claimed": lambda connection, _: claim.can_claim(connection, time.time(), {}),
    "claiming": lambda connection, _: claim.claim_tasks(connection, "me", 5),
    "keeping leases": lambda connection, _: claim.renew(connection, "me"),
    "letting strays go": lambda connection, _: claim.let_strays_go(connection, "me", {}),
    "letting the dead go": lambda connection, _: claim.let_the_dead_go(connection),
    "handing back": lambda connection, _: claim.hand_back(connection, "me"),
}


def _with_ended(catalogue: Catalogue, ended: int) -> int:
    """Make a run of which so many tasks have ended, some are under way, and as many wait."""
    number = make_run(catalogue, [f"{ended}-{place}" for place in range(ended + 2 * UNDER_WAY)])
    with catalogue.write() as connection:
        claimed = claim.claim_tasks(connection, "me", ended)
        connection.execute(
            update(task)
            .where(task.c.id.in_([row.id for row in claimed]))
            .values(state=State.COMPLETE, ended_at=1.0, owner=None, lease_until=None)
        )
        assert len(claim.claim_tasks(connection, "me", UNDER_WAY)) == UNDER_WAY
    return number


def _steps(connection: Connection, asked: Callable[[Connection, int], object], number: int) -> int:
    """Count the instructions that SQLite's machine executes for what is asked."""
    calls = 0

    def count() -> int:
        nonlocal calls
        calls += 1
        return 0

    sqlite = connection.connection.driver_connection
    assert sqlite is not None
    sqlite.set_progress_handler(count, STEPS_AT_ONCE)
    try:
        asked(connection, number)
    finally:
        sqlite.set_progress_handler(None, 0)
    return calls * STEPS_AT_ONCE


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_what_has_ended_costs_nothing(catalogue: Catalogue, asked: Callable[[Connection, int], object]) -> None:
    taken: dict[int, int] = {}
    for ended in (10, 3000):
        number = _with_ended(catalogue, ended)
        with catalogue.write() as connection:
            taken[ended] = _steps(connection, asked, number)
            # The next run finds the place as this one did.
            connection.execute(update(task).values(state=State.COMPLETE, ended_at=1.0, owner=None, lease_until=None))
    assert taken[3000] < 2 * taken[10] + 500, taken


def test_a_run_has_open_tasks_until_the_last_has_ended(catalogue: Catalogue) -> None:
    number = make_run(catalogue, ["a", "b"])
    for state, opened in (
        (State.QUEUED, True), (State.INITIALIZING, True), (State.RUNNING, True), (State.COMPLETE, False),
    ):  # fmt: skip
        with catalogue.write() as connection:
            lease = time.time() + LEASE if state in claim.UNDER_WAY else None
            connection.execute(update(task).where(task.c.key == "a").values(state=state, lease_until=lease))
            if state == State.QUEUED:
                connection.execute(update(task).where(task.c.key == "b").values(state="CANCELED", ended_at=1.0))
            assert claim.has_open_tasks(connection, number) is opened
