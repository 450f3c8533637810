"""The list of datasets, by name, filtered and in pages."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from aliquot.db.tables import dataset, tag, version


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """A dataset in a list: what its newest version holds and who made it; times are seconds since 1970 in UTC.

    `head` is the newest version's number, 0 before the first; `run` the run that made it, None where files came in;
    `tags` are those of all its versions, with their numbers.
    """

    name: str
    project: str
    head: int
    files: int
    bytes: int
    parked: int
    run: int | None
    provenance: Mapping[str, Any]
    created_at: float
    changed_at: float
    tags: dict[str, int]


def list_datasets(
    connection: Connection, part: str = "", projects: Collection[str] | None = None, after: str = "", limit: int = 50
) -> list[DatasetCard]:
    """List datasets by name from `after` on: those whose names hold `part`, of some projects; None: of all."""
    newest = and_(version.c.dataset_id == dataset.c.id, version.c.number == dataset.c.head)
    query = (
        select(
            dataset, version.c.files, version.c.bytes, version.c.parked, version.c.run_id, version.c.provenance,
            version.c.created_at.label("changed_at"),
        )
        .outerjoin(version, newest)
        .where(dataset.c.name > after)
        .order_by(dataset.c.name)
        .limit(limit)
    )  # fmt: skip
    if part:
        query = query.where(dataset.c.name.icontains(part, autoescape=True))
    if projects is not None:
        query = query.where(dataset.c.project.in_(projects))
    rows = connection.execute(query).all()
    tags: dict[int, dict[str, int]] = {}
    named = select(tag).where(tag.c.dataset_id.in_([row.id for row in rows])).order_by(tag.c.number.desc(), tag.c.name)
    for each in connection.execute(named):
        tags.setdefault(each.dataset_id, {})[each.name] = each.number
    return [
        DatasetCard(
            row.name, row.project, row.head, row.files or 0, row.bytes or 0, row.parked or 0, row.run_id,
            row.provenance or {}, row.created_at, row.created_at if row.changed_at is None else row.changed_at,
            tags.get(row.id, {}),
        )
        for row in rows
    ]  # fmt: skip
