"""A listing against the receipts: what has been taken in already, so that nothing is taken twice."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from aliquot.db import Catalogue
from aliquot.db.rows import among, chunks
from aliquot.db.tables import receipt
from aliquot.intake.scan import File

DESCRIBED = "described"
"""The decision on a file that is no data, and whose content says something of other files."""

TAKEN = frozenset({"accepted", "unchanged", "released", DESCRIBED})
"""Decisions after which a file with the same content needs no other."""

_AT_ONCE = 5_000

Key = tuple[str, int, int, str, str]
"""What a receipt of a source is known by: path, size in bytes, time of change, digest, object version."""


class Past(NamedTuple):
    """A receipt that a path has already."""

    id: int
    path: str
    size: int
    mtime_ns: int
    digest: str
    decision: str
    quarantine_id: int | None
    taken_at: float
    object_version: str
    changed_ns: int | None

    @property
    def key(self) -> Key:
        """Give what the receipt is known by."""
        return (self.path, self.size, self.mtime_ns, self.digest, self.object_version)

    def tells_of(self, file: File) -> bool:
        """Say whether a file is as it was then, as far as can be told without reading it."""
        return (self.size, self.mtime_ns, self.object_version) == (file.size, file.mtime_ns, file.version) and (
            self.changed_ns is None or self.changed_ns == file.changed_ns
        )


def taken(catalogue: Catalogue, source: str, files: Sequence[File]) -> set[File]:
    """Give those of the files whose path came last with their size and time of change.

    Older receipts of the path count for nothing: a file that was replaced and put back is an arrival.
    """
    with catalogue.read() as connection:
        before = pasts(connection, source, (file.path for file in files))
    return {file for file in files if any(past.tells_of(file) for past in newest(before.get(file.path, ())))}


def pasts(connection: Connection, source: str, paths: Iterable[str]) -> Mapping[str, list[Past]]:
    """Give the receipts of these paths, oldest first; a path without any is left out."""
    found: dict[str, list[Past]] = {}
    for row in sorted(_rows(connection, source, dict.fromkeys(paths)), key=lambda row: row.id):
        found.setdefault(row.path, []).append(row)
    return found


def newest(receipts: Sequence[Past]) -> list[Past]:
    """Keep those of a path's receipts that tell of its last arrival: of a table that was split there are two."""
    return [each for each in receipts if each.taken_at == receipts[-1].taken_at]


def one_at_a_time(connection: Connection, source: str) -> None:
    """Let nobody else write receipts of this source until the transaction ends."""
    # SQLite has one writer at any time.
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended('aliquot receipts ' || :source, 0))")
        connection.execute(lock, {"source": source})


def _rows(connection: Connection, source: str, paths: Collection[str]) -> Iterable[Past]:
    columns = (receipt.c.id, receipt.c.path, receipt.c.size, receipt.c.mtime_ns, receipt.c.digest, receipt.c.decision,
               receipt.c.quarantine_id, receipt.c.taken_at, receipt.c.object_version,
               receipt.c.changed_ns)  # fmt: skip
    query = select(*columns).where(receipt.c.source == source)
    for part in chunks(list(paths), _AT_ONCE):
        for row in connection.execute(query.where(among(connection, receipt.c.path, part))):
            yield Past(*row)
