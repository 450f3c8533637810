"""`aliquot source`: where files come from."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import facts, heading, line, print_json, table
from aliquot.cli.text import ago, count, moment
from aliquot.lab import Lab
from aliquot.lab.source_states import SourceState, source_states
from aliquot.lab.sources import require_source, wake_now
from aliquot.remote import door as afar

app = noun("source")

_Name = Annotated[str, Parameter(name="SOURCE")]


@app.command(name="list")
def list_sources(*, options: Options = OPTIONS) -> None:
    """List the sources: how each stands, what came last, and what waits."""
    found = options.ask(_states, afar.sources)
    if options.json:
        print_json([asdict(each) for each in found])
        return
    rows = [
        (each.name, each.watch, ", ".join(each.into), ago(each.last_at) or "never", each.unsettled or "",
         each.waiting or "", each.stands)
        for each in found
    ]  # fmt: skip
    head = ("source", "looks at", "into", "last arrival", ">waiting", ">quarantine", "stands")
    table(head, rows, empty="There is no source; write one under `sources` in aliquot.yaml.")


@app.command
def show(name: _Name, /, *, options: Options = OPTIONS) -> None:
    """Show how a source stands, and the first files that wait there, each with the reason.

    Parameters
    ----------
    name
        Its name in aliquot.yaml.
    """
    found = options.ask(lambda lab: _state(lab, name), lambda client: afar.source(client, name))
    if options.json:
        print_json(asdict(found))
        return
    last = f"{found.last_path}, {found.last_decision}, {moment(found.last_at)}" if found.last_at else "nothing yet"
    looked = f"{moment(found.looked_at)}, {count(found.listed or 0, 'file')}" if found.looked_at else "none yet"
    often = f"at {found.schedule}" if found.schedule else f"every {found.interval:g} s at least"
    facts(
        {
            "source": found.name,
            "looks at": found.watch,
            "stands": found.stands,
            "problem": found.problem,
            "last look": looked,
            "looked at": often + (f", and when told by {found.told_by}" if found.told_by else ""),
            "into": ", ".join(found.into),
            "project": found.project,
            "last arrival": last,
            "in quarantine": found.waiting,
            "waiting": found.unsettled,
        }
    )
    if found.first_unsettled:
        heading("What waits")
        table(("file", "why"), [(each.path, each.why) for each in found.first_unsettled], empty="")


@app.command
def wake(name: _Name, /, *, options: Options = OPTIONS) -> None:
    """Have a source looked at now, by whichever `aliquot up` or `daemon` looks after the lab.

    Parameters
    ----------
    name
        Its name in aliquot.yaml.
    """
    options.ask(lambda lab: wake_now(lab, lab.by, name), lambda client: afar.wake(client, name))
    if options.json:
        print_json({"source": name, "woken": True})
        return
    line(f"{name} is looked at within a second.")


def _state(lab: Lab, name: str) -> SourceState:
    require_source(lab, name)
    return next(each for each in _states(lab) if each.name == name)


def _states(lab: Lab) -> list[SourceState]:
    with lab.catalogue.read() as connection:
        return source_states(connection, lab.sources)


in_order(app)
