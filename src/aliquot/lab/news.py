"""What is going on in a lab: what has happened since the last look, and the runs that are under way."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select

from aliquot.db.rows import chunks
from aliquot.db.tables import load, receipt, run
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
    """Looks at the catalogue again and again, and tells what is new; `only` keeps to one run.

    A look costs what is new and what is under way, however much has happened before.
    """

    def __init__(self, connection: Connection, only: int | None = None) -> None:
        self._only = only
        self._receipt = _highest(connection, receipt.c.id)
        self._run = _highest(connection, run.c.id) if only is None else only - 1
        self._open = {row.id for row in connection.execute(self._active_runs())}
        waiting = select(load.c.run_id).where(load.c.state == "WAITING")
        self._loading = set(connection.execute(waiting).scalars()) if only is None else set[int]()
        self._loaded: set[int] = set()

    def look(self, connection: Connection, most: int = 0) -> News:
        """Tell what has happened since the look before, and show up to `most` runs under way with their steps."""
        return News(
            arrived=self._arrived(connection) if self._only is None else (),
            begun=self._begun(connection),
            ended=self._ended(connection),
            loads=self._loads(connection),
            active=self._active(connection, most) if most else (),
        )

    def _arrived(self, connection: Connection) -> tuple[Arrived, ...]:
        newest = _highest(connection, receipt.c.id)
        groups = (receipt.c.source, receipt.c.decision, receipt.c.dataset, receipt.c.version, receipt.c.quarantine_id)
        files = func.sum(func.coalesce(receipt.c.files, 1)).label("files")
        query = (
            select(*groups, files, func.max(receipt.c.path).label("path"))
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
        self._open.update(each.run for each in found)
        return found

    def _ended(self, connection: Connection) -> tuple[RunEnded, ...]:
        found: list[RunLine] = []
        for part in chunks(sorted(self._open)):
            query = select(run).where(run.c.id.in_(part), run.c.state.in_(list(ENDED))).order_by(run.c.ended_at)
            found += [run_line(row) for row in connection.execute(query)]
        ended = {each.run for each in found}
        self._open -= ended
        self._loading |= ended
        return tuple(RunEnded(each, tuple(steps(connection, each.run))) for each in found)

    def _loads(self, connection: Connection) -> tuple[LoadEnded, ...]:
        told: list[LoadEnded] = []
        waiting: set[int] = set()
        for part in chunks(sorted(self._loading)):
            for row in connection.execute(select(load).where(load.c.run_id.in_(part)).order_by(load.c.id)):
                if row.state == "WAITING":
                    waiting.add(row.run_id)
                elif row.id not in self._loaded:
                    self._loaded.add(row.id)
                    told.append(LoadEnded(row.run_id, row.table_name, row.state, row.rows or 0, row.message))
        self._loading = waiting
        return tuple(told)

    def _active(self, connection: Connection, most: int) -> tuple[tuple[RunLine, tuple[StepLine, ...]], ...]:
        found = [run_line(row) for row in connection.execute(self._active_runs())]
        return tuple(
            (each, tuple(steps(connection, each.run)) if position < most else ()) for position, each in enumerate(found)
        )

    def _active_runs(self) -> Select[*tuple[Any, ...]]:
        query = select(run).where(run.c.state.in_(list(ACTIVE))).order_by(run.c.id)
        return query if self._only is None else query.where(run.c.id == self._only)


def _highest(connection: Connection, column: Column[int]) -> int:
    return connection.execute(select(func.max(column))).scalar() or 0
