"""What has to stay: which digests versions, quarantine, definitions, arrivals and runs within retention name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, false, or_, select, true, union_all

from aliquot.db.rows import among
from aliquot.db.tables import (
    attempt,
    blob,
    definition,
    entry,
    held_file,
    key_input,
    load,
    output,
    preview,
    receipt,
    run,
    run_step,
    task,
    version,
)
from aliquot.model.lab_config import Retention
from aliquot.model.pipeline import Pipeline, Step
from aliquot.model.state import ACTIVE, State

_ACTIVE = run.c.state.in_(list(ACTIVE))
_FAILED = (State.EXECUTOR_ERROR, State.SYSTEM_ERROR)


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps by what becomes of their files.

    `last` are those whose files are results of their runs, as `definition/step`: outputs, what tables are loaded from,
    and what no other step takes. `spent` are those of runs under way whose files nothing will read any more, as
    `run/step`.
    """

    last: Sequence[str]
    spent: Sequence[str]


def steps(connection: Connection, retention: Retention, now: float) -> Steps:
    """Sort the steps of all pipelines that were ever applied."""
    pipelines: dict[int, Pipeline] = {}
    for row in connection.execute(
        select(definition.c.id, definition.c.document).where(definition.c.kind == "pipeline")
    ):
        pipelines[row.id] = Pipeline.model_validate(row.document)
    last: list[str] = []
    for number, pipeline in pipelines.items():
        last += [f"{number}/{step}" for step in _last(pipeline)]
    spent: list[str] = []
    before = _before(retention.intermediates, now)
    if before is not None:
        for row in connection.execute(select(run.c.id, run.c.definition_id).where(_ACTIVE)):
            spent += _spent(connection, row.id, pipelines[row.definition_id], before)
    return Steps(last, spent)


def _last(pipeline: Pipeline) -> set[str]:
    taken = {name for step in pipeline.steps.values() for name in _takes_from(pipeline, step)}
    wanted = {each.from_ for each in pipeline.outputs.values()} | {each.from_ for each in pipeline.tables.values()}
    return wanted | (pipeline.steps.keys() - taken)


def _takes_from(pipeline: Pipeline, step: Step) -> set[str]:
    """Name the steps that a step takes files from."""
    return {each.from_ for each in step.inputs.values()} & pipeline.steps.keys()


def _spent(connection: Connection, run_id: int, pipeline: Pipeline, before: float) -> list[str]:
    """Name the steps of a run under way whose files are read: all that takes them succeeded, and long enough ago."""
    unread = {
        row.step
        for row in connection.execute(
            select(run_step.c.step).where(
                run_step.c.run_id == run_id, or_(run_step.c.planned_at.is_(None), run_step.c.planned_at > before)
            )
        )
    }
    late = or_(task.c.ended_at.is_(None), task.c.ended_at > before, task.c.state != State.COMPLETE)
    unread |= set(connection.execute(select(task.c.step).distinct().where(task.c.run_id == run_id, late)).scalars())
    last = _last(pipeline)
    takers = {name: _takes_from(pipeline, step) for name, step in pipeline.steps.items()}
    return [
        f"{run_id}/{name}"
        for name in pipeline.steps
        if name not in last and not any(name in taken and taker in unread for taker, taken in takers.items())
    ]


def _before(seconds: float | str, now: float) -> float | None:
    """Give the time before which things are past retention; None when it has no end."""
    return None if isinstance(seconds, str) else now - seconds


def _since(seconds: float | str, now: float) -> ColumnElement[bool]:
    """Give the condition for a run that ended within retention."""
    before = _before(seconds, now)
    return true() if before is None else run.c.ended_at > before


def _place(first: ColumnElement[int], connection: Connection, among_these: Sequence[str]) -> ColumnElement[bool]:
    return among(connection, cast(first, Text) + "/" + task.c.step, among_these) if among_these else false()


def needed(connection: Connection, sorted_steps: Steps, retention: Retention, now: float) -> ColumnElement[bool]:
    """Give the condition under which a run wants the files of a task to stay; over `run` joined with `task`."""
    last = _place(run.c.definition_id, connection, sorted_steps.last)
    spent = _place(run.c.id, connection, sorted_steps.spent)
    waits = run.c.id.in_(select(load.c.run_id).where(load.c.state == "WAITING"))
    return or_(
        and_(_ACTIVE, ~spent),
        and_(~_ACTIVE, last, _since(retention.runs, now)),
        and_(~_ACTIVE, ~last, _since(retention.intermediates, now)),
        waits,
    )


def unnamed(
    connection: Connection, retention: Retention, now: float, bundled: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    """Select the blobs that nothing names which has to stay: digest, size, place, and when they were doomed."""
    sorted_steps = steps(connection, retention, now)
    of_runs = select(task.c.key.label("key")).join(run, run.c.id == task.c.run_id)
    results = select(output.c.digest.label("digest")).where(
        output.c.key.in_(of_runs.where(needed(connection, sorted_steps, retention, now)))
    )
    pending = of_runs.where(_pending(retention, now))
    read = select(key_input.c.digest.label("digest")).where(key_input.c.key.in_(pending))
    logs = attempt.join(task, task.c.id == attempt.c.task_id).join(run, run.c.id == task.c.run_id)
    kept_log = or_(_ACTIVE, _since(retention.logs, now))
    named = union_all(
        select(version.c.delta.label("digest")),
        results,
        read,
        select(preview.c.digest.label("digest")).where(_looked_at(retention, now)),
        select(attempt.c.stdout.label("digest")).select_from(logs).where(kept_log, attempt.c.stdout.isnot(None)),
        select(attempt.c.stderr.label("digest")).select_from(logs).where(kept_log, attempt.c.stderr.isnot(None)),
    ).subquery("named")
    once = select(named.c.digest).distinct().subquery("once")
    query = (
        select(blob.c.digest, blob.c.size, blob.c.pack, blob.c.offset, blob.c.adopted, blob.c.doomed_at)
        .outerjoin(once, once.c.digest == blob.c.digest)
        .where(once.c.digest.is_(None), blob.c.swept_at.is_(None))
        .where(~_in_a_row())
        .order_by(blob.c.digest)
    )
    return query.where(~among(connection, blob.c.digest, bundled)) if bundled else query


def wanted_again(connection: Connection, sorted_steps: Steps, retention: Retention, now: float) -> ColumnElement[bool]:
    """Give the condition for a blob that something names by now, for a last look at a few of them before they go.

    Runs come to want, and versions to list, what an earlier run has stored. All else that comes to name a blob (deltas,
    logs, bundles) stores it anew, which takes it back from the doomed.
    """
    of_runs = task.join(run, run.c.id == task.c.run_id)
    result = select(task.c.id).select_from(of_runs.join(output, output.c.key == task.c.key))
    read = select(task.c.id).select_from(of_runs.join(key_input, key_input.c.key == task.c.key))
    return or_(
        _in_a_row(),
        result.where(output.c.digest == blob.c.digest, needed(connection, sorted_steps, retention, now))
        .correlate(blob)
        .exists(),
        read.where(key_input.c.digest == blob.c.digest, _pending(retention, now)).correlate(blob).exists(),
    )


def _looked_at(retention: Retention, now: float) -> ColumnElement[bool]:
    """Give the condition for previews that somebody looked at within retention, of files that are there."""
    source = blob.alias("source")
    there = select(source.c.digest).where(source.c.digest == preview.c.source, source.c.doomed_at.is_(None)).exists()
    before = _before(retention.previews, now)
    return there if before is None else and_(preview.c.used_at > before, there)


def _pending(retention: Retention, now: float) -> ColumnElement[bool]:
    """Give the condition for tasks whose inputs stay, over `run` joined with `task`: those that are open or parked.

    As long as the run itself: people want to look, and to do it again.
    """
    return or_(
        and_(_ACTIVE, task.c.ended_at.is_(None)),
        and_(task.c.state.in_(_FAILED), or_(_ACTIVE, _since(retention.runs, now))),
    )


def _in_a_row() -> ColumnElement[bool]:
    """Give the condition for a blob that is a file of a version, or that came in as one."""
    return or_(
        *(select(each.c.digest).where(each.c.digest == blob.c.digest).exists() for each in (entry, held_file, receipt))
    )
