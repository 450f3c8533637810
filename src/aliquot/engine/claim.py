"""Leases: claiming runs and tasks, keeping them, and letting the dead go."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, or_, select, text, update

from aliquot.db.rows import chunks
from aliquot.db.tables import attempt, run, task
from aliquot.engine.owner import surely_dead
from aliquot.model.state import ACTIVE, State
from aliquot.model.task import Cause

LEASE = 60.0
"""Seconds for which a claim holds unless it is renewed."""

UNDER_WAY = (State.INITIALIZING, State.RUNNING)
IS_OPEN = text("task.state IN ('QUEUED','INITIALIZING','RUNNING')")
"""The condition for a task that has not ended; in the index's own words, or SQLite would not see that it can use it."""
_RUN_ACTIVE = [state for state in ACTIVE if state is not State.PAUSED]
_CLAIMS_LOCK = 0x0A11_0717


def needs_care(now: float) -> ColumnElement[bool]:
    """Give the condition for a run that nobody looks after and that somebody should."""
    free = or_(run.c.lease_until.is_(None), run.c.lease_until < now)
    # A paused run waits for a person, unless one has asked for its end.
    return and_(free, or_(run.c.state.in_(_RUN_ACTIVE), and_(run.c.state == State.PAUSED, run.c.cancel_asked)))


def claim_runs(connection: Connection, owner: str) -> list[int]:
    """Take up the runs that nobody looks after."""
    now = time.time()
    waiting = select(run.c.id).where(needs_care(now)).with_for_update(skip_locked=True)
    claimed = connection.execute(
        update(run)
        .where(run.c.id.in_(waiting))
        .values(owner=owner, fence=run.c.fence + 1, lease_until=now + LEASE)
        .returning(run.c.id)
    )
    return sorted(claimed.scalars())


def can_claim(now: float) -> ColumnElement[bool]:
    """Give the condition for a task that waits or whose lease has lapsed, by its own row alone."""
    return and_(IS_OPEN, or_(_waits(now), _lapsed(now)))


def _waits(now: float) -> ColumnElement[bool]:
    return and_(task.c.state == State.QUEUED, task.c.not_before <= now)


def _lapsed(now: float) -> ColumnElement[bool]:
    return and_(task.c.state.in_(UNDER_WAY), task.c.lease_until < now)


def claim_tasks(connection: Connection, owner: str, most: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Take up to `most` tasks that wait, or whose lease has lapsed, in one statement that raises their fence.

    A task whose key is under way elsewhere is left until that has ended. A lapsed lease counts as a takeover,
    not as a failed attempt: that a supervisor was lost says little about the task.
    """
    if connection.dialect.name == "postgresql":
        # Two claims at once do not see each other's rows yet: both would take tasks of one key.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_CLAIMS_LOCK})"))
    now = time.time()
    other = task.alias("other")
    same_work = exists().where(
        other.c.key == task.c.key, other.c.id != task.c.id, other.c.state.in_(UNDER_WAY), other.c.lease_until >= now
    )

    of_a_running_run = exists().where(
        run.c.id == task.c.run_id, run.c.state == State.RUNNING, ~run.c.cancel_asked, ~run.c.stop_asked
    )

    def some(condition: ColumnElement[bool]) -> Select[tuple[int]]:
        found = (
            select(task.c.id)
            .where(IS_OPEN, condition, of_a_running_run, ~same_work)
            # The order of the index: a claim reads the rows that it takes, however many wait.
            .order_by(task.c.not_before)
            .limit(most)
            .with_for_update(skip_locked=True, of=task)
        )
        return select(found.subquery().c.id)

    ready = some(_lapsed(now)).union_all(some(_waits(now))).limit(most)
    claimed = connection.execute(
        update(task)
        .where(task.c.id.in_(ready))
        .values(
            state=State.INITIALIZING,
            owner=owner,
            fence=task.c.fence + 1,
            lease_until=now + LEASE,
            takeovers=task.c.takeovers + case((task.c.state == State.QUEUED, 0), else_=1),
        )
        .returning(*task.c)
    ).all()
    _end_lost_attempts(connection, [row.id for row in claimed if row.fence > 1])
    return sorted(claimed, key=lambda row: row.id)


def keep_new_work(
    connection: Connection, claimed: Sequence[Row[*tuple[Any, ...]]], known: Collection[str]
) -> list[Row[*tuple[Any, ...]]]:
    """Complete what another run has done meanwhile, put back what is claimed twice under one key, and give the rest."""
    first: dict[str, int] = {}
    for row in claimed:
        first.setdefault(row.key, row.id)
    done = [row.id for row in claimed if row.key in known]
    twice = [row.id for row in claimed if row.key not in known and first[row.key] != row.id]
    for part in chunks(done):
        connection.execute(
            update(task).where(task.c.id.in_(part)).values(state=State.COMPLETE, reused=True, ended_at=time.time())
        )
    for part in chunks(twice):
        connection.execute(update(task).where(task.c.id.in_(part)).values(state=State.QUEUED, lease_until=None))
    settled = {*done, *twice}
    return [row for row in claimed if row.id not in settled]


def renew(connection: Connection, owner: str) -> None:
    """Keep the leases of everything that an owner works on."""
    until = time.time() + LEASE
    connection.execute(update(run).where(run.c.owner == owner, run.c.state.in_(_RUN_ACTIVE)).values(lease_until=until))
    connection.execute(update(task).where(task.c.owner == owner, task.c.state.in_(UNDER_WAY)).values(lease_until=until))


def let_go(connection: Connection, owner: str) -> None:
    """End the leases of an owner that is gone, so that others need not wait for them to lapse."""
    for table, states in ((run, _RUN_ACTIVE), (task, UNDER_WAY)):
        connection.execute(
            update(table).where(table.c.owner == owner, table.c.state.in_(states)).values(lease_until=0.0)
        )


def hand_back(connection: Connection, owner: str) -> None:
    """Give back everything that an owner holds when it stops in order: its tasks wait again, as if never claimed."""
    mine = (task.c.owner == owner, task.c.state.in_(UNDER_WAY))
    attempts = attempt.c.task_id.in_(select(task.c.id).where(*mine))
    connection.execute(
        update(attempt)
        .where(attempts, attempt.c.ended_at.is_(None))
        .values(
            state=State.CANCELED,
            cause=Cause.CANCELED,
            message="The supervisor of this attempt was stopped; the task is done again.",
            ended_at=time.time(),
        )
    )
    connection.execute(update(task).where(*mine).values(state=State.QUEUED, owner=None, lease_until=None))
    connection.execute(update(run).where(run.c.owner == owner, run.c.state.in_(_RUN_ACTIVE)).values(lease_until=0.0))


def let_strays_go(connection: Connection, owner: str, known: Mapping[int, int]) -> set[int]:
    """End the leases of tasks that an owner holds in the catalogue and knows nothing of; gives those it does hold.

    A commit whose answer was lost on the way leaves such tasks. `known` maps tasks to fences.
    """
    rows = connection.execute(
        select(task.c.id, task.c.fence).where(task.c.owner == owner, task.c.state.in_(UNDER_WAY))
    ).all()
    strays = [row.id for row in rows if known.get(row.id) != row.fence]
    for part in chunks(strays):
        connection.execute(update(task).where(task.c.id.in_(part), task.c.owner == owner).values(lease_until=0.0))
    return {row.id for row in rows}.difference(strays)


def let_the_dead_go(connection: Connection) -> list[str]:
    """End the leases of processes of this machine that are gone; gives their names."""
    held = select(run.c.owner).where(run.c.state.in_(_RUN_ACTIVE), run.c.lease_until > 0)
    held = held.union(select(task.c.owner).where(task.c.state.in_(UNDER_WAY), task.c.lease_until > 0))
    dead = [owner for owner in connection.execute(held).scalars() if owner and surely_dead(owner)]
    for owner in dead:
        let_go(connection, owner)
    return dead


def held(connection: Connection, owner: str, fences: Mapping[int, int]) -> set[int]:
    """Say which tasks an owner still holds under the fence that it knows; the rest is somebody else's now."""
    mine: set[int] = set()
    for part in chunks(list(fences)):
        rows = connection.execute(
            select(task.c.id, task.c.fence)
            .where(task.c.owner == owner, task.c.id.in_(part), task.c.state.in_(UNDER_WAY))
            .with_for_update()
        )
        mine.update(row.id for row in rows if fences[row.id] == row.fence)
    return mine


def cancel_tasks(connection: Connection, run_id: int) -> int:
    """End the tasks of a run that nobody works on: those that wait, and those whose lease has lapsed."""
    now = time.time()
    nobody = or_(task.c.state == State.QUEUED, and_(task.c.state.in_(UNDER_WAY), task.c.lease_until < now))
    # The raised fence keeps out a supervisor that was only slow.
    ended = connection.execute(
        update(task)
        .where(task.c.run_id == run_id, nobody)
        .values(state=State.CANCELED, ended_at=now, fence=task.c.fence + 1, owner=None, lease_until=None)
    )
    return ended.rowcount


def has_open_tasks(connection: Connection, run_id: int) -> bool:
    """Say whether a run has tasks that have not ended."""
    query = select(task.c.id).where(task.c.run_id == run_id, task.c.ended_at.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def _end_lost_attempts(connection: Connection, ids: Sequence[int]) -> None:
    for part in chunks(ids):
        connection.execute(
            update(attempt)
            .where(attempt.c.task_id.in_(part), attempt.c.ended_at.is_(None))
            .values(
                state=State.SYSTEM_ERROR,
                cause=Cause.LOST,
                message="The supervisor that watched this attempt is gone.",
                ended_at=time.time(),
            )
        )
