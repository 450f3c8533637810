"""What was tried in a run: its parked tasks with their causes, and the attempts of its tasks, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from aliquot.db.rows import chunks
from aliquot.db.tables import attempt, run_step
from aliquot.db.tables import task as tasks
from aliquot.engine import control
from aliquot.engine.parked import FAILED, parked_tasks
from aliquot.lab.runs import AttemptLine, TaskLine, attempts, task_lines
from aliquot.model.task import Cause


@dataclass(frozen=True, slots=True)
class Parked:
    """Parked tasks of a run: `counts` says how many of them failed by which cause, `tasks` are the first.

    `tried` are the attempts of the one that was asked for by name. `next` is the number of those before the next page,
    None at the end.
    """

    counts: dict[str, int]
    tasks: list[TaskLine]
    tried: list[AttemptLine]
    next: int | None = None

    @property
    def total(self) -> int:
        """Count all of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Tries:
    """Attempts of a run's tasks, in order; `next` is the last task's number, None at the end."""

    attempts: list[AttemptLine]
    next: int | None = None


def parked_of(
    connection: Connection, number: int, name: str | None = None, causes: Sequence[Cause] = (), *,
    start: int = 0, limit: int | None = None,
) -> Parked:  # fmt: skip
    """List what is parked in a run, or the one task of that name; `Missing` without it."""
    control.find_run(connection, number)
    if name:
        [row] = parked_tasks(connection, number, [name], causes)
        return Parked({row.cause: 1}, task_lines(connection, [row]), attempts(connection, row))
    # Its steps are named for the index, which leads to the states of each.
    of_run = tasks.c.step.in_(select(run_step.c.step).where(run_step.c.run_id == number))
    which = [tasks.c.run_id == number, of_run, tasks.c.state.in_(FAILED)]
    if causes:
        which.append(tasks.c.cause.in_(causes))
    by_cause = select(tasks.c.cause, func.count()).where(*which).group_by(tasks.c.cause)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(by_cause)}
    # Which they are is told without reading what each of them is; that is read of the page alone.
    ids = select(tasks.c.id).where(*which).order_by(tasks.c.id).offset(start).limit(limit)
    page = list(connection.execute(ids).scalars())
    rows = [
        row
        for part in chunks(page)
        for row in connection.execute(select(tasks).where(tasks.c.id.in_(part)).order_by(tasks.c.id))
    ]
    end = start + len(page)
    return Parked(counts, task_lines(connection, rows), [], end if end < sum(counts.values()) else None)


def tries_of(
    connection: Connection, number: int, name: str | None = None, *, after: int = 0, limit: int | None = None
) -> Tries:
    """List the attempts of a run's tasks, or of the one of that name; `limit` counts tasks."""
    control.find_run(connection, number)
    if name:
        return Tries(attempts(connection, control.find_task(connection, number, name)))
    tried = tasks.c.id.in_(select(attempt.c.task_id))
    query = select(tasks).where(tasks.c.run_id == number, tasks.c.id > after, tried).order_by(tasks.c.id)
    rows = connection.execute(query.limit(None if limit is None else limit + 1)).all()
    shown = rows[:limit]
    found = [each for row in shown for each in attempts(connection, row)]
    return Tries(found, shown[-1].id if len(rows) > len(shown) else None)
