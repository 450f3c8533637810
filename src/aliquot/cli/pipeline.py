"""`aliquot pipeline`: what can be run, and what a run would do."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import facts, heading, line, print_json, say, table
from aliquot.cli.pairs import order_of
from aliquot.cli.pipeline_advise import advise
from aliquot.cli.text import ago, count, moment, plain
from aliquot.definitions.read import read_pipeline_file
from aliquot.engine.pipelines import Applied, all_current, current
from aliquot.engine.preview import Intent, in_short, preview
from aliquot.engine.triggers import next_due
from aliquot.lab import Lab
from aliquot.lab.pipeline_look import limit_words, trigger_words
from aliquot.lab.runs import RunLine, runs
from aliquot.lab.unapplied import difference_from_applied
from aliquot.model.pipeline import Pipeline

app = noun("pipeline")

_ROWS = 50


@app.command(name="list")
def list_pipelines(*, options: Options = OPTIONS) -> None:
    """List the pipelines that are applied."""

    def read(connection: Connection) -> list[tuple[Pipeline, RunLine | None]]:
        found = [applied.pipeline for applied in all_current(connection)]
        return [(each, next(iter(runs(connection, each.pipeline, limit=1)), None)) for each in found]

    found = options.read(read)
    if options.json:
        print_json(
            [
                {
                    "pipeline": pipeline.pipeline,
                    "title": pipeline.title,
                    "steps": list(pipeline.steps),
                    "trigger": trigger_words(pipeline),
                    "last_run": last.document() if last else None,
                }
                for pipeline, last in found
            ]
        )
        return
    table(
        ("pipeline", "title", ">steps", "starts", "last run", "state", ""),
        [
            (p.pipeline, p.title, len(p.steps), trigger_words(p), f"run {last.run}" if last else "",
             last.state if last else "", ago(last.created_at) if last else "")
            for p, last in found
        ],
        empty="No pipeline is applied; write one into pipelines/ and run `aliquot apply`.",
    )  # fmt: skip


@app.command
def show(name: Annotated[str, Parameter(name="NAME")], /, *, options: Options = OPTIONS) -> None:
    """Show a pipeline: parameters, inputs, steps, outputs, tables.

    Parameters
    ----------
    name
        The pipeline.
    """
    applied = options.read(lambda connection: current(connection, name))
    pipeline = applied.pipeline
    if options.json:
        document: dict[str, Any] = pipeline.model_dump(mode="json", by_alias=True, exclude_none=True)
        print_json({"digest": applied.digest, "bundle": applied.bundle, "definition": document})
        return
    facts(
        {
            "pipeline": pipeline.pipeline,
            "title": pipeline.title,
            "for": pipeline.description,
            "starts": trigger_words(pipeline),
            "next due": _next_due(pipeline),
            "limits": limit_words(pipeline),
            "definition": applied.digest,
        }
    )
    if pipeline.parameters:
        heading("Parameters")
        table(("name", "type", "default", ""), [_parameter(*each) for each in pipeline.parameters.items()], empty="")
    if pipeline.inputs:
        heading("Inputs")
        table(("name", "dataset"), [(n, each.dataset) for n, each in pipeline.inputs.items()], empty="")
    heading("Steps")
    rows = [
        (
            name,
            ", ".join(f"{each.from_}:{each.glob}" for each in step.inputs.values()),
            step.image or "",
            "ensure" if step.only_checks else step.python or _command(step.command),
        )
        for name, step in ((name, pipeline.steps[name]) for name in pipeline.order())
    ]
    columns = ("step", "takes", "image", "command")
    if not any(row[2] for row in rows):
        columns, rows = ("step", "takes", "command"), [(a, b, d) for a, b, _, d in rows]
    table(columns, rows, empty="")
    if pipeline.outputs:
        heading("Outputs")
        outputs = [(n, each.from_, each.publish or "") for n, each in pipeline.outputs.items()]
        table(("output", "of step", "published as"), outputs, empty="")
    if pipeline.tables:
        heading("Tables")
        tables = [(n, each.from_, each.glob, each.mode, ", ".join(each.key)) for n, each in pipeline.tables.items()]
        table(("table", "of step", "files", "mode", "key"), tables, empty="")


@app.command
def plan(
    what: Annotated[str, Parameter(name="NAME|FILE")],
    /,
    *,
    parameter: Annotated[list[str] | None, Parameter(name=("--parameter", "-p"), metavar="NAME=VALUE")] = None,
    input: Annotated[list[str] | None, Parameter(name="--input", metavar="NAME=REFERENCE")] = None,  # noqa: A002  # the option's name
    all: Annotated[bool, Parameter(name="--all")] = False,  # noqa: A002  # the option's name
    options: Options = OPTIONS,
) -> None:
    """List the datums of a pipeline, and say of each whether it would run and why; runs nothing.

    Parameters
    ----------
    what
        An applied pipeline, or a pipeline's file, which need not be applied.
    parameter
        A parameter's value; may be repeated.
    input
        Another dataset or version for an input; may be repeated.
    all
        Show every datum, not the first 50.
    """
    with options.open() as lab:
        applied = _named(lab, what)
        if applied.id and (differs := difference_from_applied(lab, applied)):
            say(plain(differs))
        order = order_of(applied, parameter or (), input or ())
        with lab.catalogue.read() as connection:
            intents = preview(connection, order, lab.executor_for)
    if options.json:
        print_json([each.document() for each in intents])
        return
    _show_plan(intents, everything=all)


def _next_due(pipeline: Pipeline) -> str:
    schedule = pipeline.trigger.schedule
    at = next_due(schedule) if schedule else None
    return moment(at) if at is not None else ""


def _named(lab: Lab, what: str) -> Applied:
    path = Path(what)
    if path.suffix in {".yaml", ".yml"} or "/" in what:
        found = read_pipeline_file(path.absolute(), lab.folder)
        return Applied(0, found.digest, found.model, dict(found.bundle_digests))
    with lab.catalogue.read() as connection:
        return current(connection, what)


def _show_plan(intents: list[Intent], *, everything: bool) -> None:
    known = [each for each in intents if each.datum]
    would = sum(each.action == "run" for each in known)
    left_out = sum(each.action == "leave out" for each in known)
    later = len(intents) - len(known)
    shown = intents
    if not everything and len(intents) > _ROWS:
        # What would run is what a person wants to see first.
        shown = sorted(intents, key=lambda each: each.action != "run")[:_ROWS]
    several = {each.step for each in shown if len(each.parts) > 1}
    table(
        ("step", "datum", "captured", "would", "because"),
        [(each.step, *_datum(each, several=each.step in several), each.action, each.reason) for each in shown],
        empty="The pipeline has no datum: its inputs hold nothing that its globs match.",
    )
    if len(shown) < len(intents):
        say(f"… and {len(intents) - len(shown):,} more; --all shows them.")
        heading("In short")
        groups = [(each.step, each.datums, each.action, each.reason) for each in in_short(intents)]
        table(("step", ">datums", "would", "because"), groups, empty="")
    more = f"; more are known when {'it has' if would == 1 else 'they have'} run" if later else ""
    out = f", {left_out:,} left out by when" if left_out else ""
    line(f"\n{count(len(known), 'datum', 'datums')}, {would:,} would run{out}{more}.")


def _datum(intent: Intent, *, several: bool) -> tuple[str, str]:
    """Write a datum and what it captured; the names of inputs are told where a step's datums may have several."""
    if not several:
        return intent.label, ""
    parts = ", ".join(f"{name} {what}" for name, what in intent.parts.items())
    return parts or intent.label, ", ".join(f"{name}={value}" for name, value in intent.captures.items())


def _parameter(name: str, schema: dict[str, Any]) -> tuple[str, str, str, str]:
    kind = schema.get("type", "")
    default = "" if "default" not in schema else str(schema["default"])
    return name, kind if isinstance(kind, str) else "", default, str(schema.get("title", ""))


def _command(command: str | list[str]) -> str:
    return plain(command if isinstance(command, str) else " ".join(command))


app.command(advise)
in_order(app)
