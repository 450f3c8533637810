"""Holding the catalogue's rows of files against the delta that a version has stored."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select

from aliquot.datasets.delta import NewEntry
from aliquot.db import Catalogue
from aliquot.db.tables import entry

_PART = 500
_NAMED = 20

Changes = Iterable[NewEntry | str]


@dataclass(slots=True)
class Sums:
    """What a delta adds up to: files and bytes that come and go."""

    added: int = 0
    removed: int = 0
    replaced: int = 0
    bytes: int = 0


@dataclass(slots=True)
class WrongRows:
    """Paths whose rows are wrong, by what is wrong with them: the first twenty, and how many."""

    sentence: str
    paths: list[str] = field(default_factory=list[str])
    count: int = 0

    def note(self, path: str) -> None:
        """Note one path."""
        self.count += 1
        if len(self.paths) < _NAMED:
            self.paths.append(path)


class EntryReader:
    """Compares the rows that one version wrote with its delta, a part at a time."""

    def __init__(self, catalogue: Catalogue, dataset_id: int, number: int) -> None:
        self._catalogue = catalogue
        self._id = dataset_id
        self._number = number
        self.sums = Sums()
        self._lacking = WrongRows("The catalogue lacks rows of files that this version added.")
        self._differing = WrongRows("Rows of files have another digest or size than this version's delta.")
        self._lasting = WrongRows("Rows of files do not end with this version, which removed or replaced them.")
        self._extra = WrongRows("The catalogue has rows of files of which this version's delta does not know.")

    def read(self, changes: Changes) -> None:
        """Compare every change with its rows."""
        for part in _parts(changes):
            paths = [each if isinstance(each, str) else each.path for each in part]
            query = select(entry).where(
                entry.c.path.in_(paths),
                entry.c.added <= self._number,
                or_(entry.c.removed.is_(None), entry.c.removed >= self._number),
                self._here(),
            )
            fresh: dict[str, Row[Any]] = {}
            prior: dict[str, Row[Any]] = {}
            with self._catalogue.read() as connection:
                for row in connection.execute(query):
                    (fresh if row.added == self._number else prior)[row.path] = row
            for path, each in zip(paths, part, strict=True):
                self._compare(path, each, fresh.get(path), prior.get(path))

    def has_extra(self) -> bool:
        """Say whether there are rows of this version beside those that its delta explains."""
        with self._catalogue.read() as connection:
            added, ended = (
                connection.execute(select(func.count()).where(column == self._number, self._here())).scalar_one()
                for column in (entry.c.added, entry.c.removed)
            )
        expected = self.sums.added - self._lacking.count
        return added > expected or ended > self.sums.removed + self.sums.replaced - self._lasting.count

    def find_extra(self, changes: Changes) -> None:
        """Find those rows; holds the delta's paths in memory."""
        adds: set[str] = set()
        touched: set[str] = set()
        for each in changes:
            if isinstance(each, NewEntry):
                adds.add(each.path)
            touched.add(each if isinstance(each, str) else each.path)
        with self._catalogue.read() as connection:
            for column, explained in ((entry.c.added, adds), (entry.c.removed, touched)):
                query = select(entry.c.path).where(column == self._number, self._here()).order_by(entry.c.path)
                for path in connection.execute(query.execution_options(yield_per=_PART)).scalars():
                    if path not in explained:
                        self._extra.note(path)

    def wrong(self) -> list[WrongRows]:
        """Give what is wrong."""
        return [each for each in (self._lacking, self._differing, self._lasting, self._extra) if each.count]

    def _compare(self, path: str, each: NewEntry | str, fresh: Row[Any] | None, prior: Row[Any] | None) -> None:
        if prior is not None:
            self.sums.bytes -= prior.size
            if prior.removed != self._number:
                self._lasting.note(path)
        if isinstance(each, str):
            self.sums.removed += 1
            if prior is None:
                self._lasting.note(path)
            return
        self.sums.added += 1
        self.sums.replaced += prior is not None
        self.sums.bytes += each.size
        if fresh is None:
            self._lacking.note(path)
        elif (fresh.digest, fresh.size) != (each.digest, each.size):
            self._differing.note(path)

    def _here(self) -> ColumnElement[bool]:
        return entry.c.dataset_id == self._id


def _parts(changes: Changes) -> Iterator[Sequence[NewEntry | str]]:
    iterator = iter(changes)
    while part := list(islice(iterator, _PART)):
        yield part
