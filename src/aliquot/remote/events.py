"""Following a run on a server by what it tells, through restarts of that server."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from aliquot.lab.run_detail import RunDetail
from aliquot.model.errors import Unavailable
from aliquot.model.state import ENDED, State
from aliquot.remote import runs
from aliquot.remote.client import Client

PATIENCE = 300.0
"""Seconds for which a server that is away is waited for."""
_SILENCE = 45.0
"""Seconds after which a stream is taken to be cut: the server says every fifteen that it is there."""
_AGAIN = 1.0


class Told(NamedTuple):
    """An event: its name, empty for a sign of life, and its id, empty where it has none."""

    name: str
    id: str


def follow(
    client: Client, number: int, tell: Callable[[str], None], *, patience: float = PATIENCE, until: float | None = None
) -> Iterator[RunDetail]:
    """Give how a run stands, again each time that it moves, and the last time when it has ended.

    What is known is given again at each sign of life. A server that is away is told once, by `tell`, and waited for,
    for `patience` seconds at most. It ends early `until` a time of the monotonic clock.
    """
    last, found, away, told = "", None, 0.0, False
    while until is None or time.monotonic() < until:
        try:
            with client.told(f"/events/runs/{number}", last, _patience(until)) as lines:
                for event in _events(lines):
                    away, told = 0.0, False
                    if event.name == "moved" or found is None:
                        found = runs.detail(client, number)
                    elif event.name == "away":
                        tell("The lab's catalogue is out of reach; it is tried again.")
                    # Heard of only when it has been looked at, too.
                    last = event.id or last
                    yield found
                    if State(found.run.state) in ENDED:
                        return
            raise Unavailable("server-unreachable", f"{client.origin} ended the stream of events.", url=client.origin)
        except Unavailable as error:
            now = time.monotonic()
            away = away or now
            if now - away > patience:
                raise
            # A stream that is cut and comes back at once, as behind some proxies, is nobody's concern.
            if not told and now > away and (until is None or now < until):
                told = True
                tell(f"{error.message} It is tried again.")
            time.sleep(min(_AGAIN, max(0.0, until - now) if until is not None else _AGAIN))


def _patience(until: float | None) -> float:
    return _SILENCE if until is None else max(0.05, min(_SILENCE, until - time.monotonic()))


def _events(lines: Iterator[str]) -> Iterator[Told]:
    """Read server-sent events; lines that say nothing but that somebody is there are given as well."""
    name = id_ = ""
    for line in lines:
        field, _, value = line.partition(":")
        if line.startswith(":"):
            yield Told("", "")
        elif field == "event":
            name = value.strip()
        elif field == "id":
            id_ = value.strip()
        elif not line and name:
            yield Told(name, id_)
            name = id_ = ""
