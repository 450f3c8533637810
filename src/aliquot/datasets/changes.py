"""What changed from one version of a dataset to another, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select, union_all

from aliquot.datasets.read import Version
from aliquot.db.tables import entry, version
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid

FEW = 5_000
"""Rows of changes that are read as a whole, and counted."""
_NEVER = 2**31 - 1
_NOT_THERE = (None, None)
Kind = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A path that differs: digests and sizes in bytes, None on the side where it is not there."""

    path: str
    kind: Kind
    before: Digest | None
    after: Digest | None
    size_before: int | None
    size_after: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of what differs, by path. `next` is the path after which it goes on, empty at the end.

    The counts are of all that differs; None where that is too much to be counted while somebody waits.
    """

    files: list[ChangedFile]
    added: int | None
    changed: int | None
    removed: int | None
    next: str


def changes(
    connection: Connection, before: Version, after: Version, start: str = "", limit: int = 200, few: int = FEW
) -> Changes:
    """List what `after` has changed against `before`, by path, from beyond `start`.

    Up to `few` rows are read as a whole; more are walked by path.
    """
    if before.dataset_id != after.dataset_id:
        sentence = f"{before} and {after} are not versions of one dataset; compare two of the same."
        raise Invalid("datasets-differ", sentence)
    low, high = sorted((before.number, after.number))
    of = version.c.dataset_id == after.dataset_id
    rows_between = select(func.coalesce(func.sum(version.c.added + version.c.removed), 0)).where(
        of, version.c.number > low, version.c.number <= high
    )
    if connection.execute(rows_between).scalar_one() > few:
        return _many(connection, before, after, start, limit)
    found = _differing(_read(connection, _few(after.dataset_id, low, high)), before.number, after.number)
    kinds = [each.kind for each in found]
    left = [each for each in found if each.path > start]
    more = left[limit - 1].path if len(left) > limit else ""
    return Changes(left[:limit], kinds.count("added"), kinds.count("changed"), kinds.count("removed"), more)


def _few(dataset_id: int, low: int, high: int) -> Select[Any]:
    here = entry.c.dataset_id == dataset_id
    # Each half reads its own index; a row that is in both is the same row twice.
    both = union_all(
        select(entry).where(here, entry.c.added > low, entry.c.added <= high),
        select(entry).where(here, entry.c.removed > low, entry.c.removed <= high),
    ).subquery()
    return select(both).order_by(both.c.path)


def _many(connection: Connection, before: Version, after: Version, start: str, limit: int) -> Changes:
    low, high = sorted((before.number, after.number))
    added, removed = func.coalesce(entry.c.added, 0), func.coalesce(entry.c.removed, _NEVER)
    moved = ((added > low) & (added <= high)) | ((removed > low) & (removed <= high))
    # Walked by path: among so many, those that differ are not far apart.
    paths = (
        select(entry.c.path)
        .distinct()
        .where(entry.c.dataset_id == after.dataset_id, entry.c.path > start, moved)
        .order_by(entry.c.path)
        .limit(limit + 1)
    )
    wanted = connection.execute(paths).scalars().all()
    if not wanted:
        return Changes([], None, None, None, "")
    shown = wanted[:limit]
    rows = (
        select(entry)
        .where(entry.c.dataset_id == after.dataset_id, entry.c.path >= shown[0], entry.c.path <= shown[-1], moved)
        .order_by(entry.c.path)
    )
    found = _differing(_read(connection, rows), before.number, after.number)
    return Changes(found, None, None, None, shown[-1] if len(wanted) > limit else "")


def _read(connection: Connection, query: Select[Any]) -> Sequence[Any]:
    return connection.execute(query).all()


def _differing(rows: Sequence[Any], before: int, after: int) -> list[ChangedFile]:
    sides: dict[str, dict[int, tuple[Digest | None, int | None]]] = {}
    for row in rows:
        for number in (before, after):
            if row.added <= number and (row.removed is None or row.removed > number):
                sides.setdefault(row.path, {})[number] = (Digest(row.digest), row.size)
    found: list[ChangedFile] = []
    for path, each in sides.items():
        (one, size), (other, other_size) = each.get(before, _NOT_THERE), each.get(after, _NOT_THERE)
        if one == other:
            continue
        kind: Kind = "added" if one is None else "removed" if other is None else "changed"
        found.append(ChangedFile(path, kind, one, other, size, other_size))
    return found
