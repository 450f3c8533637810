"""How the sources stand: what came last, what waits, and what keeps one from being looked at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from aliquot.db.intake_tables import source as known
from aliquot.db.tables import quarantine, receipt
from aliquot.model.lab_config import Source


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source: where it looks, what came last and when (seconds since 1970), how many files wait in quarantine.

    `looked_at` and `listed` are of the last look at it, `problem` why that failed; None and empty where none is known.
    """

    name: str
    watch: str
    project: str
    into: list[str]
    last_path: str | None
    last_decision: str | None
    last_at: float | None
    waiting: int
    looked_at: float | None
    listed: int | None
    problem: str


def source_states(
    connection: Connection, sources: Mapping[str, Source], projects: Collection[str] | None = None
) -> list[SourceState]:
    """List the sources of some projects by name; None: of all."""
    held = select(quarantine.c.source, func.count()).where(quarantine.c.state == "WAITING")
    waiting = {row[0]: row[1] for row in connection.execute(held.group_by(quarantine.c.source))}
    looks = {row.name: row for row in connection.execute(select(known))}
    found: list[SourceState] = []
    for name, each in sorted(sources.items()):
        if projects is not None and each.project not in projects:
            continue
        newest = select(receipt).where(receipt.c.source == name).order_by(receipt.c.id.desc()).limit(1)
        last, look = connection.execute(newest).first(), looks.get(name)
        found.append(
            SourceState(
                name=name,
                watch=each.watch,
                project=each.project,
                into=sorted({rule.into for rule in each.accept}),
                last_path=last.path if last else None,
                last_decision=last.decision if last else None,
                last_at=last.seen_at if last else None,
                waiting=waiting.get(name, 0),
                looked_at=look.looked_at if look else None,
                listed=look.listed if look else None,
                problem=look.problem if look else "",
            )
        )
    return found
