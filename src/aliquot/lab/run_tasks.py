"""The tasks of a run a page at a time, chosen by step, by how they stand, by cause and by datum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, and_, cast, func, or_, select, union_all

from aliquot.db.rows import chunks, json_text
from aliquot.db.tables import run_step, task
from aliquot.engine.control import find_run
from aliquot.engine.parked import FAILED
from aliquot.lab.runs import TaskLine, datum_label, task_lines
from aliquot.model.errors import Invalid, Missing
from aliquot.model.state import State
from aliquot.model.task import Cause

TaskRow = Row[*tuple[Any, ...]]

STANDS = ("waiting", "running", "ran", "skipped", "parked", "canceled")
"""How tasks stand, in the words of the steps' counts."""

_STEP = 10**12
_LOOKED_AT = 4_000
"""Tasks whose datum is looked at for one page; where few of them fit, the page ends early and the next goes on."""
_SHOWN = 400


_EITHER = (False, True)
_WAYS: Mapping[str, Sequence[tuple[State, bool]]] = {
    "waiting": [(State.QUEUED, each) for each in _EITHER],
    "running": [(state, each) for state in (State.INITIALIZING, State.RUNNING) for each in _EITHER],
    "ran": [(State.COMPLETE, False)],
    "skipped": [(State.COMPLETE, True)],
    "parked": [(state, each) for state in FAILED for each in _EITHER],
    "canceled": [(state, each) for state in (State.CANCELED, State.PREEMPTED) for each in _EITHER],
}
"""The states of tasks that stand so, and whether they were reused."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks: of one step, that stand so, that failed by this cause, whose datum has this in it; empty: any."""

    step: str = ""
    stands: str = ""
    cause: str = ""
    datum: str = ""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks in the order of their steps and datums; `next` is where the page after begins, None at the end."""

    tasks: list[TaskLine]
    next: int | None


def task_page(connection: Connection, number: int, wanted: Wanted, after: int | None, limit: int) -> TaskPage:
    """List tasks of a run from where the page before ended; `tail` is the last line of what failed.

    Each step is read by its index from the last datum on, so that a page costs the same at the end of 100,000 as at
    their beginning.
    """
    find_run(connection, number)
    chosen = _chosen(wanted)
    rows: list[TaskRow] = []
    looked_at, last = 0, after or 0
    for place, step in _steps(connection, number, wanted.step):
        if place < last // _STEP:
            continue
        since = last % _STEP if place == last // _STEP else 0
        while len(rows) <= limit:
            many = max(limit + 1 - len(rows), _SHOWN if wanted.datum else 0)
            found = _following(connection, (task.c.run_id == number, task.c.step == step), since, wanted, chosen, many)
            for row in found:
                since = row.ordinal
                last = place * _STEP + since
                if _has(row, wanted.datum):
                    rows.append(row)
                    if len(rows) > limit:
                        break
            looked_at += len(found)
            if len(found) < many:
                break
            if looked_at >= _LOOKED_AT and len(rows) <= limit:
                return TaskPage(_short(connection, rows), last)
        if len(rows) > limit:
            kept = rows[:limit]
            places = {name: at for at, name in _steps(connection, number, wanted.step)}
            return TaskPage(_short(connection, kept), places[kept[-1].step] * _STEP + kept[-1].ordinal)
    return TaskPage(_short(connection, rows), None)


def _following(
    connection: Connection, of_step: Sequence[ColumnElement[bool]], since: int, wanted: Wanted,
    chosen: Sequence[ColumnElement[bool]], many: int,
) -> list[TaskRow]:  # fmt: skip
    here = (*of_step, task.c.ordinal > since, *chosen)
    ways = _WAYS.get(wanted.stands.lower(), ())
    which = task.c.id, task.c.ordinal
    if not ways:
        query = select(task).where(*here).order_by(task.c.ordinal).limit(many)
        return list(connection.execute(query))
    # For each way to stand the index has the tasks in their order: the first of each are all that is read.
    first = union_all(
        *(
            select(
                select(*which)
                .where(*here, task.c.state == state, task.c.reused.is_(reused))
                .order_by(task.c.ordinal)
                .limit(many)
                .subquery()
            )
            for state, reused in ways
        )
    ).subquery()
    ids = list(connection.execute(select(first.c.id).order_by(first.c.ordinal).limit(many)).scalars())
    rows = [row for part in chunks(ids) for row in connection.execute(select(task).where(task.c.id.in_(part)))]
    return sorted(rows, key=lambda row: row.ordinal)


def _short(connection: Connection, rows: Sequence[TaskRow]) -> list[TaskLine]:
    lines = task_lines(connection, rows)
    return [
        TaskLine(each.task, each.datum, each.state, each.reused, each.cause, each.message[:_SHOWN], each.attempts,
                 each.tail.rstrip("\n").rpartition("\n")[2][:_SHOWN], each.since)
        for each in lines
    ]  # fmt: skip


def _steps(connection: Connection, number: int, step: str) -> list[tuple[int, str]]:
    query = select(run_step.c.position, run_step.c.step).where(run_step.c.run_id == number)
    found = [(row.position, row.step) for row in connection.execute(query.order_by(run_step.c.position))]
    if step and step not in {name for _, name in found}:
        known = ", ".join(name for _, name in found)
        raise Missing("step-missing", f"Run {number} has no step {step!r}; it has: {known}.", run=number, step=step)
    return [each for each in found if not step or each[1] == step]


def _chosen(wanted: Wanted) -> list[ColumnElement[bool]]:
    chosen = [_stands(wanted.stands.lower())] if wanted.stands else []
    if wanted.cause:
        chosen += [task.c.state.in_(FAILED), task.c.cause == _cause(wanted.cause)]
    if wanted.datum:
        # As the JSON has it, quotes and backslashes escaped; `_has` looks at what is found more closely.
        needle, column = json_text(wanted.datum)[1:-1], cast(task.c.datum, String)
        # SQLite knows the other case of plain letters alone.
        plain = needle.isascii()
        column = func.lower(column) if plain else column
        chosen.append(column.contains(needle.lower() if plain else needle, autoescape=True))
    return chosen


def _stands(stands: str) -> ColumnElement[bool]:
    if stands in _WAYS:
        return or_(*(and_(task.c.state == state, task.c.reused.is_(reused)) for state, reused in _WAYS[stands]))
    if stands.upper() in State.__members__:
        return task.c.state == State[stands.upper()]
    words = f"{stands!r} is not how a task can stand; there are: {', '.join(STANDS)}, and the states."
    raise Invalid("state-unknown", words, state=stands)


def _cause(text: str) -> str:
    try:
        return Cause(text.lower())
    except ValueError:
        known = ", ".join(each for each in Cause if each is not Cause.CANCELED)
        raise Invalid("cause-unknown", f"{text!r} is not a cause of failure; there are: {known}.", cause=text) from None


def _has(row: TaskRow, text: str) -> bool:
    if not text:
        return True
    needle = text.lower()
    said = [datum_label(row.datum), *(value for part in row.datum["parts"].values() for value in part[1].values())]
    return any(needle in each.lower() for each in said)
