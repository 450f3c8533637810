"""Following a run of a lab on a server to its end, through restarts of that server."""

import time
from collections.abc import Callable

from aliquot.cli.output import STATE_STYLES, line, print_json, say, stderr
from aliquot.cli.progress import event, lines, under_way
from aliquot.cli.text import plain
from aliquot.lab.news import News, RunEnded
from aliquot.lab.run_detail import RunDetail
from aliquot.model.errors import Unavailable
from aliquot.model.state import ENDED, State
from aliquot.remote import runs as afar
from aliquot.remote.client import Client

_EVERY = 0.5
_PATIENCE = 300.0
"""Seconds for which a server that is away is waited for."""
_UNTOUCHED = 15.0
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
    with Live(console=console, auto_refresh=False, transient=True) as live:
        found = patiently(lambda: afar.detail(client, number), say)
        for each in lines(News(begun=(found.run,))):
            tell(each)
        while State(found.run.state) not in ENDED:
            if console.is_terminal and not silent:
                live.update(under_way(News(active=((found.run, tuple(found.steps)),))), refresh=True)
            if not told and found.run.state == State.QUEUED and time.monotonic() - begun > _UNTOUCHED:
                told = True
                say(f"Run {number} waits: see whether `aliquot up` does the work where the lab is.")
            time.sleep(_EVERY)
            found = patiently(lambda: afar.detail(client, number), say)
    for each in lines(News(ended=(RunEnded(found.run, tuple(found.steps)),))):
        tell(each)
    return found


def patiently(ask: Callable[[], RunDetail], tell: Callable[[str], None], seconds: float = _PATIENCE) -> RunDetail:
    """Ask again and again while the server is away, and say so once."""
    until, told = time.monotonic() + seconds, False
    while True:
        try:
            return ask()
        except Unavailable as error:
            if time.monotonic() > until:
                raise
            if not told:
                told = True
                tell(f"{plain(error.message)} It is tried again.")
            time.sleep(1.0)


def _nothing(_: object) -> None:
    pass
