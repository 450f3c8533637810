"""Pipelines as people look at them: their list, and one of them with its graph, its versions and its runs."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from aliquot.db.tables import definition, run
from aliquot.definitions.difference import definition_text, text_diff
from aliquot.engine.pipelines import current
from aliquot.engine.triggers import next_due
from aliquot.lab.graph import Graph, graph_of
from aliquot.lab.runs import RunLine, run_line, runs
from aliquot.model.errors import Missing
from aliquot.model.pipeline import Pipeline
from aliquot.model.quantity import time_in_words
from aliquot.model.words import count

_RUNS = 10


@dataclass(frozen=True, slots=True)
class PipelineLine:
    """A pipeline in short: what starts it, how many steps and runs it has, and its newest run."""

    pipeline: str
    title: str
    description: str
    project: str
    steps: int
    step_names: list[str]
    starts: str
    last_run: RunLine | None


@dataclass(frozen=True, slots=True)
class StepWords:
    """What a step is: what it takes from where, what it runs, and what it may use."""

    step: str
    title: str
    takes: list[str]
    image: str
    runs: str
    uses: str


@dataclass(frozen=True, slots=True)
class PipelineDetail:
    """A pipeline whole. `document` is its definition, `bundle` the digests of its files.

    `limits` and `next_due` are empty where there are none.
    """

    pipeline: str
    title: str
    description: str
    project: str
    digest: str
    starts: str
    limits: str
    next_due: float | None
    document: dict[str, Any]
    bundle: dict[str, str]
    graph: Graph
    steps: list[StepWords]
    runs: list[RunLine]
    versions: int
    applied_at: float
    applied_by: str


@dataclass(frozen=True, slots=True)
class VersionOfPipeline:
    """A pipeline as it was applied once: `diff` is against the version before, empty for the first of all.

    Versions are numbered from 1, in the order in which they were applied.
    """

    number: int
    digest: str
    applied_at: float
    applied_by: str
    current: bool
    file: str
    runs: int
    diff: str


def pipeline_lines(
    connection: Connection, projects: Collection[str] | None, of_runs: Collection[str] | None
) -> list[PipelineLine]:
    """List the pipelines of some projects that are applied, by name; with the newest run of those of `of_runs`."""
    query = select(definition).where(definition.c.kind == "pipeline", definition.c.current).order_by(definition.c.name)
    if projects is not None:
        query = query.where(definition.c.project.in_(projects))
    found = connection.execute(query).all()
    newest = (
        select(func.max(run.c.id)).where(run.c.pipeline.in_([each.name for each in found])).group_by(run.c.pipeline)
    )
    if of_runs is not None:
        newest = newest.where(run.c.project.in_(of_runs))
    last = {each.pipeline: run_line(each) for each in connection.execute(select(run).where(run.c.id.in_(newest)))}
    lines: list[PipelineLine] = []
    for row in found:
        said = row.document
        try:
            starts = trigger_words(Pipeline.model_validate(said))
        except ValueError:
            starts = "cannot be read by this version of Aliquot; apply it again"
        lines.append(
            PipelineLine(
                row.name, said.get("title", ""), said.get("description", ""), row.project, len(said.get("steps", ())),
                list(said.get("steps", ())), starts, last.get(row.name),
            )
        )  # fmt: skip
    return lines


def pipeline_detail(connection: Connection, name: str, projects: Collection[str] | None) -> PipelineDetail:
    """Look at a pipeline as it is applied now, or say that it is `Missing`; `projects`: whose runs are told."""
    applied = current(connection, name)
    row = connection.execute(select(definition).where(definition.c.id == applied.id)).one()
    many = select(func.count()).where(definition.c.kind == "pipeline", definition.c.name == name)
    pipeline = applied.pipeline
    schedule = pipeline.trigger.schedule
    return PipelineDetail(
        pipeline=name, title=pipeline.title, description=pipeline.description, project=row.project,
        digest=applied.digest, starts=trigger_words(pipeline), limits=limit_words(pipeline),
        next_due=next_due(schedule) if schedule else None, document=row.document,
        bundle=applied.bundle, graph=graph_of(pipeline),
        steps=step_words(pipeline), runs=runs(connection, name, limit=_RUNS, projects=projects),
        versions=connection.execute(many).scalar_one(), applied_at=row.applied_at, applied_by=row.applied_by,
    )  # fmt: skip


def pipeline_versions(
    connection: Connection, name: str, before: int | None, limit: int
) -> tuple[list[VersionOfPipeline], int | None]:
    """List the versions of a pipeline, the newest first, before the one with a number; and where the list goes on."""
    query = select(definition).where(definition.c.kind == "pipeline", definition.c.name == name)
    rows = connection.execute(query.order_by(definition.c.id)).all()
    if not rows:
        raise Missing("pipeline-missing", f"There is no pipeline {name!r}; its list shows them.", pipeline=name)
    count_of = select(run.c.definition_id, func.count()).where(run.c.pipeline == name).group_by(run.c.definition_id)
    many = {row[0]: int(row[1]) for row in connection.execute(count_of)}
    top = len(rows) if before is None else min(before - 1, len(rows))
    shown = range(top, max(0, top - limit), -1)
    found: list[VersionOfPipeline] = []
    for number in shown:
        row, old = rows[number - 1], rows[number - 2] if number > 1 else None
        diff = ""
        if old is not None:
            texts = (definition_text(old.document, old.bundle), definition_text(row.document, row.bundle))
            diff = text_diff(*texts, f"version {number - 1}", f"version {number}")
        found.append(
            VersionOfPipeline(
                number, row.digest, row.applied_at, row.applied_by, row.current, row.file, many.get(row.id, 0), diff
            )
        )
    return found, found[-1].number if found and found[-1].number > 1 else None


def trigger_words(pipeline: Pipeline) -> str:
    """Say what starts a pipeline."""
    trigger = pipeline.trigger
    words = [f"on {', '.join(trigger.new_version)}"] if trigger.new_version else []
    if trigger.schedule:
        zone = f" ({trigger.schedule.zone})" if trigger.schedule.zone else ""
        words.append(f"at {trigger.schedule.cron}{zone}")
    return " and ".join(words) or "by hand"


def limit_words(pipeline: Pipeline) -> str:
    """Say how many runs there may be, which come first, and how long they may take."""
    words: list[str] = []
    if pipeline.runs:
        then = "one more waits" if pipeline.runs.then == "queue" else "one more takes the place of the oldest"
        words.append(f"{count(pipeline.runs.at_most, 'run')} at a time, {then}")
    words += [f"priority {pipeline.priority}"] if pipeline.priority else []
    words += [f"deadline {time_in_words(pipeline.deadline)}"] if pipeline.deadline else []
    return "; ".join(words)


def step_words(pipeline: Pipeline) -> list[StepWords]:
    """Say of each step what it takes, runs and may use."""
    words: list[StepWords] = []
    for name in pipeline.order():
        step = pipeline.steps[name]
        command = step.command if isinstance(step.command, str) else " ".join(step.command)
        does = "ensure" if step.only_checks else step.python or command
        takes = [f"{given}: {each.from_}:{each.glob}" for given, each in step.inputs.items()]
        asked = step.resources
        uses = [f"{asked.cpus:g} CPU" if isinstance(asked.cpus, float | int) else "CPU as learnt"]
        if asked.memory:
            uses.append("memory as learnt" if isinstance(asked.memory, str) else f"{asked.memory / 2**20:,.0f} MiB")
        if asked.time:
            uses.append(time_in_words(asked.time))
        words.append(StepWords(name, step.title, takes, step.image or "", does.strip(), ", ".join(uses)))
    return words
