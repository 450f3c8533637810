"""Following a run of a lab on a server to its end, through restarts of that server."""

import time

from aliquot.cli.output import STATE_STYLES, line, print_json, say, stderr
from aliquot.cli.progress import event, lines, under_way
from aliquot.cli.text import plain
from aliquot.lab.news import News, RunEnded
from aliquot.lab.run_detail import RunDetail
from aliquot.model.state import ENDED, State
from aliquot.remote import events
from aliquot.remote.client import Client

_UNTOUCHED = 10.0
"""Seconds after which it is said that nobody does the run's work."""


def follow(client: Client, number: int, *, as_json: bool) -> int:
    """Wait until a run has ended; gives 0 when it is complete with nothing parked, else 1."""
    try:
        found = _watch(client, number, silent=as_json)
    except KeyboardInterrupt:
        say(f"Run {number} goes on where the lab is; `aliquot run cancel {number}` ends it.")
        raise
    run = found.run
    if as_json:
        print_json({**run.document(), "steps": [each.document() for each in found.steps]})
    else:
        because = f": {plain(run.message)}" if run.message else "."
        line(f"Run {number} is {run.state}{because}", STATE_STYLES.get(run.state, ""))
        if run.parked:
            say(f"What is parked and why: aliquot run parked {number}")
    return 0 if run.state == State.COMPLETE and not run.parked else 1


def _watch(client: Client, number: int, *, silent: bool) -> RunDetail:
    from rich.live import Live

    tell = _nothing if silent else event
    console, begun, told = stderr(), time.monotonic(), False
    found = None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for now in events.follow(client, number, lambda text: say(plain(text))):
            if found is None:
                for each in lines(News(begun=(now.run,))):
                    tell(each)
            found = now
            if State(found.run.state) in ENDED:
                break
            if console.is_terminal and not silent:
                live.update(under_way(News(active=((found.run, tuple(found.steps)),))), refresh=True)
            if not told and found.run.state == State.QUEUED and time.monotonic() - begun > _UNTOUCHED:
                told = True
                say(f"Run {number} waits: see whether `aliquot up` does the work where the lab is.")
    assert found is not None  # whoever follows a run hears of it once at least
    for each in lines(News(ended=(RunEnded(found.run, tuple(found.steps)),))):
        tell(each)
    return found


def _nothing(_: object) -> None:
    pass
