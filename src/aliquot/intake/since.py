"""How far back a source goes when files lay there before it was set up."""

import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from aliquot.db import Catalogue
from aliquot.db.tables import source as table
from aliquot.intake.place import Place
from aliquot.intake.scan import File
from aliquot.model.errors import Invalid
from aliquot.model.lab_config import Source


class Since(NamedTuple):
    """What came before `at`, in nanoseconds since 1970, is passed over; of what came then or later, `passed`.

    That is by path and time and, of objects, by version: another may be put in its place within the same second, and
    the same content may come once more.
    """

    at: int = 0
    passed: Collection[tuple[str, str]] = ()

    def holds(self, file: File) -> bool:
        """Say whether a file came late enough."""
        return _came(file) >= self.at and not (self.passed and _mark(file) in self.passed)


def since_of(catalogue: Catalogue, name: str, source: Source, place: Place, *, keep: bool = True) -> Since:
    """Say how far back a source goes, and keep what was found out for the next time.

    A folder goes back to the beginning if it does not say otherwise. A bucket that holds objects already and does not
    say how far is `Invalid` (since-absent), since taking in years of files may not be what is meant.
    """
    if source.since == "all" or (source.since is None and not place.is_bucket):
        return Since()
    if source.since not in {None, "now"}:
        return Since(_nanoseconds(source.since or ""))
    with catalogue.read() as connection:
        row = connection.execute(select(table).where(table.c.name == name, table.c.watch == place.url)).first()
    if row is not None and (row.since_ns is not None or source.since is None):
        return Since(row.since_ns or 0, frozenset((path, mark) for path, mark in row.passed))
    found = _begin(name, source, place)
    if keep:
        _keep(catalogue, name, source, place, found)
    return found


def _begin(name: str, source: Source, place: Place) -> Since:
    """Look at what is there now; the place's own clock says what is old.

    A file from the future, when that clock was set wrong, is passed over by itself: else all that comes until then
    would count as old.
    """
    now = time.time_ns()
    newest, passed, ahead = 0, set[tuple[str, str]](), set[tuple[str, str]]()
    for page in place.pages(source.ignore, lambda _: None):
        if page and source.since is None:
            raise _how_far(name, place, page[0])
        for file in page:
            came = _came(file)
            if came > now:
                ahead.add(_mark(file))
                continue
            if came > newest:
                newest, passed = came, set()
            if came == newest:
                passed.add(_mark(file))
    return Since(newest, passed | ahead)


def _came(file: File) -> int:
    return file.changed_ns or file.mtime_ns


def _mark(file: File) -> tuple[str, str]:
    return file.path, f"{_came(file)} {file.version}".rstrip()


def _keep(catalogue: Catalogue, name: str, source: Source, place: Place, found: Since) -> None:
    def write(connection: Connection) -> None:
        at = found.at if source.since == "now" else None
        values = {"watch": place.url, "since_ns": at, "passed": sorted(map(list, found.passed))}
        if not connection.execute(update(table).where(table.c.name == name).values(values)).rowcount:
            connection.execute(insert(table).values(name=name, **values))

    catalogue.repeat(write)


def _how_far(name: str, place: Place, file: File) -> Invalid:
    sentence = (
        f"The source {name} watches {place.url}, which holds objects already (such as {file.path}). Say how far back "
        "to go, in the source's `since`: 'all' takes in all of them, 'now' only what comes from now on, and a date "
        "such as 2026-01-31 what has come since then."
    )
    return Invalid("since-absent", sentence, source=name, watch=place.url)


def _nanoseconds(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000) * 1000
