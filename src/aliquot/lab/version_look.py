"""A version as the command line shows it: how it came to be, its first files, and what is said of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from aliquot.datasets import history
from aliquot.datasets.history import VersionLine
from aliquot.datasets.read import Entry, Version, entries, one_entry, resolve
from aliquot.intake.receipts import said_of
from aliquot.model.digest import Digest
from aliquot.model.reference import Reference

FIRST = 11
"""Files that are looked at: one more than is shown, to know whether there are more."""


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A file in a version: its path with a leading `/`, digest, size in bytes, and the number of its receipt."""

    path: str
    digest: Digest
    size: int
    receipt_id: int | None = None


@dataclass(frozen=True, slots=True)
class VersionLook:
    """A version; `line` tells how it came to be, None before the first. `said` is by the numbers of receipts."""

    version: Version
    line: VersionLine | None
    first: list[EntryLine]
    said: dict[int, Mapping[str, Any]]


def version_look(connection: Connection, asked: Reference) -> VersionLook:
    """Look at what a reference names; a path in it that names nothing is `Missing`."""
    of = resolve(connection, asked)
    line = next(iter(history.log(connection, of.dataset, before=of.number + 1, limit=1)), None)
    first = list(islice(entries(connection, of, below=asked.path, limit=FIRST), FIRST))
    if asked.path and not first:
        one_entry(connection, of, asked.path)
    said = said_of(connection, [each.receipt_id for each in first if each.receipt_id is not None])
    return VersionLook(of, line, [line_of(each) for each in first], said)


def line_of(entry: Entry) -> EntryLine:
    """Give a file's row as a line."""
    return EntryLine(entry.path, entry.digest, entry.size, entry.receipt_id)
