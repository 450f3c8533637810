"""Work on the quarantine: who shall decide, what was done, and what waits longest."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, cast, func, select, true, update

from aliquot.db.intake_tables import quarantine_event
from aliquot.db.tables import quarantine
from aliquot.intake.quarantine import Held, list_held, require_waiting, show
from aliquot.intake.receipts import note
from aliquot.model.errors import Invalid

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done about what waits, or waited before it in its place; `at` in seconds since 1970."""

    quarantine_id: int
    at: float
    who: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Age:
    """What waits from one source: how many, since when the oldest, how many for over a week, how many are nobody's."""

    source: str
    waiting: int
    oldest: float
    over_a_week: int
    unassigned: int


def assign(connection: Connection, id_: int, to: str | None, who: str, at: float | None = None) -> None:
    """Say who shall decide; None: nobody in particular. What has been decided already is `Conflict`."""
    if to is not None and not to.strip():
        raise Invalid("assignee-absent", "Say who shall decide about it.")
    held = show(connection, id_)
    require_waiting(held)
    connection.execute(update(quarantine).where(quarantine.c.id == id_).values(assigned_to=to))
    note(connection, id_, who, "assigned", f"to {to}" if to else "to nobody", time.time() if at is None else at)


def thread(connection: Connection, held: Held) -> list[Event]:
    """List what was done about it, and about what it replaces, oldest first."""
    ids = [held.id]
    before = held.replaces
    while before is not None and before not in ids:
        ids.append(before)
        before = connection.execute(select(quarantine.c.replaces).where(quarantine.c.id == before)).scalar()
    query = select(quarantine_event).where(quarantine_event.c.quarantine_id.in_(ids)).order_by(quarantine_event.c.id)
    return [Event(row.quarantine_id, row.at, row.who, row.what, row.text) for row in connection.execute(query)]


def replaced_by(connection: Connection, id_: int) -> int | None:
    """Give what waits, or waited, in its place."""
    return connection.execute(select(quarantine.c.id).where(quarantine.c.replaces == id_)).scalar()


def ages(connection: Connection, now: float, projects: Collection[str] | None = None) -> list[Age]:
    """Say for each source what waits and for how long, the oldest first; in some projects, None: in all."""
    old = func.sum(cast(quarantine.c.arrived_at < now - 7 * DAY, Integer))
    nobodys = func.count() - func.count(quarantine.c.assigned_to)
    oldest = func.min(quarantine.c.arrived_at)
    query = (
        select(quarantine.c.source, func.count(), oldest, old, nobodys)
        .where(quarantine.c.state == "WAITING", true() if projects is None else quarantine.c.project.in_(projects))
        .group_by(quarantine.c.source)
        .order_by(oldest)
    )
    return [Age(*row) for row in connection.execute(query)]


def longest(connection: Connection, limit: int, projects: Collection[str] | None = None) -> list[Held]:
    """List what waits longest, the oldest first."""
    return list_held(connection, oldest_first=True, limit=limit, projects=projects)
