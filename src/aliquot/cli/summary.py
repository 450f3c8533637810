"""What a stretch of `aliquot up` has done, for a person."""

from itertools import islice

from aliquot.cli.output import heading, line, table
from aliquot.cli.text import plain
from aliquot.daemon import Summary
from aliquot.model.state import State

_MOST_WAITING = 5


def show_summary(summary: Summary) -> None:
    """Print what came in, which versions were made, and how runs and loads ended."""
    sources = [(name, each) for name, each in summary.sources.items()]
    if any(each.taken or each.quarantined or each.unchanged or each.problem or each.waiting for _, each in sources):
        heading("Arrivals")
        table(
            ("source", ">taken", ">unchanged", ">quarantined", ">waiting", ""),
            [
                (name, each.taken, each.unchanged or "", each.quarantined or "", len(each.waiting) or "", each.problem)
                for name, each in sources
            ],
            empty="",
        )
        for name, each in sources:
            for path, waits in islice(each.waiting.items(), _MOST_WAITING):
                line(f"  {plain(name)}: {plain(path)} {plain(waits.why)}", "dim")
            if len(each.waiting) > _MOST_WAITING:
                line(f"  {plain(name)}: … and {len(each.waiting) - _MOST_WAITING:,} more wait", "dim")
    if summary.versions:
        heading("Versions")
        line(", ".join(plain(each) for each in summary.versions))
    if summary.runs:
        heading("Runs")
        table(
            (">run", "pipeline", "state", ">ran", ">skipped", ">parked", ""),
            [
                (e.run, e.pipeline, e.state, e.ran or "", e.skipped or "", e.parked or "", e.message)
                for e in summary.runs
            ],
            empty="",
        )
    for held in summary.held_runs:
        advice = f"`aliquot run resume {held.run}` lets it go on" if held.state == State.PAUSED else held.message
        line(f"Run {held.run} of {plain(held.pipeline)} is {held.state}: {plain(advice)}", "yellow")
    if summary.loads:
        heading("Loads")
        table(
            (">run", "table", "state", ">rows", ""),
            [(e.run, e.table, e.state, e.rows, e.message) for e in summary.loads],
            empty="",
        )
    for each in summary.held_loads:
        how = "has failed; `aliquot hub load` does it again" if each.state == "FAILED" else "waits"
        line(f"The load of {plain(each.table)} (run {each.run}) {how}: {plain(each.message)}", "yellow")
    if summary.failed:
        line("\nNot everything went well: see above.", "yellow")
    elif not (summary.versions or summary.runs or summary.loads or any(e.taken for _, e in sources)):
        waits = any(each.waiting for _, each in sources)
        line("\nNothing was left to do but to wait." if waits else "\nNothing was left to do.")
