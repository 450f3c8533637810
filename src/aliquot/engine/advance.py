"""Moving one run on: planning the steps whose inputs are there, stopping it, ending it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, select, update

from aliquot.blobs import Store
from aliquot.datasets.read import Version, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import run, run_step, task
from aliquot.engine.claim import active_tasks
from aliquot.engine.datums import File
from aliquot.engine.keys import step_parts
from aliquot.engine.pipelines import Applied, by_id
from aliquot.engine.plan import input_files, made_by, plan_step
from aliquot.engine.publish import FAILED, finish
from aliquot.engine.tasks import write_tasks
from aliquot.model.errors import AliquotError, Conflict, Unavailable
from aliquot.model.reference import Reference
from aliquot.model.seams import Executor
from aliquot.model.state import State

log: Any = structlog.get_logger()

RunRow = Row[*tuple[Any, ...]]


def advance(catalogue: Catalogue, store: Store, executor_for: Callable[[str | None], Executor], row: RunRow) -> bool:
    """Do what a run that we look after needs now; says whether it moved."""
    try:
        if row.cancel_asked or row.state == State.CANCELING:
            return catalogue.repeat(lambda connection: _cancel(connection, row))
        with catalogue.read() as connection:
            applied = by_id(connection, row.definition_id)
        if row.state == State.QUEUED:
            catalogue.repeat(lambda connection: _set_state(connection, row, State.INITIALIZING, started_at=time.time()))
            catalogue.repeat(lambda connection: _set_state(connection, row, State.RUNNING))
            log.info("run started", run=row.id, pipeline=row.pipeline, cause=row.cause)
        elif row.state == State.INITIALIZING:
            catalogue.repeat(lambda connection: _set_state(connection, row, State.RUNNING))
        return _advance_steps(catalogue, store, executor_for, row, applied)
    except Unavailable:
        raise
    except AliquotError as error:
        if error.code in {"run-not-ours", "catalogue-busy"}:
            return False
        reason = error.message
        log.error("run failed", run=row.id, reason=reason)  # noqa: TRY400  # the reason is for a person
        return catalogue.repeat(lambda connection: _fail(connection, row, reason))


def _advance_steps(
    catalogue: Catalogue,
    store: Store,
    executor_for: Callable[[str | None], Executor],
    row: RunRow,
    applied: Applied,
) -> bool:
    moved = False
    while True:
        with catalogue.read() as connection:
            if _must_stop(connection, row, applied):
                break
            step = _next_step(connection, row.id, applied)
        if step is None:
            break
        identity = executor_for(applied.pipeline.steps[step].image).identity(applied.pipeline.steps[step].image)
        _plan(catalogue, row, applied, step, identity)
        moved = True
    with catalogue.read() as connection:
        stop = _must_stop(connection, row, applied)
        under_way = active_tasks(connection, row.id)
        unplanned = _unplanned(connection, row.id)
    if stop and under_way:
        return catalogue.repeat(lambda connection: _stop_tasks(connection, row)) or moved
    if under_way or (unplanned and not stop):
        return moved
    verdict = finish(catalogue, store, row, applied)
    if verdict:
        log.info("run ended", run=row.id, pipeline=row.pipeline, state=verdict.state, message=verdict.message)
    return True


def _next_step(connection: Connection, run_id: int, applied: Applied) -> str | None:
    """Give the first step that is not planned, and whose earlier steps have all ended."""
    for step in _unplanned(connection, run_id):
        before = [
            each.from_ for each in applied.pipeline.steps[step].inputs.values() if each.from_ in applied.pipeline.steps
        ]
        waiting = connection.execute(
            select(func.count())
            .select_from(run_step)
            .where(run_step.c.run_id == run_id, run_step.c.step.in_(before), run_step.c.planned_at.is_(None))
        ).scalar_one()
        open_tasks = connection.execute(
            select(task.c.id)
            .where(task.c.run_id == run_id, task.c.step.in_(before), task.c.ended_at.is_(None))
            .limit(1)
        ).first()
        if not waiting and open_tasks is None:
            return step
    return None


def _plan(catalogue: Catalogue, row: RunRow, applied: Applied, step: str, identity: str) -> None:
    definition = applied.pipeline.steps[step]
    with catalogue.read() as connection:
        bound = bound_versions(connection, row)
        made: Mapping[str, Sequence[File]] = {
            each.from_: made_by(connection, row.id, each.from_)
            for each in definition.inputs.values()
            if each.from_ in applied.pipeline.steps
        }
        files = input_files(connection, applied.pipeline, definition, bound, made)
        parts = step_parts(applied.pipeline, definition, applied.bundle, row.parameters, identity)
        planned = plan_step(connection, definition, parts, files)

    def write(connection: Connection) -> None:
        _require_ours(connection, row)
        write_tasks(connection, row.id, step, parts, planned)

    catalogue.repeat(write)


def bound_versions(connection: Connection, row: RunRow) -> dict[str, Version]:
    """Give the versions that a run's inputs are bound to."""
    return {
        name: resolve(connection, Reference(dataset, str(number) if number else "latest"))
        if number
        else Version(dataset, 0, 0)
        for name, (dataset, number) in row.inputs.items()
    }


def _unplanned(connection: Connection, run_id: int) -> list[str]:
    query = (
        select(run_step.c.step)
        .where(run_step.c.run_id == run_id, run_step.c.planned_at.is_(None))
        .order_by(run_step.c.position)
    )
    return list(connection.execute(query).scalars())


def _must_stop(connection: Connection, row: RunRow, applied: Applied) -> bool:
    """Say whether a step whose policy is to stop has a failure."""
    stopping = [name for name, step in applied.pipeline.steps.items() if step.failures == "stop"]
    if not stopping:
        return False
    failed = select(task.c.id).where(task.c.run_id == row.id, task.c.step.in_(stopping), task.c.state.in_(FAILED))
    return connection.execute(failed.limit(1)).first() is not None


def _cancel(connection: Connection, row: RunRow) -> bool:
    if row.state == State.QUEUED:
        return _set_state(connection, row, State.CANCELED, ended_at=time.time())
    moved = False
    if row.state != State.CANCELING:
        moved = _set_state(connection, row, State.CANCELING)
    moved |= _stop_tasks(connection, row)
    if not active_tasks(connection, row.id):
        moved = _set_state(connection, row, State.CANCELED, ended_at=time.time())
    return moved


def _stop_tasks(connection: Connection, row: RunRow) -> bool:
    """Cancel the tasks that wait, and ask for the end of those under way."""
    connection.execute(update(run).where(run.c.id == row.id, ~run.c.stop_asked).values(stop_asked=True))
    stopped = connection.execute(
        update(task)
        .where(task.c.run_id == row.id, task.c.state == State.QUEUED)
        .values(state=State.CANCELED, ended_at=time.time())
    )
    return stopped.rowcount > 0


def _fail(connection: Connection, row: RunRow, message: str) -> bool:
    _stop_tasks(connection, row)
    if active_tasks(connection, row.id):
        return True
    return _set_state(connection, row, State.SYSTEM_ERROR, message=message, ended_at=time.time())


def _set_state(connection: Connection, row: RunRow, state: State, **values: Any) -> bool:
    changed = connection.execute(
        update(run)
        .where(run.c.id == row.id, run.c.fence == row.fence, run.c.owner == row.owner)
        .values(state=state, **values)
    )
    if changed.rowcount != 1:
        raise _not_ours(row)
    return True


def _require_ours(connection: Connection, row: RunRow) -> None:
    ours = select(run.c.id).where(run.c.id == row.id, run.c.fence == row.fence, run.c.owner == row.owner)
    if connection.execute(ours.with_for_update()).first() is None:
        raise _not_ours(row)


def _not_ours(row: RunRow) -> Conflict:
    return Conflict("run-not-ours", f"Run {row.id} is looked after by another supervisor now.", run=row.id)
