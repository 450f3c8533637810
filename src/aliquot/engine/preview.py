"""What a run would do, without running anything."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from aliquot.db.rows import chunks
from aliquot.db.tables import result, run, task
from aliquot.engine.datums import File, Part, label, named
from aliquot.engine.keys import StepParts, environment_of, step_parts
from aliquot.engine.parameters import complete
from aliquot.engine.parked import FAILED, OF_THE_DATUM
from aliquot.engine.plan import Planned, input_files, outputs_of, plan_step
from aliquot.engine.rules import rules_of
from aliquot.engine.start import Order, bind
from aliquot.model.cause import cause_words
from aliquot.model.pipeline import Step
from aliquot.model.seams import Executor


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run would do with one datum. Without files it stands for datums that an earlier step must make first.

    `parts` says in words what the datum has of each input; `captures` are the names that its command sees.
    """

    step: str
    label: str
    datum: Mapping[str, Sequence[str]]
    action: str
    reason: str
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    captures: Mapping[str, str] = field(default_factory=dict[str, str])

    def document(self) -> dict[str, Any]:
        """Give the intent as JSON."""
        return {
            "step": self.step,
            "datum": self.datum,
            **({"captures": self.captures} if self.captures else {}),
            "action": self.action,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """How many datums of a step share an action and the reason for it."""

    step: str
    action: str
    reason: str
    datums: int


def in_short(intents: Sequence[Intent]) -> list[Group]:
    """Count the datums by step, action and reason, in the order of the steps."""
    counts = Counter((each.step, each.action, each.reason) for each in intents if each.datum)
    return [Group(*which, datums) for which, datums in counts.items()]


def preview(
    connection: Connection, order: Order, executor_for: Callable[[str | None], Executor],
    projects: Collection[str] | None = None,
) -> list[Intent]:  # fmt: skip
    """List the datums of a pipeline, and say of each whether it would run and why.

    `projects` are those whose runs may be named, None: all.
    """
    pipeline = order.applied.pipeline
    parameters = complete(pipeline, order.parameters)
    bound = bind(connection, order)
    made: dict[str, list[File]] = {}
    unsure: dict[str, str] = {}
    intents: list[Intent] = []
    for name in pipeline.order():
        step = pipeline.steps[name]
        files = input_files(connection, pipeline, step, bound, made)
        identity = environment_of(step, executor_for)
        rules = rules_of(connection, step)
        parts = step_parts(pipeline, step, order.applied.bundle, parameters, identity, rules)
        planned = plan_step(connection, step, parts, files, parameters)
        before = [unsure[each.from_] for each in step.inputs.values() if each.from_ in unsure]
        changed = _changed(connection, pipeline.pipeline, name, parts)
        failed = _failed(connection, [each.key for each in planned if not each.known], projects)
        intents += [_intent(name, step, each, failed.get(each.key) or changed) for each in planned]
        if before:
            intents.append(Intent(name, "…", {}, "run", f"its datums are known when {' and '.join(before)} has run"))
        made[name] = outputs_of(connection, [each.key for each in planned if each.known and not each.left_out])
        if before or not all(each.known or each.left_out for each in planned):
            unsure[name] = name
    return intents


def _intent(name: str, step: Step, planned: Planned, changed: str) -> Intent:
    datum = {part.input: [file.path for file in part.files] for part in planned.datum}
    action, reason = "run", changed or "new or changed input"
    if planned.known:
        action, reason = "skip", "the same work has been done: its key is known"
    if planned.left_out:
        action, reason = "leave out", f"left out by when: {step.when}"
    parts = {part.input: _in_words(part) for part in planned.datum}
    return Intent(name, label(planned.datum), datum, action, reason, parts, named(planned.datum))


def _in_words(part: Part) -> str:
    return part.matched if part.matched != "/" else "1 file" if len(part.files) == 1 else f"{len(part.files):,} files"


def _failed(connection: Connection, keys: Sequence[str], projects: Collection[str] | None) -> dict[str, str]:
    """Say of keys that were tried and failed in which run, the latest."""
    words: dict[str, str] = {}
    for part in chunks(list(keys)):
        query = (
            select(task.c.key, task.c.run_id, task.c.step, task.c.ordinal, task.c.cause, run.c.project)
            .join(run, run.c.id == task.c.run_id)
            .where(task.c.key.in_(part), task.c.state.in_(FAILED), task.c.same_as.is_(None))
            .order_by(task.c.id)
        )
        for row in connection.execute(query):
            there = f"in run {row.run_id} ({row.step}/{row.ordinal})"
            words[row.key] = _of_failure(
                row.cause, there if projects is None or row.project in projects else "elsewhere"
            )
    return words


def _of_failure(cause: str | None, there: str) -> str:
    words = f"the same work failed {there}"
    if cause in OF_THE_DATUM:
        return f"{words}: {cause_words(cause)}; a triggered run leaves it parked"
    return words


def _changed(connection: Connection, pipeline: str, step: str, parts: StepParts) -> str:
    """Say which common parts of the key differ from the latest result of this step; empty when none do."""
    latest = connection.execute(
        select(result.c.parts)
        .join(task, task.c.id == result.c.task_id)
        .join(run, run.c.id == task.c.run_id)
        .where(run.c.pipeline == pipeline, task.c.step == step)
        .order_by(task.c.id.desc())
        .limit(1)
    ).scalar()
    if latest is None:
        return "this step has not succeeded yet"
    now = parts.document()
    whole = ("environment", "command", "python", "ensure")
    words = [f"{name} changed" for name in whole if latest.get(name) != now.get(name)]
    for kind, word in (("code", "code"), ("parameters", "parameter")):
        names = sorted({*latest[kind], *now[kind]})
        words += [f"{word} {each} changed" for each in names if latest[kind].get(each) != now[kind].get(each)]
    return ", ".join(words)
