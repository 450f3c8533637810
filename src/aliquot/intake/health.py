"""How a source does: when it was last looked at, how much lies there, what waits, and what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from aliquot.db import Catalogue
from aliquot.db.tables import source as table


@dataclass(frozen=True, slots=True)
class Health:
    """A source as the last look at it found it. Times in seconds since 1970; `problem` is empty when all is well.

    `waits` counts the files that had not settled, `waiting` are the first of them, each with `path` and `why`.
    """

    name: str
    watch: str
    looked_at: float | None
    listed: int | None
    problem: str
    waits: int | None = None
    waiting: Sequence[Mapping[str, str]] = ()


def note_health(catalogue: Catalogue, health: Health) -> None:
    """Write down how a source does."""

    def write(connection: Connection) -> None:
        values = {
            "looked_at": health.looked_at, "listed": health.listed, "problem": health.problem, "waits": health.waits,
            "waiting": [dict(each) for each in health.waiting],
        }  # fmt: skip
        if not connection.execute(update(table).where(table.c.name == health.name).values(values)).rowcount:
            # Where it looks is written by whoever finds out where it begins.
            connection.execute(insert(table).values(name=health.name, watch="", passed=[], **values))

    catalogue.repeat(write)


def health_of(connection: Connection) -> dict[str, Health]:
    """Give how each source does that has been looked at, by name."""
    query = select(table).where(table.c.looked_at.isnot(None))
    return {
        row.name: Health(row.name, row.watch, row.looked_at, row.listed, row.problem, row.waits, row.waiting or ())
        for row in connection.execute(query)
    }
