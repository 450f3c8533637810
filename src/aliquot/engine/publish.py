"""Ending a run: its policy on failures, and its outputs as versions, all in one transaction."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, Draft, apply, moved, name_versions, prepare
from aliquot.db import Catalogue
from aliquot.db.tables import load, published, run, run_step, task
from aliquot.engine.changes import Made, changes, made_for
from aliquot.engine.claim import has_open_tasks
from aliquot.engine.parked import FAILED
from aliquot.engine.pipelines import Applied
from aliquot.model.cause import counted_causes
from aliquot.model.errors import Conflict, Invalid, Unavailable
from aliquot.model.pipeline import Allow, Pipeline
from aliquot.model.state import State
from aliquot.model.task import Cause

_TRIES = 20
_LOOK_BACK = 100


@dataclass(frozen=True, slots=True)
class StepCount:
    """How the tasks of a run's step stand."""

    step: str
    datums: int
    failed: int
    system: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends: its state, why, and how many datums are parked, by cause."""

    state: State
    message: str
    parked: int
    causes: Mapping[str, int] = field(default_factory=dict[str, int])


def judge(connection: Connection, run_id: int, pipeline: Pipeline) -> Verdict:
    """Say how a run whose tasks have ended shall end, by the failure policy of each step."""
    counts = step_counts(connection, run_id)
    parked = sum(each.failed for each in counts)
    causes = cause_counts(connection, run_id) if parked else {}
    why = counted_causes(causes)
    noted = connection.execute(select(run.c.ends_as, run.c.message).where(run.c.id == run_id)).one()
    if noted.ends_as:
        return Verdict(State(noted.ends_as), noted.message, parked, causes)
    for each in counts:
        policy = pipeline.steps[each.step].failures
        limit = each.datums if policy == "park" else policy.limit(each.datums) if isinstance(policy, Allow) else 0
        # A step of which nothing is left has failed, whatever its policy allows.
        if each.failed and (each.failed > limit or each.failed == each.datums):
            state = State.SYSTEM_ERROR if each.system == each.failed else State.EXECUTOR_ERROR
            told = f"{each.failed} of {each.datums} datums of step {each.step} failed ({why})"
            return Verdict(state, told, parked, causes)
    if stopped := _stopped(connection, run_id):
        return Verdict(State.SYSTEM_ERROR, stopped, parked, causes)
    told = f"1 datum is parked: {why}" if parked == 1 else f"{parked:,} datums are parked: {why}" if parked else ""
    return Verdict(State.COMPLETE, told, parked, causes)


def cause_counts(connection: Connection, run_id: int) -> dict[str, int]:
    """Count the parked datums of a run by their causes."""
    query = select(task.c.cause, func.count().label("n")).where(task.c.run_id == run_id, task.c.state.in_(FAILED))
    return {row.cause or Cause.OURS.value: row.n for row in connection.execute(query.group_by(task.c.cause))}


def _stopped(connection: Connection, run_id: int) -> str:
    """Say why a run was stopped before all was done; empty when nothing was left out."""
    left_out = connection.execute(
        select(task.c.id).where(task.c.run_id == run_id, task.c.state == State.CANCELED).limit(1)
    ).first() or connection.execute(
        select(run_step.c.step).where(run_step.c.run_id == run_id, run_step.c.planned_at.is_(None)).limit(1)
    ).first()  # fmt: skip
    if left_out is None:
        return ""
    reason: str = connection.execute(select(run.c.message).where(run.c.id == run_id)).scalar_one()
    return reason or "The run was stopped before all of its tasks were done."


def step_counts(connection: Connection, run_id: int) -> list[StepCount]:
    """Count the datums and failures of each step of a run, in order."""
    failed = {
        (row.step, row.state): row.n
        for row in connection.execute(
            select(task.c.step, task.c.state, func.count().label("n"))
            .where(task.c.run_id == run_id, task.c.state.in_(FAILED))
            .group_by(task.c.step, task.c.state)
        )
    }
    steps = connection.execute(
        select(run_step.c.step, run_step.c.datums).where(run_step.c.run_id == run_id).order_by(run_step.c.position)
    )
    return [
        StepCount(
            row.step,
            row.datums,
            sum(failed.get((row.step, state), 0) for state in FAILED),
            failed.get((row.step, State.SYSTEM_ERROR), 0),
        )
        for row in steps
    ]


def finish(catalogue: Catalogue, store: Store, row: Row[*tuple[Any, ...]], applied: Applied) -> Verdict | None:
    """End a run: publish, ask for loads, and change its state together; None when the run is no longer ours to end."""
    outputs = applied.pipeline.outputs
    for attempt in range(_TRIES):
        with catalogue.read() as connection:
            verdict = judge(connection, row.id, applied.pipeline)
            made: dict[str, Made] = {}
            if verdict.state is State.COMPLETE:
                try:
                    made = {name: made_for(connection, row, name, each) for name, each in outputs.items()}
                except Invalid as error:
                    verdict = replace(verdict, state=State.EXECUTOR_ERROR, message=error.message)
        try:
            drafts = _drafts(catalogue, store, row, applied, verdict, made)
            with catalogue.write() as connection:
                newer = _newer(connection, row) if row.publish else None
                if newer and verdict.state is State.COMPLETE:
                    words = f"not published: run {newer} has published what came of newer inputs"
                    verdict, drafts = replace(verdict, message=_joined(verdict.message, words)), {}
                if not _end(connection, row, verdict):
                    return None
                # A person may have asked for parked datums meanwhile, and they may be done already.
                parked = sum(each.failed for each in step_counts(connection, row.id)) if verdict.parked else 0
                if parked != verdict.parked or has_open_tasks(connection, row.id):
                    raise Conflict("run-goes-on", f"Run {row.id} has tasks to do again.", run=row.id)
                places.hold(connection, [each.digest for draft, _ in drafts.values() for each in draft.adds])
                done = {name: (apply(connection, draft), step) for name, (draft, step) in drafts.items()}
                if verdict.state is State.COMPLETE and not newer:
                    _note(connection, row, applied.pipeline, done)
        except Conflict as error:
            if error.code not in {"dataset-moved", "catalogue-busy"} or attempt == _TRIES - 1:
                raise
            time.sleep(random.uniform(0, 0.01) * (attempt + 1))  # noqa: S311  # jitter
            continue
        # The versions are there already: names that cannot be written now are written with the next commit's.
        with suppress(Unavailable, Conflict):
            name_versions(catalogue, store)
        return verdict
    raise AssertionError


def _newer(connection: Connection, row: Row[*tuple[Any, ...]]) -> int | None:
    """Give a run that has published with newer inputs, or an equal state of them and a newer definition."""
    if row.pinned:
        return None
    query = (
        select(run.c.id, run.c.inputs, run.c.definition_id)
        .where(run.c.pipeline == row.pipeline, run.c.id != row.id, run.c.id.in_(select(published.c.run_id)))
        .order_by(run.c.id.desc())
        .limit(_LOOK_BACK)
    )
    for other in connection.execute(query):
        pairs = [(number, other.inputs.get(name)) for name, (_, number) in row.inputs.items()]
        ages = [theirs[1] - ours for ours, theirs in pairs if theirs]
        newer_inputs = any(age > 0 for age in ages)
        if all(age >= 0 for age in ages) and (newer_inputs or other.definition_id > row.definition_id):
            return other.id
    return None


def _joined(*words: str) -> str:
    return "; ".join(each for each in words if each)


def _end(connection: Connection, row: Row[*tuple[Any, ...]], verdict: Verdict) -> bool:
    # Not one that was paused or canceled since it was looked at: what a person asks for comes first.
    still = (run.c.state == State.RUNNING, ~run.c.cancel_asked)
    changed = connection.execute(
        update(run)
        .where(run.c.id == row.id, run.c.fence == row.fence, run.c.owner == row.owner, *still)
        .values(
            state=verdict.state, message=verdict.message, parked=verdict.parked, causes=dict(verdict.causes) or None,
            ended_at=time.time(),
        )
    )  # fmt: skip
    return changed.rowcount == 1


def _drafts(
    catalogue: Catalogue,
    store: Store,
    row: Row[*tuple[Any, ...]],
    applied: Applied,
    verdict: Verdict,
    made: dict[str, Made],
) -> dict[str, tuple[Draft, str]]:
    drafts: dict[str, tuple[Draft, str]] = {}
    if not row.publish or verdict.state is not State.COMPLETE:
        return drafts
    for name, each in applied.pipeline.outputs.items():
        if not each.publish:
            continue
        with catalogue.read() as connection:
            # Let go of at once: they may be a hundred thousand, and what becomes of them is as many again.
            beyond = made[name].beyond
            adds, removes = changes(connection, row.id, each.from_, each.publish, made.pop(name))
            parked = _parked(connection, row.id) if verdict.parked else []
        provenance = {
            "run": row.id,
            "pipeline": applied.pipeline.pipeline,
            "definition": applied.digest,
            "output": name,
            "step": each.from_,
            "parameters": row.parameters,
            "inputs": row.inputs,
            **({"parked": parked} if parked else {}),
        }
        change = Change(each.publish, adds, removes, provenance, row.id, verdict.parked, row.project)
        draft = prepare(catalogue, store, change)
        if beyond not in {None, draft.before}:
            raise moved(each.publish)
        drafts[name] = (draft, each.from_)
    return drafts


def _parked(connection: Connection, run_id: int) -> list[str]:
    query = select(task.c.step, task.c.ordinal).where(task.c.run_id == run_id, task.c.state.in_(FAILED)).limit(1000)
    return [f"{row.step}/{row.ordinal}" for row in connection.execute(query)]


def _note(
    connection: Connection,
    row: Row[*tuple[Any, ...]],
    pipeline: Pipeline,
    done: Mapping[str, tuple[Committed, str]],
) -> None:
    """Note which versions the outputs are, and which loads they ask for."""
    versions = {step: committed for committed, step in done.values()}
    rows: Sequence[dict[str, Any]] = [
        {"run_id": row.id, "output": name, "step": step, "dataset": committed.dataset, "number": committed.number}
        for name, (committed, step) in done.items()
    ]
    if rows:
        connection.execute(insert(published), rows)
    if not row.publish or not pipeline.tables:
        return
    connection.execute(
        insert(load),
        [
            {
                "run_id": row.id,
                "table_name": name,
                "step": table.from_,
                "dataset": versions[table.from_].dataset if table.from_ in versions else None,
                "number": versions[table.from_].number if table.from_ in versions else None,
                "state": "WAITING",
                "message": "",
                "created_at": time.time(),
            }
            for name, table in pipeline.tables.items()
        ],
    )
