"""The daemon's looks at the sources: when to look at each, and what the looks brought."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, select

from aliquot.daemon.listening import listeners
from aliquot.daemon.source_hours import SourceHours
from aliquot.daemon.summary import SourceCount, Summary, Waits
from aliquot.db.tables import definition
from aliquot.intake.health import Health, note_health
from aliquot.intake.interval import BUCKET, QUICK, Pace
from aliquot.intake.place import folder_of
from aliquot.intake.rivals import rivals_of
from aliquot.intake.settle import Pending
from aliquot.intake.source import NOTHING_APPLIED, Look, SourceIntake
from aliquot.intake.wakes import woken
from aliquot.intake.watch import Wake
from aliquot.lab import Lab
from aliquot.lab.definitions import file_types
from aliquot.model.errors import AliquotError

log: Any = structlog.get_logger()

_SOON = 0.005
_AT_ONCE = 16
_CLOSED = 1.0
_BETWEEN_NOTES = 30.0
_BETWEEN_CHANGES = 1.0
"""Seconds between two notes of a source whose files that wait are others each time."""
_WAITING = 20
"""How many of the files that wait are written down."""
_BETWEEN_ASKING = 1.0


@dataclass(slots=True)
class _Watched:
    """A source, and what is under way with it. Times in the clock's ticks."""

    name: str
    folder: Path | None
    pace: Pace
    next_at: float = 0.0
    woken: bool = True
    quiet: bool = False
    intake: SourceIntake | None = None
    generation: object = None
    look: "Future[Look | None] | None" = None
    began: float = 0.0
    noted_at: float = float("-inf")
    told: str = ""
    noted: tuple[Pending, ...] = ()
    unsaid: Health | None = None
    """How the source does, where that is not written down yet."""
    asked: bool = False
    """Whether somebody has asked for a look, who wants to know that there was one."""
    told_after: bool = False


class Arrivals:
    """Looks at each source of a lab: at once when woken, when something may settle, and else by its own pace.

    A source that keeps somebody waiting keeps only itself.
    """

    def __init__(self, lab: Lab, interval: float) -> None:
        self._lab = lab
        self._sources: dict[str, _Watched] = {}
        for name, source in lab.sources.items():
            folder = folder_of(source, lab.folder)
            longest = source.interval or (interval if folder else BUCKET)
            self._sources[name] = _Watched(name, folder, Pace(_SOON * 20 if folder else QUICK, longest))
        self._pool = ThreadPoolExecutor(min(_AT_ONCE, max(1, len(self._sources))), "arrivals")
        self._wake = Wake(each.folder for each in self._sources.values() if each.folder)
        self._hours = SourceHours(lab.catalogue, lab.sources)
        self._listeners = listeners(lab.sources, self._wake.wake)
        self._woken: dict[str, int] | None = None
        self._ask_at = 0.0
        self._unwatched: dict[Path, str] = {}

    @property
    def quiet(self) -> bool:
        """Say whether the last looks took nothing, and nothing will settle by waiting alone."""
        return not self.busy and all(each.quiet and not each.woken for each in self._sources.values())

    @property
    def busy(self) -> bool:
        """Say whether a look is under way."""
        return any(each.look for each in self._sources.values())

    def advance(self, summary: Summary, *, until_idle: bool) -> bool:
        """Collect the looks that are done into the summary, and begin those that are due; says if anything came."""
        self._hear()
        moved = False
        for each in self._sources.values():
            if each.look and each.look.done():
                moved |= self._note(each, summary, until_idle=until_idle)
            if each.look is None and (each.woken or time.monotonic() >= each.next_at):
                each.woken = False
                each.told_after, each.asked = each.asked, False
                each.began = time.monotonic()
                each.look = self._pool.submit(self._look, each)
                each.look.add_done_callback(lambda _: self._wake.wake())
        for each in self._listeners:
            each.settle()
        return moved

    def next_in(self) -> float:
        """Give the seconds until the next look is due."""
        idle = [each for each in self._sources.values() if each.look is None]
        if any(each.woken for each in idle):
            return 0.0
        return max(0.0, min((each.next_at for each in idle), default=1e9) - time.monotonic())

    def wait(self, seconds: float) -> None:
        """Return when something happened in a source, or after so many seconds."""
        self._wake.wait(seconds)

    def wake(self) -> None:
        """End a wait."""
        self._wake.wake()

    def close(self) -> None:
        """Stop watching, when the looks under way have ended."""
        for each in self._listeners:
            each.close()
        self._wake.close()
        self._pool.shutdown(wait=True)
        # Where the catalogue is away, the next look says how the source does.
        with suppress(AliquotError):
            for each in self._sources.values():
                self._write_down(each)

    def _hear(self) -> None:
        """Find out which sources something outside wants to be looked at."""
        touched = self._wake.touched()
        names = {each.name for each in self._sources.values() if each.folder in touched}
        for each in self._listeners:
            names |= each.heard(self._lab.sources)
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _BETWEEN_ASKING
            with self._lab.catalogue.read() as connection:
                now = woken(connection)
            before = now if self._woken is None else self._woken
            asked = {name for name, count in now.items() if count != before.get(name, 0)} & self._sources.keys()
            for name in asked:
                self._sources[name].asked = True
            names |= asked
            self._woken = now
        for name in names & self._sources.keys():
            self._sources[name].woken = True
        for folder, why in self._wake.unwatched.items():
            if self._unwatched.get(folder) != why and folder.is_dir():
                self._unwatched[folder] = why
                log.warning("folder is looked at by the clock alone", folder=str(folder), reason=why)

    def _look(self, each: _Watched) -> Look | None:
        """Look at a source; None when its schedule keeps it closed."""
        if not self._hours.is_open(each.name):
            return None
        generation = self._refresh()
        if each.intake is None or each.generation != generation:
            each.intake = self._open(each.name)
            each.generation = generation
        look = each.intake.look()
        self._hours.note(each.name, look)
        return look

    def _note(self, each: _Watched, summary: Summary, *, until_idle: bool) -> bool:
        assert each.look
        future, each.look = each.look, None
        took = time.monotonic() - each.began
        count = summary.sources.setdefault(each.name, SourceCount())
        try:
            look = future.result()
        except AliquotError as error:
            count.problem = error.message
            # Of a lab in which nothing is applied it is told once for all, by whoever keeps it up.
            if each.told != error.message and error.message != NOTHING_APPLIED:
                log.warning("source is out of reach", source=each.name, reason=error.message)
            self._health(each, None, None, error.message)
            each.told = error.message
            each.quiet = True
            each.next_at = time.monotonic() + each.pace.after(took, moved=False)
            return False
        if look is None:
            each.quiet = True
            each.next_at = time.monotonic() + _CLOSED
            return False
        count.taken += look.taken.added
        count.unchanged += look.taken.unchanged
        count.quarantined += len(look.taken.quarantined)
        count.waiting = {one.path: Waits(one.kind, one.why) for one in look.pending}
        count.problem = "; ".join(one.text for one in look.findings)
        moved = bool(look.taken.safe)
        if moved:
            log.info(
                "files arrived",
                source=each.name,
                added=look.taken.added,
                unchanged=look.taken.unchanged or None,
                quarantined=len(look.taken.quarantined) or None,
            )
        self._health(each, look.listed, look.pending, count.problem)
        each.told = count.problem
        if not each.woken:
            # A look that was under way when a message came may have missed what it tells of.
            for listener in self._listeners:
                listener.looked(each.name, look)
        each.quiet = not moved and not look.more and look.next_at is None
        pause = each.pace.after(took, moved=moved or bool(look.pending))
        # Where nothing has settled, looking at once would find the same.
        soon = moved and (look.more or until_idle or each.folder is not None)
        each.next_at = time.monotonic() + (_SOON if soon else pause)
        if look.next_at is not None:
            each.next_at = min(each.next_at, look.next_at + _SOON)
        return moved

    def _health(
        self, each: _Watched, listed: int | None, pending: tuple[Pending, ...] | None, problem: str
    ) -> None:  # fmt: skip
        """Write down how the source does, now and then, and soon when that has changed."""
        now = time.monotonic()
        first = (pending or ())[:_WAITING]
        same = [(one.path, one.kind) for one in first] == [(one.path, one.kind) for one in each.noted]
        soon = now < each.noted_at + (_BETWEEN_NOTES if same else _BETWEEN_CHANGES)
        each.unsaid = Health(
            each.name, self._lab.sources[each.name].watch, time.time(), listed, problem,
            None if pending is None else len(pending), [{"path": one.path, "why": one.why} for one in first],
        )  # fmt: skip
        if not soon or problem != each.told or each.told_after:
            each.noted_at, each.noted = now, first
            self._write_down(each)

    def _write_down(self, each: _Watched) -> None:
        if each.unsaid is not None:
            note_health(self._lab.catalogue, each.unsaid)
            each.unsaid = None

    def _refresh(self) -> object:
        """Give what stands for the file types that are applied now."""
        with self._lab.catalogue.read() as connection:
            newest = connection.execute(
                select(func.max(definition.c.id), func.count()).where(definition.c.current)
            ).one()
        return tuple(newest)

    def _open(self, name: str) -> SourceIntake:
        lab = self._lab
        with lab.catalogue.read() as connection:
            types = file_types(connection)
        rivals = rivals_of(name, lab.sources)
        return SourceIntake(lab.catalogue, lab.store, name, lab.sources[name], types, lab.folder, lab.who, rivals)
