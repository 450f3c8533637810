"""The form with which a person starts a run: its fields, what is wrong with what was typed, and what would happen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from aliquot.access.by import By
from aliquot.datasets.read import resolve
from aliquot.db.tables import dataset, tag, version
from aliquot.engine.control import find_run, newest_run
from aliquot.engine.parameters import as_text, read_form
from aliquot.engine.pipelines import Applied, current
from aliquot.engine.preview import Group, Intent, in_short, preview
from aliquot.engine.start import Order
from aliquot.lab.acts_run import require_readable
from aliquot.lab.starting import Wish
from aliquot.model.errors import AliquotError, Denied, Unseen
from aliquot.model.pipeline import Pipeline
from aliquot.model.reference import parse_reference
from aliquot.model.schedule import MOST_PRIORITY
from aliquot.model.seams import Executor
from aliquot.model.words import count

PARAMETER, INPUT = "p.", "in."
"""What the names of fields begin with."""
_VERSIONS = 20
_DATASETS = 200
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """A version that an input may be bound to: its reference, and what a person reads."""

    value: str
    label: str
    group: str


@dataclass(frozen=True, slots=True)
class InputField:
    """An input of the pipeline: `chosen` is the reference that was chosen, empty for the newest version."""

    name: str
    title: str
    dataset: str
    chosen: str
    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class PlanWords:
    """What a run would do: datums that are known, how many would run, `groups` why, and the first of them.

    `sentence` says all of it in one; `later` that more datums are known when these have run.
    """

    sentence: str
    datums: int
    would_run: int
    left_out: int
    later: bool
    groups: list[Group]
    intents: list[Intent]


@dataclass(frozen=True, slots=True)
class StartForm:
    """A form: `schema` gives the parameters' fields, `values` what stands in them, `problems` what is wrong by field.

    `once` names this form: sent twice, it starts one run. `refused` says why there is no plan.
    """

    pipeline: str
    title: str
    description: str
    project: str
    schema: dict[str, Any]
    values: dict[str, Any]
    inputs: list[InputField]
    publish: bool
    priority: str
    publishes: list[str]
    problems: dict[str, str]
    refused: str
    plan: PlanWords | None
    sent: dict[str, str]
    once: str


@dataclass(slots=True)
class Typed:
    """What was typed, read: the wish, and what is wrong by field."""

    wish: Wish
    problems: dict[str, str] = field(default_factory=dict[str, str])


def start_form(
    connection: Connection, by: By, name: str, sent: Mapping[str, str], executor_for: Callable[[str | None], Executor],
    *, plan: bool, refused: str = "",
) -> StartForm:  # fmt: skip
    """Make the form of a pipeline with what was typed into it; with `plan`, say what the run would do."""
    applied = current(connection, name)
    pipeline = applied.pipeline
    typed = read_typed(connection, by, applied, sent) if plan else Typed(Wish(name))
    shown = None
    if plan and not typed.problems and not refused:
        try:
            order = Order(applied, typed.wish.parameters, typed.wish.inputs)
            shown = plan_words(preview(connection, order, executor_for, by.projects("run.read")))
        except (Denied, Unseen):
            raise
        except AliquotError as error:
            refused = error.message
    newest = newest_run(connection)
    return StartForm(
        pipeline=name, title=pipeline.title, description=pipeline.description,
        project=pipeline.project, schema=_schema(pipeline),
        values=_values(pipeline, sent, filled=plan), inputs=_inputs(connection, by, pipeline, sent),
        publish=sent.get("publish") == "true", priority=sent.get("priority", ""),
        publishes=sorted({each.publish for each in pipeline.outputs.values() if each.publish}),
        problems=typed.problems, refused=refused, plan=shown,
        sent={each: value for each, value in sent.items() if _is_field(each) and value != ""}, once=str(newest),
    )  # fmt: skip


def read_typed(connection: Connection, by: By, applied: Applied, sent: Mapping[str, str]) -> Typed:
    """Read a form that was sent; inputs that the person may not read are refused."""
    pipeline, problems = applied.pipeline, dict[str, str]()
    texts = {each.removeprefix(PARAMETER): text for each, text in sent.items() if each.startswith(PARAMETER)}
    for each, schema in pipeline.parameters.items():
        if schema.get("type") == "boolean" and not schema.get("enum"):
            # A box that is not ticked is not sent.
            texts.setdefault(each, "false")
    values, wrong = read_form(pipeline, texts)
    problems |= {f"{PARAMETER}{each}": text for each, text in wrong.items()}
    inputs: dict[str, str] = {}
    for each in pipeline.inputs:
        reference = sent.get(f"{INPUT}{each}", "").strip()
        if not reference:
            require_readable(connection, by, pipeline.inputs[each].dataset)
            continue
        try:
            require_readable(connection, by, reference)
            resolve(connection, parse_reference(reference))
            inputs[each] = reference
        except (Denied, Unseen):
            raise
        except AliquotError as error:
            problems[f"{INPUT}{each}"] = error.message
    priority, given = None, sent.get("priority", "").strip()
    if given:
        if given.removeprefix("-").isdecimal() and abs(int(given[:10])) <= MOST_PRIORITY:
            priority = int(given)
        else:
            problems["priority"] = f"A whole number between -{MOST_PRIORITY} and {MOST_PRIORITY}."
    wish = Wish(pipeline.pipeline, values, inputs, publish=sent.get("publish") == "true", priority=priority)
    return Typed(wish, problems)


def fields_of_run(connection: Connection, number: int) -> dict[str, str]:
    """Give the fields as a run had them, to start another like it with something changed."""
    row = find_run(connection, number)
    sent = {f"{PARAMETER}{name}": as_text(value) for name, value in row.parameters.items()}
    return sent | {f"{INPUT}{name}": f"{of}@{at}" for name, (of, at) in row.inputs.items() if at}


def plan_words(intents: Sequence[Intent]) -> PlanWords:
    """Say a plan in words, what would run first."""
    known = [each for each in intents if each.datum]
    would = sum(each.action == "run" for each in known)
    left_out = sum(each.action == "leave out" for each in known)
    later, groups = len(known) < len(intents), in_short(intents)
    reasons = list(dict.fromkeys(each.reason for each in groups if each.action == "run"))
    sentence = f"{count(len(known), 'datum', 'datums')}, {would:,} would run"
    sentence += f", because {'; or '.join(reasons[:3])}" if reasons else ""
    sentence += f"; {left_out:,} left out" if left_out else ""
    sentence += "; more are known when those have run" if later else ""
    shown = sorted(known, key=lambda each: each.action != "run")[:_SHOWN]
    return PlanWords(f"{sentence}.", len(known), would, left_out, later, groups, shown)


def _is_field(name: str) -> bool:
    return name.startswith((PARAMETER, INPUT)) or name in {"publish", "priority"}


def _schema(pipeline: Pipeline) -> dict[str, Any]:
    properties = {
        f"{PARAMETER}{name}": {**schema, "title": schema.get("title", name), "description": _hint(schema)}
        for name, schema in pipeline.parameters.items()
    }
    needed = [f"{PARAMETER}{name}" for name, schema in pipeline.parameters.items() if "default" not in schema]
    return {"type": "object", "properties": properties, "required": needed}


def _hint(schema: Mapping[str, Any]) -> str:
    """Say what a parameter is for, between which values it lies, and what it is when nobody says."""
    said = str(schema.get("description", "")).strip()
    words = [said if said[-1:] in ".!?" else f"{said}."] if said else []
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        words.append(f"From {least:,} to {most:,}.")
    elif least is not None or most is not None:
        words.append(f"At least {least:,}." if least is not None else f"At most {most:,}.")
    if schema.get("default") not in (None, "") and schema.get("type") != "boolean":
        words.append(f"Default: {schema['default']}.")
    return " ".join(words)


def _values(pipeline: Pipeline, sent: Mapping[str, str], *, filled: bool) -> dict[str, Any]:
    values: dict[str, Any] = {name: text for name, text in sent.items() if name.startswith(PARAMETER)}
    if filled:
        for name, schema in pipeline.parameters.items():
            if schema.get("type") == "boolean":
                values.setdefault(f"{PARAMETER}{name}", False)
    return values


def _inputs(connection: Connection, by: By, pipeline: Pipeline, sent: Mapping[str, str]) -> list[InputField]:
    others = _newest(connection, by) if pipeline.inputs else []
    fields: list[InputField] = []
    for name, given in pipeline.inputs.items():
        chosen = sent.get(f"{INPUT}{name}", "")
        choices = _versions(connection, given.dataset) if _readable(connection, by, given.dataset) else []
        choices += [each for each in others if each.label != given.dataset]
        if chosen and chosen not in {each.value for each in choices}:
            choices.insert(0, Choice(chosen, chosen, "Chosen"))
        fields.append(InputField(name, given.title or name, given.dataset, chosen, choices))
    return fields


def _readable(connection: Connection, by: By, name: str) -> bool:
    project = connection.execute(select(dataset.c.project).where(dataset.c.name == name)).scalar()
    return project is not None and by.may("dataset.read", project)


def _versions(connection: Connection, name: str) -> list[Choice]:
    query = (
        select(version.c.number, version.c.files, dataset.c.id)
        .join(dataset, dataset.c.id == version.c.dataset_id)
        .where(dataset.c.name == name)
        .order_by(version.c.number.desc())
        .limit(_VERSIONS)
    )
    rows = connection.execute(query).all()
    tags: dict[int, list[str]] = {}
    for row in connection.execute(select(tag).where(tag.c.dataset_id == rows[0].id)) if rows else ():
        tags.setdefault(row.number, []).append(row.name)
    return [
        Choice(f"{name}@{each.number}", _label(name, each.number, each.files, tags.get(each.number, ())), name)
        for each in rows
    ]


def _label(name: str, number: int, files: int, tags: Sequence[str]) -> str:
    return f"{name}@{number} ({count(files, 'file')})" + (f" · {', '.join(tags)}" if tags else "")


def _newest(connection: Connection, by: By) -> list[Choice]:
    query = select(dataset.c.name, dataset.c.head).where(dataset.c.head > 0).order_by(dataset.c.name).limit(_DATASETS)
    projects = by.projects("dataset.read")
    if projects is not None:
        query = query.where(dataset.c.project.in_(projects))
    return [Choice(f"{row.name}@{row.head}", row.name, "Other datasets, newest") for row in connection.execute(query)]
