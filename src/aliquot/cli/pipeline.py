"""`aliquot pipeline`: what can be run, and what a run would do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import facts, heading, line, print_json, say, table
from aliquot.cli.pairs import order_of
from aliquot.cli.pipeline_advise import advise
from aliquot.cli.text import ago, count, moment, plain
from aliquot.definitions.read import read_pipeline_file
from aliquot.engine.pipelines import Applied, current
from aliquot.engine.preview import Intent, in_short, preview
from aliquot.engine.triggers import next_due
from aliquot.lab import Lab
from aliquot.lab.pipeline_look import limit_words, pipeline_lines, trigger_words
from aliquot.lab.unapplied import difference_from_applied
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Pipeline
from aliquot.remote import pipelines as afar
from aliquot.remote.client import Client

app = noun("pipeline")

_ROWS = 50


@app.command(name="list")
def list_pipelines(*, options: Options = OPTIONS) -> None:
    """List the pipelines that are applied."""
    found = options.read(lambda connection: pipeline_lines(connection, None, None), afar.pipelines)
    if options.json:
        print_json(
            [
                {
                    "pipeline": each.pipeline,
                    "title": each.title,
                    "steps": each.step_names,
                    "trigger": each.starts,
                    "last_run": each.last_run.document() if each.last_run else None,
                }
                for each in found
            ]
        )
        return
    table(
        ("pipeline", "title", ">steps", "starts", "last run", "state", ""),
        [
            (e.pipeline, e.title, e.steps, e.starts, f"run {e.last_run.run}" if e.last_run else "",
             e.last_run.state if e.last_run else "", ago(e.last_run.created_at) if e.last_run else "")
            for e in found
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
    applied = options.read(lambda connection: current(connection, name), lambda client: afar.applied(client, name))
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
    intents = options.ask(
        lambda lab: _plan(lab, what, parameter or (), input or ()),
        lambda client: _plan_there(client, what, parameter or (), input or ()),
    )
    if options.json:
        print_json([each.document() for each in intents])
        return
    _show_plan(intents, everything=all)


def _plan(lab: Lab, what: str, parameters: Sequence[str], inputs: Sequence[str]) -> list[Intent]:
    applied = _named(lab, what)
    if applied.id and (differs := difference_from_applied(lab, applied)):
        say(plain(differs))
    order = order_of(applied, parameters, inputs)
    with lab.catalogue.read() as connection:
        return preview(connection, order, lab.executor_for)


def _plan_there(client: Client, what: str, parameters: Sequence[str], inputs: Sequence[str]) -> list[Intent]:
    if _is_file(what):
        words = f"{what} is a file, which a lab on a server does not see; name an applied pipeline."
        raise Invalid("server-not-here", words, file=what)
    order = order_of(afar.applied(client, what), parameters, inputs)
    return afar.plan(client, what, order.parameters, order.inputs)


def _is_file(what: str) -> bool:
    return Path(what).suffix in {".yaml", ".yml"} or "/" in what


def _next_due(pipeline: Pipeline) -> str:
    schedule = pipeline.trigger.schedule
    at = next_due(schedule) if schedule else None
    return moment(at) if at is not None else ""


def _named(lab: Lab, what: str) -> Applied:
    if _is_file(what):
        found = read_pipeline_file(Path(what).absolute(), lab.folder)
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
