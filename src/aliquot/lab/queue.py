"""The lab's work in numbers: what waits and runs, for how long, what failed and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from aliquot.db.tables import attempt, event, load, quarantine, receipt, run, run_step, task
from aliquot.engine.parked import FAILED
from aliquot.lab.unmoved import while_unmoved
from aliquot.model.state import ACTIVE, State

_DAY = 86_400.0
_HOUR = 3600.0
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TaskCount:
    """How many tasks of runs that have not ended are in a state; `pool` is empty where the step names none."""

    state: str
    pool: str
    tasks: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The numbers of one moment. `ages` are seconds by what waits; `totals` only ever grow, by what they count."""

    tasks: list[TaskCount]
    runs: Mapping[str, int]
    causes: Mapping[str, int]
    ages: Mapping[str, float]
    quarantine: int
    loads: int
    totals: Mapping[str, int]
    ended_runs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LastHour:
    """What the tasks of an hour did: how many ended, by state, and the seconds of wall and CPU that attempts used."""

    ended: Mapping[str, int]
    used: Mapping[str, float]


def queue(connection: Connection, now: float) -> Queue:
    """Look at the lab's work at a time, in seconds since 1970."""
    open_runs = [row.id for row in connection.execute(select(run.c.id).where(run.c.state.in_(list(ACTIVE))))]
    waiting = select(func.count(), func.min(quarantine.c.arrived_at)).where(quarantine.c.state == "WAITING")
    held, held_since = connection.execute(waiting).one()
    queued = select(func.min(run.c.created_at)).where(run.c.state == State.QUEUED)
    loads, load_since = connection.execute(
        select(func.count(), func.min(load.c.created_at)).where(load.c.state == "WAITING")
    ).one()
    ages = {
        "quarantine": held_since, "queued_run": connection.execute(queued).scalar(), "load": load_since,
        "queued_task": _oldest_queued(connection) if open_runs else None,
    }  # fmt: skip
    return Queue(
        tasks=_tasks(connection, open_runs),
        runs={
            row.state: row.n
            for row in connection.execute(
                select(run.c.state, func.count().label("n")).where(run.c.state.in_(list(ACTIVE))).group_by(run.c.state)
            )
        },
        causes=_causes(connection, now - _DAY),
        ages={what: max(0.0, now - since) for what, since in ages.items() if since is not None},
        quarantine=held,
        loads=loads,
        totals=_totals(connection),
        ended_runs=_ended_runs(connection),
    )


def last_hour(connection: Connection, now: float) -> LastHour:
    """Look at the hour before a time, in seconds since 1970; costs a look at each task that ended in it."""
    return LastHour(_ended(connection, now - _HOUR), _used(connection, now - _HOUR))


def _oldest_queued(connection: Connection) -> float | None:
    # The first that waits of each step: tasks are planned in their order, and the index leads to that one alone.
    first = (
        select(task.c.created_at)
        .where(
            task.c.run_id == run_step.c.run_id,
            task.c.step == run_step.c.step,
            task.c.state == State.QUEUED,
            task.c.reused.is_(False),
        )
        .order_by(task.c.ordinal)
        .limit(1)
        .correlate(run_step)
        .scalar_subquery()
    )
    active = select(run.c.id).where(run.c.state.in_(list(ACTIVE)))
    return connection.execute(select(func.min(first)).where(run_step.c.run_id.in_(active))).scalar()


def _totals(connection: Connection) -> dict[str, int]:
    # Ids grow by one for each row, and the largest is found at once, however many there are.
    counted = {"receipts": receipt.c.id, "tasks": task.c.id, "state_changes": event.c.id}
    asked = select(*(select(func.max(column)).scalar_subquery().label(name) for name, column in counted.items()))
    return {name: number or 0 for name, number in connection.execute(asked).mappings().one().items()}


def _ended_runs(connection: Connection) -> dict[str, int]:
    query = select(run.c.state, func.count().label("n")).where(run.c.state.not_in(list(ACTIVE))).group_by(run.c.state)
    return {row.state: row.n for row in connection.execute(query)}


def _ended(connection: Connection, since: float) -> dict[str, int]:
    recent = select(run.c.id).where((run.c.ended_at >= since) | run.c.state.in_(list(ACTIVE)))
    query = (
        select(task.c.state, func.count().label("n"))
        .where(task.c.run_id.in_(recent), task.c.ended_at >= since)
        .group_by(task.c.state)
    )
    return {row.state: row.n for row in connection.execute(query)}


def _tasks(connection: Connection, open_runs: list[int]) -> list[TaskCount]:
    if not open_runs:
        return []
    question = ("tasks of runs", tuple(open_runs))
    found = while_unmoved(connection, question, lambda: _count_of_runs(connection, open_runs))
    # The pools apart: joined, each task's row would be read, and not the index alone.
    of_steps = select(run_step.c.run_id, run_step.c.step, run_step.c.pool).where(run_step.c.run_id.in_(open_runs))
    pools = {(row.run_id, row.step): row.pool or "" for row in connection.execute(of_steps)}
    counts: dict[tuple[str, str], int] = {}
    for number, step, state, many in found:
        key = (state, pools.get((number, step), ""))
        counts[key] = counts.get(key, 0) + many
    return [TaskCount(state, pool, number) for (state, pool), number in sorted(counts.items())]


def _count_of_runs(connection: Connection, numbers: Sequence[int]) -> list[tuple[int, str, str, int]]:
    ways = (task.c.run_id, task.c.step, task.c.state)
    query = select(*ways, func.count()).where(task.c.run_id.in_(numbers)).group_by(*ways)
    return [(number, step, state, many) for number, step, state, many in connection.execute(query)]


def _causes(connection: Connection, since: float) -> dict[str, int]:
    # A run that has ended knows its own; of those under way the failed tasks are looked at.
    active = select(run.c.id).where(run.c.state.in_(list(ACTIVE)))
    # Named for the index, which leads to the states of each step.
    steps = select(run_step.c.step).where(run_step.c.run_id.in_(active))
    query = (
        select(task.c.cause, func.count().label("n"))
        .where(task.c.run_id.in_(active), task.c.step.in_(steps), task.c.state.in_(FAILED))
        .group_by(task.c.cause)
    )
    found = Counter({row.cause or _UNKNOWN: row.n for row in connection.execute(query)})
    ended = select(run.c.parked, run.c.causes).where(run.c.ended_at >= since, run.c.parked > 0)
    for row in connection.execute(ended):
        causes = Counter(row.causes or {})
        found += causes + Counter({_UNKNOWN: row.parked - causes.total()})
    return dict(found)


def _used(connection: Connection, since: float) -> dict[str, float]:
    recent = select(run.c.id).where((run.c.ended_at >= since) | run.c.state.in_(list(ACTIVE)))
    query = (
        select(func.coalesce(func.sum(attempt.c.wall), 0.0), func.coalesce(func.sum(attempt.c.cpu), 0.0))
        .join(task, task.c.id == attempt.c.task_id)
        .where(task.c.run_id.in_(recent), attempt.c.ended_at >= since)
    )
    wall, cpu = connection.execute(query).one()
    return {"wall": wall, "cpu": cpu}
