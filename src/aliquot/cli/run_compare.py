"""`aliquot run compare`: what decided two runs, and what they gave, side by side."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import heading, line, print_json, say, table
from aliquot.cli.text import digest, moment, plain, plain_lines, span
from aliquot.engine.compare import Comparison
from aliquot.engine.compare_members import Members
from aliquot.engine.explain import PartDifference
from aliquot.lab.compare import RunComparison, compare_runs
from aliquot.lab.runs import RunLine
from aliquot.remote import runs as afar

_NAMES = 10


def compare(
    before: Annotated[int, Parameter(name="RUN")],
    after: Annotated[int, Parameter(name="OTHER")],
    /,
    *,
    options: Options = OPTIONS,
) -> None:
    """Compare two runs: parameters, inputs, code, images, datums and results.

    Parameters
    ----------
    before
        A run.
    after
        The run to compare it with, of the same pipeline or of another.
    """
    found = options.ask(
        lambda lab: compare_runs(lab, before, after), lambda client: afar.compare(client, before, after)
    )
    if options.json:
        print_json(found.document())
        return
    names = (f"run {before}", f"run {after}")
    table(("", *names), _runs(found.before, found.after), empty="", every_column=True)
    told = found.comparison
    _show_values("Parameters", names, told.parameters)
    _show_values("Inputs", names, told.inputs)
    _show_values("Images", names, told.images)
    _show_values("Environments", names, told.environments)
    _show_code(found)
    _show_members("Datums", "step", names, told.datums)
    _show_members("Results", "step", names, told.results)
    say(_verdict(told))


def _runs(before: RunLine, after: RunLine) -> list[tuple[str, Any, Any]]:
    def took(run: RunLine) -> str:
        return span(run.ended_at - run.started_at) if run.ended_at and run.started_at else ""

    rows: list[tuple[str, Any, Any]] = [
        ("pipeline", before.pipeline, after.pipeline),
        ("state", before.state, after.state),
        ("created", moment(before.created_at), moment(after.created_at)),
        ("took", took(before), took(after)),
        ("parked", before.parked, after.parked),
    ]
    return rows


def _show_values(title: str, names: tuple[str, str], differing: Sequence[PartDifference]) -> None:
    if differing:
        heading(title)
        table(("name", *names), [(d.part, _value(d.before), _value(d.after)) for d in differing], empty="")


def _show_code(found: RunComparison) -> None:
    for name, diff in found.diffs.items():
        heading("Definition" if name == "pipeline" else plain(name))
        for each in plain_lines(diff).rstrip("\n").split("\n"):
            style = "green" if each.startswith("+") else "red" if each.startswith("-") else ""
            line(each, "dim" if each.startswith("@@") else style)
    untold = [each for each in found.comparison.code if each.part not in found.diffs]
    _show_values("Bundled files", (f"run {found.before.run}", f"run {found.after.run}"), untold)


def _show_members(title: str, of: str, names: tuple[str, str], several: Sequence[Members]) -> None:
    heading(title)
    columns = (of, ">same", ">changed", *(f">only {name}" for name in names))
    rows = [(each.name, each.same, len(each.changed), len(each.only_before), len(each.only_after)) for each in several]
    table(columns, rows, empty="", every_column=True)
    for each in several:
        for sign, style, listed in (
            ("~", "yellow", each.changed),
            ("-", "red", each.only_before),
            ("+", "green", each.only_after),
        ):
            for name in listed[:_NAMES]:
                line(f"  {sign} {plain(each.name)}  {plain(name)}", style)
            if len(listed) > _NAMES:
                line(f"  {sign} … and {len(listed) - _NAMES:,} more; --json lists all", "dim")


def _value(value: Any) -> str:
    if value is None:
        return "(not there)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return digest(text)


def _verdict(told: Comparison) -> str:
    if told.equal:
        return "\nNothing differs: they were decided alike and gave the same."
    if all(each.equal for each in told.results):
        return "\nThey gave the same results."
    decided = {
        "parameters": told.parameters,
        "inputs": told.inputs,
        "images": told.images,
        "environments": told.environments,
        "scripts": told.code,
    }
    causes = [name for name, differing in decided.items() if differing]
    if told.definitions[0] != told.definitions[1] and not causes:
        causes = ["the definition"]
    because = f" What decided them differs in: {', '.join(causes)}." if causes else ""
    return f"\nTheir results differ.{because}"
