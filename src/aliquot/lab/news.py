"""What is going on in a lab: what has happened since the last look, and the runs that are under way."""

import time
from dataclasses import dataclass

from sqlalchemy import Column, Connection, func, select

from aliquot.db.tables import load, quarantine, receipt, run
from aliquot.lab.runs import RunLine, StepLine, run_line, steps
from aliquot.model.state import ACTIVE, ENDED


@dataclass(frozen=True, slots=True)
class Arrived:
    """Files of one source that were decided on alike: `path` is the last; `version` of `dataset`, if they entered."""

    source: str
    decision: str
    dataset: str | None
    version: int | None
    quarantine: int | None
    files: int
    path: str


@dataclass(frozen=True, slots=True)
class LoadEnded:
    """A load into the hub that has ended."""

    run: int
    table: str
    state: str
    rows: int
    message: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run that has ended, with its steps."""

    run: RunLine
    steps: tuple[StepLine, ...]


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: events in order of kind, and the runs under way with their steps."""

    arrived: tuple[Arrived, ...] = ()
    begun: tuple[RunLine, ...] = ()
    ended: tuple[RunEnded, ...] = ()
    loads: tuple[LoadEnded, ...] = ()
    active: tuple[tuple[RunLine, tuple[StepLine, ...]], ...] = ()


class Watch:
    """Looks at the catalogue again and again, and tells what is new; `only` keeps to one run."""

    def __init__(self, connection: Connection, only: int | None = None) -> None:
        self._only = only
        self._since = time.time()
        self._receipt = _highest(connection, receipt.c.id)
        self._run = _highest(connection, run.c.id) if only is None else only - 1
        self._told: set[tuple[str, int]] = set()

    def look(self, connection: Connection) -> News:
        """Tell what has happened since the look before."""
        return News(
            arrived=self._arrived(connection) if self._only is None else (),
            begun=self._begun(connection),
            ended=self._ended(connection),
            loads=self._loads(connection),
            active=self._active(connection),
        )

    def _arrived(self, connection: Connection) -> tuple[Arrived, ...]:
        newest = _highest(connection, receipt.c.id)
        groups = (receipt.c.source, receipt.c.decision, receipt.c.dataset, receipt.c.version, receipt.c.quarantine_id)
        query = (
            select(*groups, func.count().label("files"), func.max(receipt.c.path).label("path"))
            .where(receipt.c.id > self._receipt, receipt.c.id <= newest)
            .group_by(*groups)
            .order_by(func.min(receipt.c.id))
        )
        self._receipt = newest
        return tuple(Arrived(*row) for row in connection.execute(query))

    def _begun(self, connection: Connection) -> tuple[RunLine, ...]:
        query = select(run).where(run.c.id > self._run).order_by(run.c.id)
        if self._only is not None:
            query = query.where(run.c.id == self._only)
        found = tuple(run_line(row) for row in connection.execute(query))
        self._run = max((each.run for each in found), default=self._run)
        return found

    def _ended(self, connection: Connection) -> tuple[RunEnded, ...]:
        query = select(run).where(run.c.ended_at >= self._since, run.c.state.in_(list(ENDED))).order_by(run.c.ended_at)
        if self._only is not None:
            query = query.where(run.c.id == self._only)
        found = [run_line(row) for row in connection.execute(query) if self._fresh("run", row.id)]
        return tuple(RunEnded(each, tuple(steps(connection, each.run))) for each in found)

    def _loads(self, connection: Connection) -> tuple[LoadEnded, ...]:
        query = select(load).where(load.c.ended_at >= self._since).order_by(load.c.ended_at)
        if self._only is not None:
            query = query.where(load.c.run_id == self._only)
        return tuple(
            LoadEnded(row.run_id, row.table_name, row.state, row.rows or 0, row.message)
            for row in connection.execute(query)
            if self._fresh("load", row.id)
        )

    def _active(self, connection: Connection) -> tuple[tuple[RunLine, tuple[StepLine, ...]], ...]:
        query = select(run).where(run.c.state.in_(list(ACTIVE))).order_by(run.c.id)
        if self._only is not None:
            query = query.where(run.c.id == self._only)
        found = [run_line(row) for row in connection.execute(query)]
        return tuple((each, tuple(steps(connection, each.run))) for each in found)

    def _fresh(self, kind: str, number: int) -> bool:
        if (kind, number) in self._told:
            return False
        self._told.add((kind, number))
        return True


def waiting_in_quarantine(connection: Connection) -> int:
    """Count what waits in quarantine for a decision."""
    query = select(func.count()).select_from(quarantine).where(quarantine.c.state == "WAITING")
    return connection.execute(query).scalar_one()


def _highest(connection: Connection, column: Column[int]) -> int:
    return connection.execute(select(func.max(column))).scalar() or 0
