"""Datums that failed for good: which a run leaves parked, and trying them again.

What failed by the datum itself (`user`, `oom`, `timeout`) would fail again: a run that a trigger starts leaves it
parked, as long as its key and the step's resources and retries are the same. A run that a person starts tries all of
it again, and one that a person asked for by name tries those that were named.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from aliquot.db.rows import chunks
from aliquot.db.tables import run, run_step, task
from aliquot.engine.pipelines import by_id
from aliquot.model.errors import Conflict, Invalid, Missing
from aliquot.model.state import ENDED, State
from aliquot.model.task import Cause

FAILED = (State.EXECUTOR_ERROR, State.SYSTEM_ERROR)
OF_THE_DATUM = frozenset({Cause.USER, Cause.OOM, Cause.TIMEOUT})
"""Causes that come again with an equal datum."""

TaskRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Left:
    """An earlier failure that a run leaves as it is: its task and run, and the state, cause and message to tell."""

    task: int
    run: int
    state: State
    cause: str
    message: str


def left_parked(connection: Connection, run_id: int, step: str, keys: Sequence[str]) -> dict[str, Left]:
    """Give, of keys that have not succeeded, those that a run leaves parked, each with its failure."""
    mine = connection.execute(
        select(run.c.pipeline, run.c.definition_id, run.c.retries).where(run.c.id == run_id)
    ).one()
    if mine.retries is None or not keys or not _has_parked(connection, mine.pipeline, run_id):
        return {}
    definition = by_id(connection, mine.definition_id).pipeline.steps[step]
    if definition.failures == "stop":
        return {}
    again = frozenset(mine.retries)
    found = _failures(connection, mine.pipeline, step, run_id, [key for key in keys if key not in again])
    if not again:
        found = {key: row for key, row in found.items() if row.cause in OF_THE_DATUM}
    equal = {mine.definition_id: True}
    left: dict[str, Left] = {}
    for key, row in found.items():
        if row.definition_id not in equal:
            before = by_id(connection, row.definition_id).pipeline.steps.get(step)
            same = before and (before.resources, before.retry) == (definition.resources, definition.retry)
            equal[row.definition_id] = bool(same)
        if again or equal[row.definition_id]:
            left[key] = Left(row.same_as or row.id, row.run_id, State(row.state), row.cause, row.message)
    return left


def _has_parked(connection: Connection, pipeline: str, run_id: int) -> bool:
    query = select(run.c.id).where(run.c.pipeline == pipeline, run.c.id != run_id, run.c.parked > 0)
    return connection.execute(query.limit(1)).first() is not None


def _failures(connection: Connection, pipeline: str, step: str, before: int, keys: Sequence[str]) -> dict[str, TaskRow]:
    """Give the latest failure of each key in earlier runs, where there is one."""
    found: dict[str, TaskRow] = {}
    for part in chunks(keys):
        query = (
            select(task, run.c.definition_id)
            .join(run, run.c.id == task.c.run_id)
            .where(task.c.key.in_(part), task.c.state.in_(FAILED), task.c.step == step, task.c.run_id < before,
                   run.c.pipeline == pipeline)
            .order_by(task.c.id)
        )  # fmt: skip
        found |= {row.key: row for row in connection.execute(query)}
    return found


def parked_tasks(
    connection: Connection, number: int, names: Iterable[str] = (), causes: Iterable[Cause] = ()
) -> list[TaskRow]:
    """Give the parked tasks of a run, or those of them that are named or failed by one of the causes."""
    conditions: list[ColumnElement[bool]] = [task.c.run_id == number, task.c.state.in_(FAILED)]
    if wanted := list(causes):
        conditions.append(task.c.cause.in_(wanted))
    rows = list(connection.execute(select(task).where(*conditions).order_by(task.c.id)))
    names = list(names)
    if not names:
        return rows
    by_name = {name: row for row in rows for name in (f"{row.step}/{row.ordinal}", str(row.id))}
    for name in names:
        if name not in by_name:
            raise Missing(
                "parked-missing",
                f"Run {number} has no parked task {name!r}; `aliquot run parked {number}` shows them.",
                run=number,
                task=name,
            )
    return list({by_name[name].id: by_name[name] for name in names}.values())


def try_again(connection: Connection, row: TaskRow, tasks: Sequence[TaskRow]) -> int:
    """Let parked tasks of a run that is still under way wait again, as if they were new; gives how many.

    `Conflict` when the run has ended or is being ended, or when a later step has been planned without them.
    """
    now = connection.execute(select(run).where(run.c.id == row.id).with_for_update()).one()
    if State(now.state) in ENDED or now.cancel_asked or now.stop_asked:
        raise Conflict("run-ending", f"Run {row.id} has ended or is being ended; try again after it.", run=row.id)
    _require_in_time(connection, row, {each.step for each in tasks})
    changed = 0
    for part in chunks([each.id for each in tasks]):
        again = update(task).where(task.c.id.in_(part), task.c.state.in_(FAILED))
        changed += connection.execute(
            again.values(
                state=State.QUEUED, reused=False, cause=None, message="", attempts=0, failures=None, takeovers=0,
                owner=None, lease_until=None, not_before=0.0, ended_at=None, same_as=None,
            )
        ).rowcount  # fmt: skip
    return changed


def _require_in_time(connection: Connection, row: TaskRow, steps: set[str]) -> None:
    planned = select(run_step.c.step).where(run_step.c.run_id == row.id, run_step.c.planned_at.is_not(None))
    complete = set(connection.execute(planned).scalars())
    for name, step in by_id(connection, row.definition_id).pipeline.steps.items():
        if name in complete and any(each.from_ in steps for each in step.inputs.values()):
            raise Conflict(
                "retry-too-late",
                f"Step {name} of run {row.id} has begun without what failed. Wait for the run's end, then retry: that "
                f"starts a run that takes over everything else.",
                run=row.id,
                step=name,
            )


def chosen_causes(words: Iterable[str]) -> list[Cause]:
    """Read causes as people write them, `oom` or `user,oom`; `Invalid` for a word that is none."""
    causes: list[Cause] = []
    for word in (each.strip() for several in words for each in several.split(",")):
        try:
            causes.append(Cause(word.lower()))
        except ValueError:
            known = ", ".join(each for each in Cause if each is not Cause.CANCELED)
            raise Invalid(
                "cause-unknown", f"{word!r} is not a cause of failure; there are: {known}.", cause=word
            ) from None
    return causes
