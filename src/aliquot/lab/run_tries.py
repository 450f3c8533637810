"""What was tried in a run: its parked tasks with their causes, and the attempts of its tasks, in pages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from aliquot.db.tables import attempt
from aliquot.db.tables import task as tasks
from aliquot.engine import control
from aliquot.engine.parked import parked_tasks
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
    rows = parked_tasks(connection, number, [name] if name else (), causes)
    end = len(rows) if limit is None else start + limit
    return Parked(
        dict(Counter(row.cause for row in rows)),
        task_lines(connection, rows[start:end]),
        attempts(connection, rows[0]) if name else [],
        end if end < len(rows) else None,
    )


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
