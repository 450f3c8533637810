"""What datasets there are, and how each came to be what it is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select

from aliquot.datasets.read import find_dataset
from aliquot.db.tables import dataset, tag, version


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """A dataset at its newest version: `head` is its number, 0 before the first; `bytes` is the sum of its files.

    Times are seconds since 1970 in UTC; `changed_at` is that of the newest version, or of the empty dataset.
    """

    name: str
    head: int
    files: int
    bytes: int
    parked: int
    created_at: float
    changed_at: float

    def document(self) -> dict[str, Any]:
        """Give the line as the values that `--json` and the API print."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version as the log tells it: what it added and removed, what it holds, why it is there, and its tags.

    `parked` counts the datums that are missing because they failed. Times are seconds since 1970 in UTC.
    """

    number: int
    digest: str
    parent: str
    provenance: Mapping[str, Any]
    added: int
    removed: int
    files: int
    bytes: int
    parked: int
    run_id: int | None
    created_at: float
    tags: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give the line as the values that `--json` and the API print."""
        return {**asdict(self), "tags": list(self.tags)}


def datasets(connection: Connection) -> list[DatasetLine]:
    """List the datasets by name, each at its newest version."""
    newest = and_(version.c.dataset_id == dataset.c.id, version.c.number == dataset.c.head)
    query = (
        select(
            dataset.c.name,
            dataset.c.head,
            dataset.c.created_at,
            version.c.files,
            version.c.bytes,
            version.c.parked,
            version.c.created_at.label("changed_at"),
        )
        .outerjoin(version, newest)
        .order_by(dataset.c.name)
    )
    return [
        DatasetLine(
            row.name,
            row.head,
            row.files or 0,
            row.bytes or 0,
            row.parked or 0,
            row.created_at,
            row.created_at if row.changed_at is None else row.changed_at,
        )
        for row in connection.execute(query)
    ]


def count_versions(connection: Connection, of: str) -> int:
    """Say how many versions a dataset has."""
    there = select(func.count()).select_from(version).where(version.c.dataset_id == find_dataset(connection, of).id)
    return connection.execute(there).scalar_one()


def log(connection: Connection, of: str, before: int | None = None, limit: int | None = None) -> list[VersionLine]:
    """List a dataset's versions, newest first; `before` a version number and `limit` give a page."""
    row = find_dataset(connection, of)
    named: dict[int, list[str]] = {}
    for each in connection.execute(select(tag).where(tag.c.dataset_id == row.id).order_by(tag.c.name)):
        named.setdefault(each.number, []).append(each.name)
    query = select(version).where(version.c.dataset_id == row.id).order_by(version.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(version.c.number < before)
    return [
        VersionLine(
            number=each.number,
            digest=each.digest,
            parent=each.parent,
            provenance=each.provenance,
            added=each.added,
            removed=each.removed,
            files=each.files,
            bytes=each.bytes,
            parked=each.parked,
            run_id=each.run_id,
            created_at=each.created_at,
            tags=tuple(named.get(each.number, ())),
        )
        for each in connection.execute(query)
    ]
