"""Leases: claiming runs and tasks, keeping them, and letting the dead go."""

import time
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Integer,
    Select,
    TextClause,
    and_,
    bindparam,
    case,
    exists,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from aliquot.db.rows import all_rows, among_listed, chunks, listed
from aliquot.db.tables import attempt, run, run_step, task
from aliquot.engine.lease import LEASE
from aliquot.engine.owner import surely_dead
from aliquot.engine.shares import IS_UNDER_WAY, LEASED, TAKES_TASKS, WAITS, Line, Shares
from aliquot.engine.taken import TAKEN, Taken, taken
from aliquot.engine.turns import Turn, take_turn
from aliquot.model.state import ACTIVE, State
from aliquot.model.task import Cause

UNDER_WAY = (State.INITIALIZING, State.RUNNING)
_RUN_ACTIVE = [state for state in ACTIVE if state is not State.PAUSED]
_NO_POOLS: Mapping[str, int] = {}
_AT_ONCE = 5_000


def needs_care(now: float) -> ColumnElement[bool]:
    """Give the condition for a run that nobody looks after and that somebody should."""
    free = or_(run.c.lease_until.is_(None), run.c.lease_until < now)
    # A paused run waits for a person, unless one has asked for its end or its time is over.
    over = or_(run.c.cancel_asked, run.c.started_at + run.c.deadline < now)
    return and_(free, or_(run.c.state.in_(_RUN_ACTIVE), and_(run.c.state == State.PAUSED, over)))


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


def can_claim(
    connection: Connection, now: float, pools: Mapping[str, int], avoided: Collection[tuple[int, str]] = ()
) -> bool:
    """Say whether there is a task to claim: one that waits and that its pool lets start, or one whose lease lapsed."""
    lapsed = connection.execute(_ANY_LAPSED, {"b_now": now}).first()
    return lapsed is not None or bool(Shares(connection, now, pools, avoided).open_lines)


def claim_tasks(
    connection: Connection,
    owner: str,
    most: int,
    pools: Mapping[str, int] = _NO_POOLS,
    avoided: Collection[tuple[int, str]] = (),
) -> list[Taken]:
    """Take up to `most` tasks that wait, or whose lease has lapsed, and raise their fence; in the order of their turn.

    `pools` gives the limit of each pool; of the steps of runs in `avoided` nothing that waits is taken. A claim reads
    the rows that it takes, however many wait: it takes them run by run, in shares, each with a statement over an index.
    A task whose key is under way elsewhere is left until that has ended. A lapsed lease counts as a takeover, not as a
    failed attempt: that a supervisor was lost says little about the task.
    """
    # Two claims at once do not see each other's rows yet: both would take tasks of one key, or the last of a pool.
    take_turn(connection, Turn.CLAIM)
    now = time.time()
    claimed = _take(connection, _LAPSED, owner, now, most)
    shares = Shares(connection, now, pools, avoided)
    for by_run in shares.by_priority() if len(claimed) < most else ():
        group: dict[int, list[Taken]] = {}
        room = most - len(claimed)
        while room > 0 and by_run:
            for number, quota in shares.quotas(list(by_run), room).items():
                several = _take_of_run(connection, owner, now, quota, shares, by_run[number])
                group.setdefault(number, []).extend(several)
                room -= len(several)
                if len(several) < quota:
                    # Nothing more waits there: what is left of its share goes to the others.
                    del by_run[number]
        claimed += [row for turn in zip_longest(*group.values()) for row in turn if row is not None]
    _end_lost_attempts(connection, [row.id for row in claimed if row.fence > 1])
    return claimed


def _take_of_run(
    connection: Connection, owner: str, now: float, quota: int, shares: Shares, lines: Sequence[Line]
) -> list[Taken]:
    all_of_them: list[Taken] = []
    for line in lines:
        few = int(min(quota - len(all_of_them), shares.room(line)))
        if few > 0:
            rows = _take(connection, _WAITING, owner, now, few, b_run=line.run, b_step=line.step)
            shares.took(line, len(rows))
            all_of_them += rows
    return all_of_them


def _take(
    connection: Connection,
    statement: ReturningUpdate[*tuple[Any, ...]],
    owner: str,
    now: float,
    most: int,
    **which: Any,
) -> list[Taken]:
    given = {"b_owner": owner, "b_now": now, "b_until": now + LEASE, "b_most": most}
    # Their numbers come first.
    return sorted(taken(connection.execute(statement, {**given, **which}).all()))


def _taking(*which: ColumnElement[bool] | TextClause) -> ReturningUpdate[*tuple[Any, ...]]:
    """Give the statement that claims tasks, made once: SQLAlchemy would take longer over it than the database."""
    other = task.alias("other")
    same_work = exists().where(
        other.c.key == task.c.key,
        other.c.id != task.c.id,
        other.c.state.in_(UNDER_WAY),
        other.c.lease_until >= bindparam("b_now", type_=Double),
    )
    found = (
        select(task.c.id)
        .where(*which, ~same_work)
        .order_by(task.c.not_before)
        .limit(bindparam("b_most", type_=Integer))
        .with_for_update(skip_locked=True, of=task)
    )
    return (
        update(task)
        .where(task.c.id.in_(select(found.subquery().c.id)))
        .values(
            state=State.INITIALIZING,
            owner=bindparam("b_owner"),
            fence=task.c.fence + 1,
            lease_until=bindparam("b_until", type_=Double),
            takeovers=task.c.takeovers + case((task.c.state == State.QUEUED, 0), else_=1),
        )
        .returning(*TAKEN)
    )


def _lapsed(now: ColumnElement[Any]) -> list[ColumnElement[bool] | TextClause]:
    return [IS_UNDER_WAY, task.c.lease_until < now, exists().where(run.c.id == task.c.run_id, TAKES_TASKS)]


_NOW: ColumnElement[Any] = bindparam("b_now", type_=Double)
_LAPSED = _taking(*_lapsed(_NOW))
_ANY_LAPSED = select(task.c.id).where(*_lapsed(_NOW)).limit(1)
_WAITING = _taking(
    task.c.run_id == bindparam("b_run"), task.c.step == bindparam("b_step"), WAITS,
    task.c.not_before <= _NOW,
)  # fmt: skip


def give_back(connection: Connection, owner: str, fences: Mapping[int, int]) -> None:
    """Let claimed tasks wait again that have not begun: it counts as no attempt. `fences` is by task."""
    for part in chunks(list(held(connection, owner, fences))):
        connection.execute(
            update(task).where(task.c.id.in_(part)).values(state=State.QUEUED, owner=None, lease_until=None)
        )


def keep_new_work(connection: Connection, claimed: Sequence[Taken], known: Collection[str]) -> Sequence[Taken]:
    """Complete what another run has done meanwhile, put back what is claimed twice under one key, and give the rest."""
    first = {row.key: row.id for row in reversed(claimed)}
    if not known and len(first) == len(claimed):
        return claimed
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
    connection.execute(update(task).where(task.c.owner == owner, *LEASED).values(lease_until=until))


def let_go(connection: Connection, owner: str) -> None:
    """End the leases of an owner that is gone, so that others need not wait for them to lapse."""
    runs = update(run).where(run.c.owner == owner, run.c.state.in_(ACTIVE))
    tasks = update(task).where(task.c.owner == owner, *LEASED)
    for each in (runs, tasks):
        connection.execute(each.values(lease_until=0.0))


def hand_back(connection: Connection, owner: str) -> None:
    """Give back everything that an owner holds when it stops in order: its tasks wait again, as if never claimed."""
    mine = (task.c.owner == owner, *LEASED)
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
    # A paused run as well: who lets it go on must not wait for us.
    connection.execute(update(run).where(run.c.owner == owner, run.c.state.in_(ACTIVE)).values(lease_until=0.0))


def let_strays_go(connection: Connection, owner: str, known: Mapping[int, int]) -> set[int]:
    """End the leases of tasks that an owner holds in the catalogue and knows nothing of; gives those it does hold.

    A commit whose answer was lost on the way leaves such tasks. `known` maps tasks to fences.
    """
    rows = connection.execute(select(task.c.id, task.c.fence).where(task.c.owner == owner, *LEASED)).all()
    strays = [row.id for row in rows if known.get(row.id) != row.fence]
    for part in chunks(strays):
        connection.execute(update(task).where(task.c.id.in_(part), task.c.owner == owner).values(lease_until=0.0))
    return {row.id for row in rows}.difference(strays)


def let_the_dead_go(connection: Connection) -> list[str]:
    """End the leases of processes of this machine that are gone; gives their names."""
    held = select(run.c.owner).where(run.c.state.in_(ACTIVE), run.c.lease_until > 0)
    held = held.union(select(task.c.owner).where(IS_UNDER_WAY, task.c.lease_until > 0))
    dead = [owner for owner in connection.execute(held).scalars() if owner and surely_dead(owner)]
    for owner in dead:
        let_go(connection, owner)
    return dead


@cache
def _held(dialect: str) -> Select[int, int]:
    return (
        select(task.c.id, task.c.fence)
        .where(task.c.owner == bindparam("b_owner"), among_listed(dialect, task.c.id), task.c.state.in_(UNDER_WAY))
        .with_for_update()
    )


def held(connection: Connection, owner: str, fences: Mapping[int, int]) -> set[int]:
    """Say which tasks an owner still holds under the fence that it knows; the rest is somebody else's now."""
    mine: set[int] = set()
    for part in chunks(list(fences), _AT_ONCE):
        rows = all_rows(connection, _held(connection.dialect.name), {"b_owner": owner, **listed(connection, part)})
        mine.update([number for number, fence in rows if fences[number] == fence])
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
    return connection.execute(_OPEN, {"b_run": run_id}).first() is not None


# Step by step and state by state, which the index over a run's tasks has side by side: never over all that have ended.
_OPEN_OF_STEP = exists().where(
    task.c.run_id == run_step.c.run_id, task.c.step == run_step.c.step, task.c.state.in_([State.QUEUED, *UNDER_WAY])
)
_OPEN = select(run_step.c.step).where(run_step.c.run_id == bindparam("b_run"), _OPEN_OF_STEP).limit(1)


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
