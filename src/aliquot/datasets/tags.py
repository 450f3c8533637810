"""Tags: names for versions that move only when somebody moves them, and leave a trace."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from aliquot.datasets.read import at, find_dataset
from aliquot.db import Catalogue
from aliquot.db.tables import dataset, tag, tag_move
from aliquot.model.errors import Invalid, Missing
from aliquot.model.reference import LATEST, require_name


@dataclass(frozen=True, slots=True)
class TagMove:
    """The trace of one move: from which version to which, None for none; `moved_at` in seconds since 1970."""

    name: str
    before: int | None
    after: int | None
    moved_at: float
    moved_by: str

    def document(self) -> dict[str, Any]:
        """Give the move as the values that `--json` and the API print."""
        return asdict(self)


def move_tag(
    catalogue: Catalogue,
    of: str,
    name: str,
    number: int | None,
    who: str,
    beside: Callable[[Connection, TagMove], None] | None = None,
) -> TagMove:
    """Put a tag of the dataset `of` on a version, or take it away with None; a tag that is there already stays.

    Names that would read as a version are `Invalid`; a version or tag that is not there is `Missing`. `beside` joins
    the transaction of a move.
    """
    require_name("tag", name)
    if name == LATEST or name.isdecimal():
        raise Invalid("tag-refused", f"{name!r} already means a version; choose a name with a letter.", tag=name)

    def work(connection: Connection) -> TagMove:
        # The dataset's row is the lock: of two moves at once, the second starts where the first has ended.
        connection.execute(select(dataset.c.id).where(dataset.c.name == of).with_for_update())
        row = find_dataset(connection, of)
        here = (tag.c.dataset_id == row.id) & (tag.c.name == name)
        before = connection.execute(select(tag.c.number).where(here)).scalar()
        moved = TagMove(name, before, number, time.time(), who)
        if number is None and before is None:
            raise Missing("tag-missing", f"{of} has no tag {name!r}.", dataset=of, tag=name)
        if number is not None and at(connection, row, number).number == 0:
            raise Missing("version-missing", f"{of} has no version yet that a tag could name.", dataset=of)
        if number == before:
            return moved
        if number is None:
            connection.execute(delete(tag).where(here))
        elif before is None:
            connection.execute(insert(tag).values(dataset_id=row.id, name=name, number=number))
        else:
            connection.execute(update(tag).where(here).values(number=number))
        connection.execute(insert(tag_move).values(dataset_id=row.id, **asdict(moved)))
        if beside:
            beside(connection, moved)
        return moved

    return catalogue.repeat(work)


def tags(connection: Connection, of: str) -> dict[str, int]:
    """List a dataset's tags: name to version number, in the order of names."""
    row = find_dataset(connection, of)
    query = select(tag.c.name, tag.c.number).where(tag.c.dataset_id == row.id).order_by(tag.c.name)
    return {each.name: each.number for each in connection.execute(query)}


def moves(connection: Connection, of: str, limit: int | None = None) -> list[TagMove]:
    """List the moves of a dataset's tags, newest first."""
    row = find_dataset(connection, of)
    query = select(tag_move).where(tag_move.c.dataset_id == row.id).order_by(tag_move.c.id.desc()).limit(limit)
    return [
        TagMove(each.name, each.before, each.after, each.moved_at, each.moved_by) for each in connection.execute(query)
    ]
