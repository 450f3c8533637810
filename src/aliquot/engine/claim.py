"""Leases: claiming runs and tasks, keeping them, and letting the dead go."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, or_, select, update

from aliquot.db.tables import attempt, run, task
from aliquot.engine.owner import surely_dead
from aliquot.model.state import ACTIVE, State
from aliquot.model.task import Cause

LEASE = 60.0
"""Seconds for which a claim holds unless it is renewed."""

_UNDER_WAY = (State.INITIALIZING, State.RUNNING)
_RUN_ACTIVE = [state for state in ACTIVE if state is not State.PAUSED]


def claim_runs(connection: Connection, owner: str) -> list[int]:
    """Take up the runs that nobody looks after."""
    now = time.time()
    free = or_(run.c.lease_until.is_(None), run.c.lease_until < now)
    waiting = select(run.c.id).where(run.c.state.in_(_RUN_ACTIVE), free).with_for_update(skip_locked=True)
    claimed = connection.execute(
        update(run)
        .where(run.c.id.in_(waiting))
        .values(owner=owner, fence=run.c.fence + 1, lease_until=now + LEASE)
        .returning(run.c.id)
    )
    return sorted(claimed.scalars())


def claim_tasks(connection: Connection, owner: str, most: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Take up to `most` tasks that wait, or whose lease has lapsed, in one statement that raises their fence.

    A task whose key is under way elsewhere is left until that has ended.
    """
    now = time.time()
    other = task.alias("other")
    same_work = exists().where(
        other.c.key == task.c.key, other.c.id != task.c.id, other.c.state.in_(_UNDER_WAY), other.c.lease_until >= now
    )
    ready = or_(
        and_(task.c.state == State.QUEUED, task.c.not_before <= now),
        and_(task.c.state.in_(_UNDER_WAY), task.c.lease_until < now),
    )
    waiting = (
        select(task.c.id)
        .join(run, run.c.id == task.c.run_id)
        .where(
            task.c.state.in_([State.QUEUED, *_UNDER_WAY]),
            ready,
            run.c.state == State.RUNNING,
            ~run.c.cancel_asked,
            ~run.c.stop_asked,
            ~same_work,
        )
        .order_by(task.c.id)
        .limit(most)
        .with_for_update(skip_locked=True, of=task)
    )
    claimed = connection.execute(
        update(task)
        .where(task.c.id.in_(waiting))
        .values(state=State.INITIALIZING, owner=owner, fence=task.c.fence + 1, lease_until=now + LEASE)
        .returning(*task.c)
    ).all()
    _end_lost_attempts(connection, [row.id for row in claimed if row.fence > 1])
    return sorted(claimed, key=lambda row: row.id)


def keep_new_work(
    connection: Connection, claimed: Sequence[Row[*tuple[Any, ...]]], known: set[str]
) -> list[Row[*tuple[Any, ...]]]:
    """Complete what another run has done meanwhile, put back what is claimed twice under one key, and give the rest."""
    done = [row.id for row in claimed if row.key in known]
    first: dict[str, int] = {}
    for row in claimed:
        first.setdefault(row.key, row.id)
    twice = [row.id for row in claimed if row.key not in known and first[row.key] != row.id]
    if done:
        values = {"state": State.COMPLETE, "reused": True, "ended_at": time.time()}
        connection.execute(update(task).where(task.c.id.in_(done)).values(**values))
    if twice:
        values = {"state": State.QUEUED, "lease_until": None}
        connection.execute(update(task).where(task.c.id.in_(twice)).values(**values))
    return [row for row in claimed if row.id not in {*done, *twice}]


def renew(connection: Connection, owner: str) -> None:
    """Keep the leases of everything that an owner works on."""
    until = time.time() + LEASE
    connection.execute(update(run).where(run.c.owner == owner, run.c.state.in_(_RUN_ACTIVE)).values(lease_until=until))
    connection.execute(
        update(task).where(task.c.owner == owner, task.c.state.in_(_UNDER_WAY)).values(lease_until=until)
    )


def let_go(connection: Connection, owner: str) -> None:
    """End the leases of an owner that stops, so that others need not wait for them to lapse."""
    for table, states in ((run, _RUN_ACTIVE), (task, _UNDER_WAY)):
        connection.execute(
            update(table).where(table.c.owner == owner, table.c.state.in_(states)).values(lease_until=0.0)
        )


def let_the_dead_go(connection: Connection) -> list[str]:
    """End the leases of processes of this machine that are gone; gives their names."""
    held = select(run.c.owner).where(run.c.state.in_(_RUN_ACTIVE), run.c.lease_until > 0)
    held = held.union(select(task.c.owner).where(task.c.state.in_(_UNDER_WAY), task.c.lease_until > 0))
    dead = [owner for owner in connection.execute(held).scalars() if owner and surely_dead(owner)]
    for owner in dead:
        let_go(connection, owner)
    return dead


def held(connection: Connection, owner: str, fences: dict[int, int]) -> set[int]:
    """Say which tasks an owner still holds under the fence that it knows; the rest is somebody else's now."""
    rows = connection.execute(
        select(task.c.id, task.c.fence)
        .where(task.c.owner == owner, task.c.id.in_(list(fences)), task.c.state.in_(_UNDER_WAY))
        .with_for_update()
    )
    return {row.id for row in rows if fences[row.id] == row.fence}


def active_tasks(connection: Connection, run_id: int) -> int:
    """Count the tasks of a run that have not ended."""
    return connection.execute(
        select(func.count()).select_from(task).where(
            task.c.run_id == run_id, task.c.state.in_([State.QUEUED, *_UNDER_WAY])
        )
    ).scalar_one()  # fmt: skip


def _end_lost_attempts(connection: Connection, ids: Sequence[int]) -> None:
    if not ids:
        return
    connection.execute(
        update(attempt)
        .where(attempt.c.task_id.in_(ids), attempt.c.ended_at.is_(None))
        .values(
            state=State.SYSTEM_ERROR,
            cause=Cause.LOST,
            message="The supervisor that watched this attempt is gone.",
            ended_at=time.time(),
        )
    )
