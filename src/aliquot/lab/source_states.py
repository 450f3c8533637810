"""How the sources stand: what came last, what waits, and what keeps one from being looked at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from aliquot.db.intake_tables import source as known
from aliquot.db.tables import quarantine, receipt
from aliquot.intake.bucket_url import is_bucket
from aliquot.intake.interval import BUCKET, FOLDER
from aliquot.model.lab_config import Source

Stands = Literal["well", "out of reach", "not looked at"]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A file that has not settled, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source: where it looks, what came last and when (seconds since 1970), how many files wait in quarantine.

    `looked_at` and `listed` are of the last look at it, `problem` why that failed; None and empty where none is known.
    `unsettled` counts the files that had not settled then; `first_unsettled` are the first of them. `interval` is how
    many seconds there are between two looks at most; `schedule` when it is looked at alone, empty for always; `told_by`
    what wakes it beside events over HTTP.
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
    stands: Stands
    unsettled: int | None
    first_unsettled: list[Unsettled]
    interval: float
    schedule: str
    told_by: str


def source_states(
    connection: Connection, sources: Mapping[str, Source], projects: Collection[str] | None = None
) -> list[SourceState]:
    """List the sources of some projects by name; None: of all."""
    held = select(quarantine.c.source, func.count()).where(quarantine.c.state == "WAITING")
    waiting = {row[0]: row[1] for row in connection.execute(held.group_by(quarantine.c.source))}
    looks = {row.name: row for row in connection.execute(select(known))}
    chosen = {name: each for name, each in sorted(sources.items()) if projects is None or each.project in projects}
    return [_state(connection, name, each, waiting.get(name, 0), looks.get(name)) for name, each in chosen.items()]


def _state(connection: Connection, name: str, source: Source, waiting: int, look: Any) -> SourceState:
    newest = select(receipt).where(receipt.c.source == name).order_by(receipt.c.id.desc()).limit(1)
    last = connection.execute(newest).first()
    problem = look.problem if look else ""
    looked_at = look.looked_at if look else None
    return SourceState(
        name=name,
        watch=source.watch,
        project=source.project,
        into=sorted({rule.into for rule in source.accept}),
        last_path=last.path if last else None,
        last_decision=last.decision if last else None,
        last_at=last.seen_at if last else None,
        waiting=waiting,
        looked_at=looked_at,
        listed=look.listed if look else None,
        problem=problem,
        stands="not looked at" if looked_at is None else "out of reach" if look.listed is None else "well",
        unsettled=look.waits if look else None,
        first_unsettled=[Unsettled(each["path"], each["why"]) for each in (look.waiting or ())] if look else [],
        interval=source.interval or (BUCKET if is_bucket(source.watch) else FOLDER),
        schedule=f"{source.schedule.cron} {source.schedule.zone or ''}".strip() if source.schedule else "",
        told_by=_told_by(source),
    )


def _told_by(source: Source) -> str:
    if source.schedule:
        # Until its time comes it stays closed, whatever is told.
        return ""
    if source.wake:
        return source.wake.sqs or source.wake.azure_queue or ""
    return "" if is_bucket(source.watch) else "the file system"
