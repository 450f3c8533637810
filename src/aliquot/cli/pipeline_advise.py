"""`aliquot pipeline advise`: what the tasks of each step needed, and whether what they ask for fits."""

from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import heading, line, print_json, say, table
from aliquot.cli.text import size, span
from aliquot.engine.advise import Advice, Spread
from aliquot.engine.advise import advise as read_advice
from aliquot.remote import pipelines as afar


def advise(name: Annotated[str, Parameter(name="PIPELINE")], /, *, options: Options = OPTIONS) -> None:
    """Say what the tasks of each step needed, and which requests are far too high or too low.

    Parameters
    ----------
    name
        The pipeline.
    """
    found = options.read(lambda connection: read_advice(connection, name), lambda client: afar.advice(client, name))
    if options.json:
        print_json([each.document() for each in found])
        return
    rows = [row for each in found for row in _rows(each)]
    table(("step", "of", ">n", ">median", ">95 of 100", ">most"), rows, empty="No task of it has succeeded yet.")
    told = [each for each in found if each.says]
    if not told:
        say("Nothing that its steps ask for is far off." if rows else "Run it first, then ask again.")
        return
    heading("What to write")
    for each in told:
        line(f"{each.step}: {'; '.join(each.says)}")
        if each.line:
            line(f"    {each.line}", "bold")


def _rows(advice: Advice) -> list[tuple[str, str, int, str, str, str]]:
    rows: list[tuple[str, str, int, str, str, str]] = []

    def add(what: str, found: Spread | None, written: object) -> None:
        if found and callable(written):
            shown = [str(written(each)) for each in (found.median, found.p95, found.most)]
            rows.append((advice.step, what, found.n, shown[0], shown[1], shown[2]))

    add("memory", advice.memory, size)
    add("processors", advice.cpus, lambda amount: f"{amount:.1f}")
    add("time", advice.time, span)
    add("input", advice.input, size)
    return rows
