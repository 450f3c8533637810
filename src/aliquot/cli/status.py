"""`aliquot status`: the lab at a glance."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import heading, line, print_json, say, table
from aliquot.cli.text import ago, count, plain, size
from aliquot.lab import Lab
from aliquot.lab.home import ActiveRun, Glance, Seen, glance, start_of_day
from aliquot.lab.hub_reader import advice
from aliquot.remote import status as afar

app = noun("status")


@app.default
def status(*, options: Options = OPTIONS) -> None:
    """Say what has arrived today, what runs, what is stuck, and what waits for a person."""
    today = start_of_day(time.time())
    found = options.ask(lambda lab: _glance(lab, today), lambda client: afar.glance(client, today))
    if options.json:
        print_json(asdict(found))
        return
    _show_figures(found)
    _show_running(found.active, found.active_total)
    _show_stuck(found)
    _show_waiting(found)
    if found.arrivals:
        heading("Arrived today")
        table(
            ("source", ">taken", ">refused", ">unchanged", "last", "when"),
            [
                (e.source, e.accepted, e.quarantined or "", e.unchanged or "", e.last_path, ago(e.last_at))
                for e in found.arrivals
            ],
            empty="",
        )
    if found.results:
        heading("Today's results")
        table(
            ("version", ">size", ">added", ">removed", ">missing", ">run", "when"),
            [
                (f"{e.dataset}@{e.number}", size(e.bytes), e.added, e.removed or "", e.parked or "", e.run or "",
                 ago(e.created_at))
                for e in found.results
            ],
            empty="",
        )  # fmt: skip
    for each in found.advice:
        say(plain(each))


def _glance(lab: Lab, since: float) -> Glance:
    with lab.catalogue.read() as connection:
        found = glance(connection, since, Seen(), lab.config.sources)
    return replace(found, advice=advice(lab))


def _show_figures(found: Glance) -> None:
    arrived = sum(each.accepted for each in found.arrivals)
    waits = "waits" if found.waiting_total == 1 else "wait"
    stuck = found.stuck_total + len(found.failed_loads) + len(found.troubles)
    line(
        f"{count(arrived, 'file')} taken in today, {count(found.active_total, 'run')} under way, {stuck:,} stuck, "
        f"{found.waiting_total:,} {waits} for a person."
    )
    if found.empty:
        say("Nothing has arrived yet: drop a file into the folder of a source, or `aliquot ingest DATASET FILE`.")


def _show_running(active: Sequence[ActiveRun], total: int) -> None:
    if not active:
        return
    heading("Running")
    table(
        (">run", "pipeline", "state", "steps", ">ended", ">of", "since"),
        [
            (each.run.run, each.run.pipeline, each.run.state, _steps(each), sum(e.ended for e in each.steps),
             sum(e.datums for e in each.steps), ago(each.run.created_at))
            for each in active
        ],
        empty="",
    )  # fmt: skip
    _say_more(total - len(active), "aliquot run list")


def _steps(active: ActiveRun) -> str:
    return ", ".join(each.step for each in active.steps if each.running) or "none"


def _show_stuck(found: Glance) -> None:
    if not (found.stuck or found.failed_loads or found.troubles):
        return
    heading("Stuck")
    if found.stuck:
        table(
            (">run", "pipeline", "state", ">parked", "when", ""),
            [
                (e.run, e.pipeline, e.state, e.parked or "", ago(e.ended_at or e.created_at), e.message)
                for e in found.stuck
            ],
            empty="",
        )
    _say_more(found.stuck_total - len(found.stuck), "aliquot run list")
    for each in found.failed_loads:
        line(f"Table {plain(each.table)} was not loaded by run {each.run}: {plain(each.message)}")
    for each in found.troubles:
        line(f"Source {plain(each.source)} cannot be looked at: {plain(each.problem)}")


def _show_waiting(found: Glance) -> None:
    if not found.waiting:
        return
    heading("Waits for a person")
    table(
        (">id", "file", "source", "meant for", ">findings", "arrived"),
        [(e.id, e.path, e.source, e.into or "", e.findings, ago(e.arrived_at)) for e in found.waiting],
        empty="",
    )
    _say_more(found.waiting_total - len(found.waiting), "aliquot quarantine list")


def _say_more(left_out: int, command: str) -> None:
    if left_out > 0:
        say(f"… and {left_out:,} more; `{command}` shows them.")
