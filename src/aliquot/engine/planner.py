"""Planning steps while the steps before them still run: which planning is due, and what it adds.

A step whose datums are single files is planned again and again, each time over the files that are there. Its last
planning, when all tasks of the steps that it takes from have ended, is made over everything, so it finds what others
have left out, and what clashes. The rows of tasks are the memory of it all; what is kept here only saves work.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from aliquot.datasets.read import Version, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import run_step, task
from aliquot.engine.carry import Carried, carried_tasks, write_carried
from aliquot.engine.combine import early
from aliquot.engine.datums import File
from aliquot.engine.environments import Environments
from aliquot.engine.foretold import foretold, growing, missing
from aliquot.engine.keys import StepParts, parts_from, step_parts
from aliquot.engine.pipelines import Applied
from aliquot.engine.plan import Planned, input_files, made_by, outputs_of, plan_step
from aliquot.engine.rules import rules_of
from aliquot.engine.tasks import write_tasks
from aliquot.model.errors import Conflict
from aliquot.model.pipeline import Pipeline, Step
from aliquot.model.reference import Reference
from aliquot.model.seams import Executor
from aliquot.model.state import ENDED, State

RunRow = Row[*tuple[Any, ...]]

_REST = 10
"""How much longer than a planning took the next one of its step waits, shared by all steps that are planned so."""


@dataclass(frozen=True, slots=True)
class Planning:
    """A planning that is due. `unfinished` are the steps before it that may still give files; none: it is the last.

    Of those that are `foretold`, it is known which files.
    """

    step: str
    unfinished: frozenset[str] = frozenset()
    foretold: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Memory:
    """What the plannings of a step have seen so far, under one lease on the run."""

    fence: int
    complete: int = 0
    unfinished: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set[str])
    left_out: int = 0
    next_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What one planning has found: tasks to add to `before` others, and what to remember.

    `carried` are taken from an earlier run, where the step can be planned so.
    """

    parts: StepParts
    added: Sequence[Planned]
    before: int
    left_out: int
    taken: set[str]
    carried: Carried | None = None


class Planner:
    """Plans the steps of the runs that a supervisor looks after."""

    def __init__(self, catalogue: Catalogue, executor_for: Callable[[str | None], Executor]) -> None:
        self._catalogue = catalogue
        self._environments = Environments(executor_for)
        self._memories: dict[tuple[int, str], _Memory] = {}

    def due(self, connection: Connection, row: RunRow, pipeline: Pipeline) -> Planning | None:
        """Give the first planning of a run that is worth making now."""
        unplanned = unplanned_steps(connection, row.id)
        if not unplanned:
            return None
        waiting, complete = _standing(connection, row.id)
        now = time.monotonic()
        for step in unplanned:
            sources = {each.from_ for each in pipeline.steps[step].inputs.values()} & pipeline.steps.keys()
            unfinished = frozenset(each for each in sources if each in unplanned or each in waiting)
            if not unfinished:
                return Planning(step)
            known = foretold(pipeline, unfinished, unplanned)
            if not _streams(pipeline.steps[step], unfinished, known):
                continue
            memory = self._memory(row, step)
            if sum(complete.get(each, 0) for each in sources) > memory.complete and now >= memory.next_at:
                return Planning(step, unfinished, known)
        return None

    def plan(self, row: RunRow, applied: Applied, planning: Planning, hold: Callable[[Connection], None]) -> None:
        """Make a planning; `hold` makes sure, in the transaction that writes, that the run is still ours, and locks it.

        `Conflict` when it would be the last one, and what it was made over has changed meanwhile.
        """
        began = time.monotonic()
        memory = self._memory(row, planning.step)
        self._memories.pop((row.id, planning.step), None)
        with self._catalogue.read() as connection:
            _, complete = _standing(connection, row.id)
            found = self._find(connection, row, applied, planning, memory)
        sources = {each.from_ for each in applied.pipeline.steps[planning.step].inputs.values()}

        def write(connection: Connection) -> None:
            hold(connection)
            if not planning.unfinished:
                _require_unmoved(connection, row, sources, complete)
            before = write_carried(connection, row, planning.step, found.carried) if found.carried else found.before
            write_tasks(
                connection, row.id, planning.step, found.parts, found.added,
                before=before, left_out=found.left_out, last=not planning.unfinished,
            )  # fmt: skip

        # Put back only now: a memory of what was not written would leave datums out until the last planning.
        self._catalogue.repeat(write)
        if not planning.unfinished:
            return
        memory.complete = sum(complete.get(each, 0) for each in sources)
        memory.unfinished = planning.unfinished
        memory.taken |= found.taken
        memory.left_out = found.left_out
        self._memories[row.id, planning.step] = memory
        ended = time.monotonic()
        memory.next_at = ended + _REST * len(self._memories) * (ended - began)

    @property
    def remembered(self) -> set[int]:
        """Say of which runs something is remembered."""
        return {number for number, _ in self._memories}

    def keep_only(self, runs: Collection[int]) -> None:
        """Let go of what is remembered of other runs: they have ended, or are no longer ours."""
        for each in [each for each in self._memories if each[0] not in runs]:
            del self._memories[each]

    def _memory(self, row: RunRow, step: str) -> _Memory:
        memory = self._memories.get((row.id, step))
        # Under another lease somebody else may have planned meanwhile.
        return memory if memory and memory.fence == row.fence else _Memory(row.fence)

    def _find(
        self, connection: Connection, row: RunRow, applied: Applied, planning: Planning, memory: _Memory
    ) -> _Found:
        step = applied.pipeline.steps[planning.step]
        kept = connection.execute(
            select(run_step.c.parts, run_step.c.datums).where(
                run_step.c.run_id == row.id, run_step.c.step == planning.step
            )
        ).one()
        # What runs the commands may change while a run is under way; the keys of one step have it in common.
        parts = parts_from(kept.parts) if kept.parts else self._new_parts(connection, row, applied, step)
        bound = bound_versions(connection, row)
        if not planning.unfinished and not kept.datums:
            carried = carried_tasks(connection, row, applied, planning.step, parts, bound)
            if carried is not None:
                return _Found(parts, carried.added, 0, carried.left_out, set(), carried)
        open_inputs = {name for name, each in step.inputs.items() if each.from_ in planning.unfinished}
        taken = _complete_keys(connection, row.id, planning.unfinished)
        # What one open input has brought since the last time makes all of the new datums; of several, the new files
        # of one meet the old ones of the other.
        only_new = len(open_inputs) == 1 and bool(planning.unfinished) and memory.unfinished == planning.unfinished
        # Directories are made of new files and of old ones.
        only_new = only_new and not planning.foretold
        # Asked before and after, so that nothing that comes or is set back meanwhile counts as there.
        left = missing(connection, row.id, planning.foretold) if planning.foretold else {}
        made: dict[str, Sequence[File]] = {}
        for source in {each.from_ for each in step.inputs.values()} & applied.pipeline.steps.keys():
            if only_new and source in planning.unfinished:
                made[source] = outputs_of(connection, taken - memory.taken)
            else:
                made[source] = made_by(connection, row.id, source, exporting=True)
        for source, paths in (missing(connection, row.id, planning.foretold) if planning.foretold else {}).items():
            left[source] |= paths
        files = input_files(connection, applied.pipeline, step, bound, made)
        planned = plan_step(connection, step, parts, files, row.parameters, open_inputs, growing(step, left))
        there = _planned_keys(connection, row.id, planning.step) if kept.datums else set[str]()
        wanted = {each.key: each for each in planned if not each.left_out}
        if not planning.unfinished:
            assert there <= wanted.keys(), "a task was planned that the last planning does not have"
        added = [each for key, each in wanted.items() if key not in there]
        left_out = sum(each.left_out for each in planned) + (memory.left_out if only_new else 0)
        return _Found(parts, added, kept.datums, left_out, taken)

    def _new_parts(self, connection: Connection, row: RunRow, applied: Applied, step: Step) -> StepParts:
        identity = self._environments.of(step)
        rules = rules_of(connection, step)
        return step_parts(applied.pipeline, step, applied.bundle, row.parameters, identity, rules)


def _streams(step: Step, unfinished: frozenset[str], known: frozenset[str]) -> bool:
    """Say whether a step has datums that are complete before these steps are; of some the results are known."""
    soon = early(step, known)
    return all(name in soon for name, each in step.inputs.items() if each.from_ in unfinished)


def bound_versions(connection: Connection, row: RunRow) -> dict[str, Version]:
    """Give the versions that a run's inputs are bound to."""
    return {
        name: resolve(connection, Reference(dataset, str(number))) if number else Version(dataset, 0, 0)
        for name, (dataset, number) in row.inputs.items()
    }


def unplanned_steps(connection: Connection, run_id: int) -> list[str]:
    """List the steps of a run whose last planning is still to come, in order."""
    return list(connection.execute(_UNPLANNED, {"b_run": run_id}).scalars())


_UNPLANNED = (
    select(run_step.c.step)
    .where(run_step.c.run_id == bindparam("b_run"), run_step.c.planned_at.is_(None))
    .order_by(run_step.c.position)
)


def _standing(
    connection: Connection, run_id: int, steps: Collection[str] | None = None
) -> tuple[set[str], Mapping[str, int]]:
    """Give the steps of a run that have tasks which have not ended, and how many tasks of each are complete.

    Of these steps alone, where they are given.
    """
    query = select(task.c.step, task.c.state, func.count()).where(task.c.run_id == run_id)
    if steps is not None:
        query = query.where(task.c.step.in_(steps))
    waiting: set[str] = set()
    complete: dict[str, int] = {}
    for step, state, count in connection.execute(query.group_by(task.c.step, task.c.state)):
        if state == State.COMPLETE:
            complete[step] = count
        elif state not in ENDED:
            waiting.add(step)
    return waiting, complete


def _require_unmoved(connection: Connection, row: RunRow, sources: set[str], complete: Mapping[str, int]) -> None:
    """Refuse a last planning with `Conflict` when a person has had something before it tried again meanwhile.

    It may have been done already. Who asks for that locks the run first, as `hold` does.
    """
    waiting, now = _standing(connection, row.id, sources)
    if waiting or any(now.get(each, 0) != complete.get(each, 0) for each in sources):
        raise Conflict("run-goes-on", f"Run {row.id} has tasks to do again.", run=row.id)


def _complete_keys(connection: Connection, run_id: int, steps: frozenset[str]) -> set[str]:
    if not steps:
        return set()
    query = select(task.c.key).where(task.c.run_id == run_id, task.c.step.in_(steps), task.c.state == State.COMPLETE)
    return set(connection.execute(query).scalars())


def _planned_keys(connection: Connection, run_id: int, step: str) -> set[str]:
    return set(connection.execute(select(task.c.key).where(task.c.run_id == run_id, task.c.step == step)).scalars())
