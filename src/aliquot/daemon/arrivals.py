"""The daemon's look at the sources: when to look, and what a look brought."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import func, select

from aliquot.daemon.source_hours import SourceHours
from aliquot.daemon.summary import SourceCount, Summary, Waits
from aliquot.db.tables import definition
from aliquot.intake.place import folder_of
from aliquot.intake.rivals import rivals_of
from aliquot.intake.source import NOTHING_APPLIED, Look, SourceIntake
from aliquot.intake.watch import Wake
from aliquot.lab import Lab
from aliquot.lab.definitions import file_types
from aliquot.model.errors import AliquotError

log: Any = structlog.get_logger()

_SOON = 0.005


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at every source: what each brought, and which could not be looked at and why."""

    looks: dict[str, Look] = field(default_factory=dict[str, Look])
    problems: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def moved(self) -> bool:
        """Say whether anything was taken in."""
        return any(each.taken.safe for each in self.looks.values())

    @property
    def next_at(self) -> float | None:
        """Say when something could settle by the clock alone, in its ticks."""
        return min((each.next_at for each in self.looks.values() if each.next_at is not None), default=None)


class Arrivals:
    """Looks at the sources of a lab: at once when woken, when something may settle, and else at an interval."""

    def __init__(self, lab: Lab, interval: float) -> None:
        self._lab = lab
        self._interval = interval
        self._sources: dict[str, SourceIntake] = {}
        self._version: object = None
        self._next = 0.0
        self._woken = threading.Event()
        folders = [folder for source in lab.sources.values() if (folder := folder_of(source, lab.folder))]
        self._wake = Wake(folders)
        self._hours = SourceHours(lab.catalogue, lab.sources)
        self._told: dict[str, str] = {}
        self.quiet = False
        """Whether the last look took nothing, and nothing will settle by waiting alone."""

    def due(self) -> bool:
        """Say whether it is time to look."""
        return self._woken.is_set() or time.monotonic() >= self._next

    def look(self) -> Pass:
        """Look at every source; one that cannot be looked at does not keep the others from it."""
        self._woken.clear()
        self._refresh()
        looks: dict[str, Look] = {}
        problems: dict[str, str] = {}
        for name in self._lab.sources:
            try:
                if not self._hours.is_open(name):
                    continue
                if name not in self._sources:
                    self._sources[name] = self._open(name)
                looks[name] = self._sources[name].look()
                self._hours.note(name, looks[name])
            except AliquotError as error:
                problems[name] = error.message
        return Pass(looks, problems)

    def note(self, done: Pass, summary: Summary, *, until_idle: bool) -> None:
        """Add what a look brought to the summary, and set the time of the next."""
        for name, look in done.looks.items():
            count = summary.sources.setdefault(name, SourceCount())
            count.taken += look.taken.added
            count.unchanged += look.taken.unchanged
            count.quarantined += len(look.taken.quarantined)
            count.waiting = {each.path: Waits(each.kind, each.why) for each in look.pending}
            count.problem = "; ".join(each.text for each in look.findings)
            if look.taken.safe:
                log.info(
                    "files arrived",
                    source=name,
                    added=look.taken.added,
                    unchanged=look.taken.unchanged or None,
                    quarantined=len(look.taken.quarantined) or None,
                )
        for name, problem in done.problems.items():
            summary.sources.setdefault(name, SourceCount()).problem = problem
            # Of a lab in which nothing is applied it is told once for all, by whoever keeps it up.
            if self._told.get(name) != problem and problem != NOTHING_APPLIED:
                log.warning("source is out of reach", source=name, reason=problem)
        self._told = dict(done.problems)
        self.quiet = not done.moved and done.next_at is None
        later = time.monotonic() + (_SOON if done.moved else self._interval)
        self._next = min(later, done.next_at + _SOON) if done.next_at is not None else later
        if until_idle and done.moved:
            self._next = 0.0

    def next_in(self) -> float:
        """Give the seconds until the next look is due."""
        return max(0.0, self._next - time.monotonic())

    def wait(self, seconds: float) -> None:
        """Return when something happened in a source, or after so many seconds."""
        if self._wake.wait(seconds):
            self._woken.set()

    def wake(self) -> None:
        """End a wait."""
        self._wake.wake()

    def close(self) -> None:
        """Stop watching."""
        self._wake.close()

    def _refresh(self) -> None:
        """Take up the file types that have been applied meanwhile."""
        with self._lab.catalogue.read() as connection:
            newest = connection.execute(
                select(func.max(definition.c.id), func.count()).where(definition.c.current)
            ).one()
        if tuple(newest) != self._version:
            self._version = tuple(newest)
            self._sources.clear()

    def _open(self, name: str) -> SourceIntake:
        lab = self._lab
        with lab.catalogue.read() as connection:
            types = file_types(connection)
        rivals = rivals_of(name, lab.sources)
        return SourceIntake(lab.catalogue, lab.store, name, lab.sources[name], types, lab.folder, lab.who, rivals)
