"""`aliquot run`: runs, from their start to the reason of each task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Limit, Options, in_order, noun
from aliquot.cli.output import line, print_json, say, say_rest, table
from aliquot.cli.pairs import order_of
from aliquot.cli.run_compare import compare
from aliquot.cli.run_look import logs, outputs, show, why
from aliquot.cli.run_parked import parked, retry
from aliquot.cli.run_recompute import recompute
from aliquot.cli.run_steer import cancel, pause, priority, resume
from aliquot.cli.text import ago, plain, span
from aliquot.engine import control
from aliquot.engine.pipelines import current
from aliquot.lab import acts_run
from aliquot.lab.runs import RunLine, count_runs, runs
from aliquot.lab.unapplied import difference_from_applied
from aliquot.model.errors import Invalid
from aliquot.model.quantity import seconds
from aliquot.remote import runs as afar
from aliquot.remote.pipelines import applied as applied_there

app = noun("run")


@app.command
def start(
    pipeline: Annotated[str, Parameter(name="PIPELINE")],
    /,
    *,
    parameter: Annotated[list[str] | None, Parameter(name=("--parameter", "-p"), metavar="NAME=VALUE")] = None,
    input: Annotated[list[str] | None, Parameter(name="--input", metavar="NAME=REFERENCE")] = None,  # noqa: A002  # the option's name
    publish: bool = False,
    priority: int | None = None,
    deadline: str | None = None,
    wait: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Start a run.

    Parameters
    ----------
    pipeline
        An applied pipeline.
    parameter
        A parameter's value; may be repeated.
    input
        Another dataset or version for an input, like reads=uploads@3; may be repeated.
    publish
        Make the outputs the next versions of their datasets, and load tables.
    priority
        Tasks of runs with a higher number start first, from -1000 to 1000; by default the pipeline's own, or 0.
    deadline
        How long the run may take from its start, like 6h; it is ended when it takes longer.
    wait
        Do its work here and wait for its end; exits 1 unless it is COMPLETE with nothing parked.
    """
    if options.server:
        return _start_there(options, pipeline, parameter or (), input or (), publish, _limits(priority, deadline), wait)
    with options.open() as lab:
        with lab.catalogue.write() as connection:
            applied = current(connection, pipeline)
            order = order_of(applied, parameter or (), input or (), publish=publish, who=lab.who)
            number = acts_run.start(connection, lab.by, replace(order, **_limits(priority, deadline)))
        if differs := difference_from_applied(lab, applied):
            say(plain(differs))
        if wait:
            from aliquot.cli.wait import wait_for

            return wait_for(lab, number, as_json=options.json)
    _say_queued(number, pipeline, options)
    return 0


@app.command(name="list")
def list_runs(
    *, pipeline: str | None = None, state: str | None = None, limit: Limit = 20, options: Options = OPTIONS
) -> None:
    """List runs, newest first.

    Parameters
    ----------
    pipeline
        Only the runs of this pipeline.
    state
        Only the runs in this state, such as RUNNING.
    limit
        Runs at most; 20 by default.
    """
    found, there_are = options.read_page(
        limit,
        lambda connection: runs(connection, pipeline, state, limit),
        lambda connection: count_runs(connection, pipeline, state),
        lambda client: afar.runs(client, pipeline, state, limit),
    )
    if options.json:
        print_json([each.document() for each in found])
    else:
        table(
            (">run", "pipeline", "state", "started by", "created", "took", ">parked", ""),
            [_cells(each) for each in found],
            empty="There is no run like that." if pipeline or state else "There is no run yet.",
        )
    say_rest(len(found), there_are)


def _start_there(
    options: Options, pipeline: str, parameters: Sequence[str], inputs: Sequence[str], publish: bool,  # as typed
    limits: dict[str, Any], wait: bool,  # as typed
) -> int:  # fmt: skip
    with options.connect() as client:
        order = order_of(applied_there(client, pipeline), parameters, inputs, publish=publish)
        number = afar.start(client, pipeline, order.parameters, order.inputs, publish=publish, **limits)
        if wait:
            from aliquot.cli.follow import follow

            return follow(client, number, as_json=options.json)
    _say_queued(number, pipeline, options)
    return 0


def _say_queued(number: int, pipeline: str, options: Options) -> None:
    if options.json:
        print_json({"run": number, "state": "QUEUED"})
        return
    line(f"Run {number} of {pipeline} is queued.")
    say("`aliquot up` does its work, if it is not running already; or give --wait.")


def _limits(priority: int | None, deadline: str | None) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if priority is not None:
        control.require_priority(priority)
        limits["priority"] = priority
    if deadline is not None:
        try:
            limits["deadline"] = seconds(float(deadline) if deadline.isdecimal() else deadline)
        except ValueError as error:
            raise Invalid("deadline-refused", f"The deadline is refused: {error}.", deadline=deadline) from None
        if not limits["deadline"]:
            raise Invalid("deadline-refused", "A deadline of nothing would end the run at once.", deadline=deadline)
    return limits


def _cells(each: RunLine) -> tuple[Any, ...]:
    by = each.who if each.cause == "manual" else each.cause.replace("_", " ")
    took = span(each.ended_at - each.created_at) if each.ended_at else ""
    message = "" if each.state == "COMPLETE" else each.message
    return each.run, each.pipeline, each.state, by, ago(each.created_at), took, each.parked or "", message


for command in (cancel, pause, resume, priority, show, logs, outputs, why, compare, parked, retry, recompute):
    app.command(command)
in_order(app)
