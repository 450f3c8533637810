"""Who has which queries under way, so that they can end them, whichever server runs them."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, select, update

from aliquot.db import Catalogue
from aliquot.db.rows import insert_missing
from aliquot.db.server_tables import query_end
from aliquot.model.errors import AliquotError

_LOOK = 1.0
"""Seconds between two looks at what was ended through another server."""

_lock = threading.Lock()
_under_way: dict[str, set["Asking"]] = {}


class Asking:
    """A query of somebody that is under way."""

    def __init__(self, catalogue: Catalogue, who: str) -> None:
        self._catalogue = catalogue
        self._who = who
        self._event = threading.Event()
        self._before = self._ends()
        self._looked = time.monotonic()

    def end(self) -> None:
        """Let it end."""
        self._event.set()

    @property
    def ended(self) -> bool:
        """Say whether its person has ended it, here or through another server."""
        if not self._event.is_set() and time.monotonic() - self._looked > _LOOK:
            self._looked = time.monotonic()
            try:
                if self._ends() != self._before:
                    self._event.set()
            except AliquotError:
                # A catalogue that is away for a moment ends no query: it is asked again in a second.
                return False
        return self._event.is_set()

    def _ends(self) -> int:
        with self._catalogue.read() as connection:
            return connection.execute(select(query_end.c.times).where(query_end.c.who == self._who)).scalar() or 0


@contextmanager
def asking(catalogue: Catalogue, who: str) -> Generator[Asking]:
    """Note a query of somebody for as long as this is open."""
    mine = Asking(catalogue, who)
    with _lock:
        _under_way.setdefault(who, set()).add(mine)
    try:
        yield mine
    finally:
        with _lock:
            several = _under_way[who]
            several.discard(mine)
            if not several:
                del _under_way[who]


def end_queries(catalogue: Catalogue, who: str) -> None:
    """End all queries of somebody: those of this process at once, those of other servers within a second or two."""

    def work(connection: Connection) -> None:
        insert_missing(connection, query_end, [{"who": who, "times": 0}])
        connection.execute(update(query_end).where(query_end.c.who == who).values(times=query_end.c.times + 1))

    catalogue.repeat(work)
    with _lock:
        mine = list(_under_way.get(who, ()))
    for each in mine:
        each.end()
