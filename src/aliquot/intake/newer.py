"""Newer files at the paths of what waits in quarantine: a release would put older bytes in their place."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select

from aliquot.db.rows import among, chunks
from aliquot.db.tables import dataset, entry, receipt, version


@dataclass(frozen=True, slots=True)
class Newer:
    """A file that a dataset accepted after the one in quarantine had come; `at` in seconds since 1970."""

    path: str
    dataset: str
    version: int
    at: float


class Waiting(NamedTuple):
    """What waits: its number, its source, the dataset it would enter (None: not known), and digests by path."""

    id: int
    source: str
    into: str | None
    files: Mapping[str, str]


def newer_files(connection: Connection, waiting: Collection[Waiting]) -> dict[int, Newer]:
    """Give the newest file that stands at a path of each of them; those without one are left out."""
    since = _arrivals(connection, [each.id for each in waiting])
    found: dict[int, Newer] = {}
    for each in waiting:
        for name in [each.into] if each.into else _datasets(connection, each):
            for one in _standing(connection, name, each.files, since.get(each.id, 0.0)):
                if each.id not in found or one.at > found[each.id].at:
                    found[each.id] = one
    return found


def _arrivals(connection: Connection, ids: Collection[int]) -> dict[int, float]:
    """Say when each of them came the last time."""
    found: dict[int, float] = {}
    for part in chunks(list(ids)):
        query = (
            select(receipt.c.quarantine_id, func.max(receipt.c.taken_at).label("at"))
            .where(receipt.c.quarantine_id.in_(part))
            .group_by(receipt.c.quarantine_id)
        )
        found |= {row.quarantine_id: row.at for row in connection.execute(query)}
    return found


def _datasets(connection: Connection, waiting: Waiting) -> list[str]:
    """Name the datasets that files of the same source and path have entered."""
    # What was delivered together is not known by its paths here: whether a file stands there is asked next.
    path = or_(among(connection, receipt.c.path, waiting.files), receipt.c.files.isnot(None))
    came = (receipt.c.source == waiting.source, path)
    query = select(receipt.c.dataset).distinct().where(*came, receipt.c.dataset.isnot(None))
    return [str(name) for name in connection.execute(query).scalars()]


def _standing(connection: Connection, name: str, files: Mapping[str, str], since: float) -> list[Newer]:
    # What came in the same moment is the other half of the same table.
    came = func.coalesce(receipt.c.taken_at, version.c.created_at)
    query = (
        select(entry.c.path, entry.c.digest, entry.c.added, version.c.created_at)
        .join(dataset, dataset.c.id == entry.c.dataset_id)
        .join(version, (version.c.dataset_id == entry.c.dataset_id) & (version.c.number == entry.c.added))
        .outerjoin(receipt, receipt.c.id == entry.c.receipt_id)
        .where(dataset.c.name == name, entry.c.removed.is_(None), came > since)
    )
    return [
        Newer(row.path, name, row.added, row.created_at)
        for row in connection.execute(query.where(among(connection, entry.c.path, files)))
        if row.digest != files[row.path]
    ]
