"""Carrying tasks over: a run whose step has the datums of an earlier run takes its tasks, as rows, from there.

What decides a step's tasks is the pipeline, the parameters, what its keys have in common, and the files of its inputs.
Where an earlier complete run had all of these, the same tasks come of them, so nothing has to be listed, matched and
digested again: one statement copies the rows inside the database. Where one of its datasets has another version,
and files of it make datums of their own, the files that differ are planned, and the other tasks are carried over.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, insert, literal, null, select, update

from aliquot.datasets.read import Version, difference, resolve
from aliquot.db.rows import among
from aliquot.db.tables import run, run_step, task
from aliquot.engine.combine import early
from aliquot.engine.datums import File
from aliquot.engine.gate import RECALL
from aliquot.engine.keys import StepParts
from aliquot.engine.pipelines import Applied
from aliquot.engine.plan import Planned, input_files, made_by, outputs_of, plan_step
from aliquot.model.errors import Conflict
from aliquot.model.pipeline import Step
from aliquot.model.reference import Reference
from aliquot.model.state import State

RunRow = Row[*tuple[Any, ...]]

_LOOK_BACK = 20
"""Runs of the same definition that are looked at, the newest first."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Tasks of a step that an earlier run has: of which run, how many, without which keys; and those that are added."""

    run: int
    count: int
    without: Collection[str] = ()
    added: Sequence[Planned] = ()
    left_out: int = 0


def carried_tasks(
    connection: Connection,
    row: RunRow,
    applied: Applied,
    name: str,
    parts: StepParts,
    bound: Mapping[str, Version],
) -> Carried | None:
    """Find the earlier run from which a step of a run can take its tasks; None when it has to be planned.

    To be asked when all steps that it takes from have ended. `bound` gives the versions of the run's inputs.
    """
    step = applied.pipeline.steps[name]
    before = _earlier(connection, row, name, step, parts)
    if before is None:
        return None
    run_before, step_before = before
    if not all(
        _same_tasks(connection, row.id, run_before.id, each.from_)
        for each in step.inputs.values()
        if each.from_ in applied.pipeline.steps
    ) or _made_again(connection, run_before):
        return None
    changed = {
        each
        for each, given in step.inputs.items()
        if given.from_ in applied.pipeline.inputs and run_before.inputs.get(given.from_) != row.inputs[given.from_]
    }
    if not changed:
        return Carried(run_before.id, step_before.datums, left_out=step_before.left_out)
    if len(changed) > 1 or not changed <= early(step) or step.when:
        return None
    return _with_changes(connection, row, applied, step, parts, bound, changed.pop(), before)


def write_carried(connection: Connection, row: RunRow, name: str, carried: Carried) -> int:
    """Write the carried tasks of a step that has none yet, complete from the start; gives how many."""
    now = time.time()
    here = _complete(carried.run, name)
    ordinal: Any = task.c.ordinal
    if carried.without:
        here.append(~among(connection, task.c.key, carried.without))
        ordinal = func.row_number().over(order_by=task.c.ordinal)
    values = {
        "run_id": literal(row.id), "step": task.c.step, "ordinal": ordinal, "key": task.c.key, "datum": task.c.datum,
        "state": literal(State.COMPLETE.value), "reused": literal(value=True), "message": literal(""),
        "attempts": literal(0), "fence": literal(0), "not_before": literal(0.0), "created_at": literal(now),
        "ended_at": literal(now), "cause": null(), "same_as": null(),
    }  # fmt: skip
    rows = select(*values.values()).where(*here)
    copy = insert(task).from_select(list(values), rows, include_defaults=False)
    count = connection.execute(copy, execution_options={"preserve_rowcount": True}).rowcount
    if count != carried.count:
        raise Conflict("run-goes-on", f"Run {carried.run} has tasks to do again.", run=carried.run)
    connection.execute(
        update(run_step)
        .where(run_step.c.run_id == row.id, run_step.c.step == name)
        .values(carried_from=carried.run, carried=count)
    )
    return count


@dataclass(frozen=True, slots=True)
class Additions:
    """The files of a run's step, as those that an earlier run has, all of them, and those that come to them."""

    run: int
    files: Sequence[File]


def additions(connection: Connection, run_id: int, step: str) -> Additions | None:
    """Say what a step of a run gave as what an earlier run's gave, and what came to it; None when that cannot be said.

    The files that came are not held against the others: two of them may have one path.
    """
    of = (run_step.c.run_id, run_step.c.step, run_step.c.carried_from, run_step.c.carried, run_step.c.datums)
    mine = connection.execute(select(*of).where(run_step.c.run_id == run_id, run_step.c.step == step)).one()
    if mine.carried_from is None:
        return None
    before = connection.execute(select(run).where(run.c.id == mine.carried_from)).one()
    query = select(run_step.c.datums).where(run_step.c.run_id == before.id, run_step.c.step == step)
    if connection.execute(query).scalar_one() != mine.carried or _made_again(connection, before):
        return None
    if mine.carried == mine.datums:
        return Additions(before.id, [])
    new = select(task.c.key).where(
        task.c.run_id == run_id, task.c.step == step, task.c.ordinal > mine.carried, task.c.state == State.COMPLETE
    )
    return Additions(before.id, outputs_of(connection, connection.execute(new).scalars()))


def _earlier(
    connection: Connection, row: RunRow, name: str, step: Step, parts: StepParts
) -> tuple[RunRow, RunRow] | None:
    """Find the latest run that went well and decides a step's tasks alike, but for its inputs; and its row of the step.

    One that has parked datums is none: what becomes of those, this run's own rules say.
    """
    query = (
        select(run)
        .where(run.c.definition_id == row.definition_id, run.c.id != row.id, run.c.cause != RECALL)
        .where(run.c.state == State.COMPLETE, run.c.parked == 0)
        .order_by(run.c.id.desc())
        .limit(_LOOK_BACK)
    )
    common = parts.document()
    for each in connection.execute(query).all():
        # The parameters that enter keys are among `parts`; the condition may look at any.
        if step.when and each.parameters != row.parameters:
            continue
        query = select(run_step).where(run_step.c.run_id == each.id, run_step.c.step == name)
        found = connection.execute(query).one()
        if found.planned_at is not None and found.parts == common:
            complete = select(func.count()).where(*_complete(each.id, name))
            return (each, found) if connection.execute(complete).scalar_one() == found.datums else None
    return None


def _complete(run_id: int, step: str) -> list[ColumnElement[bool]]:
    return [task.c.run_id == run_id, task.c.step == step, task.c.state == State.COMPLETE]


def _same_tasks(connection: Connection, mine: int, other: int, name: str) -> bool:
    """Say whether a run has carried over all tasks that another has of a step, and has no others."""
    query = select(run_step).where(run_step.c.run_id.in_([mine, other]), run_step.c.step == name)
    rows = {each.run_id: each for each in connection.execute(query)}
    ours = rows[mine]
    return ours.carried_from == other and ours.carried == ours.datums == rows[other].datums


def _made_again(connection: Connection, before: RunRow) -> bool:
    """Say whether files were made again since a run began: its tasks may have given other bytes by now."""
    since = (run.c.ended_at.is_(None)) | (run.c.ended_at >= before.created_at)
    return bool(connection.execute(select(exists().where(run.c.cause == RECALL, since))).scalar())


def _with_changes(
    connection: Connection,
    row: RunRow,
    applied: Applied,
    step: Step,
    parts: StepParts,
    bound: Mapping[str, Version],
    changed: str,
    before: tuple[RunRow, RunRow],
) -> Carried | None:
    """Plan what differs between two versions of one input, where each of its datums has one file of it."""
    run_before, step_before = before
    source = step.inputs[changed].from_
    dataset, number = run_before.inputs[source]
    now = bound[source]
    if dataset != now.dataset or not number or not now.number:
        return None
    differing = list(difference(connection, resolve(connection, Reference(dataset, str(number))), now))
    if 2 * len(differing) > step_before.datums:
        return None
    sources = {each.from_ for name, each in step.inputs.items() if name != changed} & applied.pipeline.steps.keys()
    made = {each: made_by(connection, row.id, each, exporting=True) for each in sources}
    files = input_files(connection, applied.pipeline, step, bound, made, but=changed)
    # What a file's size is decides no datum and no key.
    gone = [File(each.path, each.before, 0) for each in differing if each.before]
    come = [File(each.path, each.after, 0) for each in differing if each.after]
    less, more = (plan_step(connection, step, parts, {**files, changed: each}, row.parameters) for each in (gone, come))
    if not all(part.single for each in (*less, *more) for part in each.datum if part.input == changed):
        return None
    without = {each.key for each in less}
    there = select(func.count()).where(*_complete(run_before.id, step_before.step))
    if without and connection.execute(there.where(among(connection, task.c.key, without))).scalar_one() != len(without):
        return None
    added = {each.key: each for each in more}
    return Carried(run_before.id, step_before.datums - len(without), without, list(added.values()))
