"""The lab at a glance: what arrives, what runs, what is stuck, what waits for a person, and what came of today."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, Table, func, select, true

from aliquot.db.intake_tables import source as look
from aliquot.db.tables import dataset, load, quarantine, receipt, run, version
from aliquot.intake.wanted import of_projects
from aliquot.lab.runs import RunLine, StepLine, run_line, steps
from aliquot.model.lab_config import Source
from aliquot.model.state import ACTIVE, State

_ARRIVALS = 8
_RUNS = 8
_HELD = 5
_RESULTS = 12


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What one source has brought since a time, by decision; `last_path` arrived last, at `last_at`."""

    source: str
    accepted: int
    quarantined: int
    unchanged: int
    last_path: str
    last_at: float


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run under way, with how its tasks stand by step."""

    run: RunLine
    steps: list[StepLine]


@dataclass(frozen=True, slots=True)
class HeldFileLine:
    """A file that waits for a person's decision; `findings` counts what is wrong with it."""

    id: int
    source: str
    path: str
    into: str | None
    findings: int
    arrived_at: float


@dataclass(frozen=True, slots=True)
class FailedLoad:
    """A load into the hub that failed, and that no later one has made good."""

    run: int
    table: str
    message: str


@dataclass(frozen=True, slots=True)
class SourceTrouble:
    """A source that could not be looked at the last time, at `looked_at`, and why."""

    source: str
    problem: str
    looked_at: float


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A version that was committed: the run that made it, or None where files came in; sizes in bytes."""

    dataset: str
    number: int
    run: int | None
    added: int
    removed: int
    bytes: int
    parked: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Glance:
    """The lab at one moment. `since` is when "today" began; times are seconds since 1970 in UTC."""

    since: float
    arrivals: list[Arrivals]
    active: list[ActiveRun]
    active_total: int
    stuck: list[RunLine]
    stuck_total: int
    waiting: list[HeldFileLine]
    waiting_total: int
    failed_loads: list[FailedLoad]
    troubles: list[SourceTrouble]
    results: list[ResultLine]
    empty: bool
    """Whether nothing has ever arrived or run."""
    advice: list[str] = field(default_factory=list[str])
    """What an administrator should do about the lab's settings."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Of which projects somebody may see runs, receipts, quarantine and datasets; None: of all."""

    runs: Collection[str] | None = None
    receipts: Collection[str] | None = None
    quarantine: Collection[str] | None = None
    datasets: Collection[str] | None = None


def start_of_day(now: float) -> float:
    """Give when the day of a time began, in the zone of this machine."""
    return datetime.fromtimestamp(now).astimezone().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def glance(connection: Connection, since: float, seen: Seen, sources: Mapping[str, Source]) -> Glance:
    """Look at what somebody may see of the lab, which has these sources; "today" begins at `since`."""
    mine = _of(run.c.project, seen.runs)
    moving = run.c.state.in_([each for each in ACTIVE if each != State.PAUSED]) & mine
    # Stuck is what does not go on by itself: held runs, and those of today that failed or have parked something.
    ended_badly = (run.c.ended_at >= since) & (
        run.c.state.in_([State.EXECUTOR_ERROR, State.SYSTEM_ERROR]) | (run.c.parked > 0)
    )
    stuck = ((run.c.state == State.PAUSED) | ended_badly) & mine
    held_for_me = (quarantine.c.state == "WAITING") & _of(quarantine.c.project, seen.quarantine)
    active = connection.execute(select(run).where(moving).order_by(run.c.id.desc()).limit(_RUNS)).all()
    held = connection.execute(select(run).where(stuck).order_by(run.c.id.desc()).limit(_RUNS)).all()
    arrivals, results = _arrivals(connection, since, seen.receipts), _results(connection, since, seen)
    waiting = _waiting(connection, held_for_me)
    return Glance(
        since=since,
        arrivals=arrivals,
        active=[ActiveRun(run_line(row), steps(connection, row.id)) for row in active],
        active_total=_count(connection, run, moving),
        stuck=[run_line(row) for row in held],
        stuck_total=_count(connection, run, stuck),
        waiting=waiting,
        waiting_total=_count(connection, quarantine, held_for_me),
        failed_loads=_failed_loads(connection, mine),
        troubles=_troubles(connection, sources, seen.receipts),
        results=results,
        empty=not (arrivals or active or held or results or waiting or _anything(connection, seen)),
    )


def _arrivals(connection: Connection, since: float, projects: Collection[str] | None) -> list[Arrivals]:
    # Receipts are written in the order in which they are taken: today's are those after the last of before.
    before = select(receipt.c.id).where(receipt.c.taken_at < since).order_by(receipt.c.id.desc()).limit(1)
    first = connection.execute(before).scalar() or 0
    # No column of an index, which SQLite would walk from end to end to have the groups in order.
    source = receipt.c.source + ""
    query = (
        select(
            source.label("source"), receipt.c.decision, func.count().label("n"), func.max(receipt.c.id).label("last")
        )
        .where(receipt.c.id > first, _receipts_of(projects))
        .group_by(source, receipt.c.decision)
    )  # fmt: skip
    counts: dict[str, dict[str, int]] = {}
    last: dict[str, int] = {}
    for row in connection.execute(query):
        counts.setdefault(row.source, {})[row.decision] = row.n
        last[row.source] = max(last.get(row.source, 0), row.last)
    newest = {row.id: row for row in connection.execute(select(receipt).where(receipt.c.id.in_(last.values())))}
    ordered = sorted(last.items(), key=lambda pair: -pair[1])[:_ARRIVALS]
    return [
        Arrivals(
            source=source,
            accepted=sum(counts[source].get(each, 0) for each in ("accepted", "released")),
            quarantined=sum(counts[source].get(each, 0) for each in ("quarantined", "rejected")),
            unchanged=counts[source].get("unchanged", 0),
            last_path=newest[number].path,
            last_at=newest[number].taken_at,
        )
        for source, number in ordered
    ]


def _waiting(connection: Connection, condition: ColumnElement[bool]) -> list[HeldFileLine]:
    query = select(quarantine).where(condition).order_by(quarantine.c.arrived_at.desc()).limit(_HELD)
    return [
        HeldFileLine(row.id, row.source, row.path, row.into, sum(row.counts.values()), row.arrived_at)
        for row in connection.execute(query)
    ]


def _failed_loads(connection: Connection, mine: ColumnElement[bool]) -> list[FailedLoad]:
    newest = select(func.max(load.c.id)).group_by(load.c.table_name)
    failed = (
        select(load).join(run, run.c.id == load.c.run_id).where(load.c.state == "FAILED", load.c.id.in_(newest), mine)
    )
    query = failed.order_by(load.c.table_name)
    return [FailedLoad(row.run_id, row.table_name, row.message) for row in connection.execute(query)]


def _troubles(
    connection: Connection, sources: Mapping[str, Source], projects: Collection[str] | None
) -> list[SourceTrouble]:
    mine = {name for name, each in sources.items() if projects is None or each.project in projects}
    failed = select(look).where(look.c.problem != "").order_by(look.c.name)
    return [
        SourceTrouble(row.name, row.problem, row.looked_at) for row in connection.execute(failed) if row.name in mine
    ]


def _results(connection: Connection, since: float, seen: Seen) -> list[ResultLine]:
    query = (
        select(dataset.c.name, version)
        .join(dataset, dataset.c.id == version.c.dataset_id)
        .join(run, run.c.id == version.c.run_id)
        .where(version.c.created_at >= since, _of(dataset.c.project, seen.datasets), _of(run.c.project, seen.runs))
        .order_by(version.c.created_at.desc())
        .limit(_RESULTS)
    )
    return [
        ResultLine(row.name, row.number, row.run_id, row.added, row.removed, row.bytes, row.parked, row.created_at)
        for row in connection.execute(query)
    ]


def _of(column: Column[str], projects: Collection[str] | None) -> ColumnElement[bool]:
    return true() if projects is None else column.in_(projects)


def _receipts_of(projects: Collection[str] | None) -> ColumnElement[bool]:
    """Keep to arrivals in datasets, or in quarantine, of some projects."""
    return true() if projects is None else of_projects(projects)


def _count(connection: Connection, of: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(of).where(condition)).scalar_one()


def _anything(connection: Connection, seen: Seen) -> bool:
    mine = ((run, seen.runs), (dataset, seen.datasets))
    queries = [select(table.c.id).where(_of(table.c.project, projects)).limit(1) for table, projects in mine]
    return any(connection.execute(each).first() is not None for each in queries)
