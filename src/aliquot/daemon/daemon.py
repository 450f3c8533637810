"""The daemon: one loop over arrivals, triggers, tasks and loads, until it is told to stop or nothing is left to do."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog
from sqlalchemy import select

from aliquot.access.anchors import anchor
from aliquot.daemon.arrivals import Arrivals
from aliquot.daemon.record import failed_loads, finished_runs, new_versions
from aliquot.daemon.summary import HeldRun, LoadCount, Summary
from aliquot.daemon.tracing import TracedCycles
from aliquot.datasets.commit import name_versions
from aliquot.db.tables import load as load_table
from aliquot.engine.supervise import Supervisor
from aliquot.engine.triggers import start_triggered
from aliquot.lab import Lab
from aliquot.lab.loads import Loaded, load_waiting
from aliquot.lab.steering import held_runs
from aliquot.model.errors import AliquotError, Unavailable

log: Any = structlog.get_logger()

TRIGGER_INTERVAL = 1.0
"""Seconds between looks at triggers while nothing else happens."""
ANCHOR_INTERVAL = 60.0
"""Seconds between two anchors of the audit in the store."""
_PATIENCE = 9
"""After how many rounds in which something was out of reach `until_idle` gives up: about a minute and a half."""
_LONGEST_PAUSE = 30.0


class Daemon:
    """Keeps one lab alive. Several may work on one lab: leases and receipts share the work."""

    def __init__(self, lab: Lab, scan_interval: float = 5.0) -> None:
        self.lab = lab
        self.summary = Summary()
        self._stop = threading.Event()
        self._arrivals = Arrivals(lab, scan_interval)
        self._supervisor = Supervisor(
            lab.catalogue, lab.store, lab.executor_for, pools=lab.config.pools, executors=lab.executors_here
        )
        self._traced = TracedCycles(lab.catalogue, self._supervisor.owner)
        self._side = ThreadPoolExecutor(1, "daemon")
        self._loads: Future[list[Loaded]] | None = None
        self._began = time.time()
        self._next_triggers = 0.0
        self._next_anchor = 0.0
        self._hub_again_at = 0.0

    def stop(self) -> None:
        """Ask the loop to end; attempts under way are ended and done again by whoever comes next."""
        self._stop.set()
        self._arrivals.wake()

    def run(self, *, until_idle: bool = False, tick: Callable[[], None] | None = None) -> Summary:
        """Work until told to stop; with `until_idle`, until arrivals, runs and loads are all done.

        `tick` is called after every round, for a display.
        """
        failures = 0
        try:
            name_versions(self.lab.catalogue, self.lab.store)
            self._supervisor.open()
            while not self._stop.is_set():
                try:
                    moved = self._round(until_idle=until_idle)
                    failures = 0
                except Unavailable as error:
                    failures += 1
                    if until_idle and failures >= _PATIENCE:
                        raise
                    log.warning("something is out of reach; trying again", reason=error.message)
                    self._stop.wait(min(_LONGEST_PAUSE, 2.0**failures / 4))
                    continue
                if tick:
                    tick()
                if until_idle and not moved and self._idle():
                    break
                if not moved:
                    self._wait()
        finally:
            self._close()
        return self._summed_up()

    def _round(self, *, until_idle: bool) -> bool:
        """Do once what can be done now; says whether anything moved."""
        moved = self._arrivals.advance(self.summary, until_idle=until_idle)
        moved |= self._load()
        if moved or time.monotonic() >= self._next_triggers:
            started = start_triggered(self.lab.catalogue)
            moved |= bool(started)
            self._next_triggers = time.monotonic() + TRIGGER_INTERVAL
        if self._traced.cycle(self._supervisor.cycle):
            moved = True
            self._next_triggers = 0.0
        if time.monotonic() >= self._next_anchor:
            self._anchor()
        return moved

    def _anchor(self) -> None:
        """Let the store remember how far the audit goes."""
        self._next_anchor = time.monotonic() + ANCHOR_INTERVAL
        try:
            anchor(self.lab.catalogue, self.lab.store)
        except AliquotError as error:
            log.error("the audit is not vouched for", reason=error.message)  # noqa: TRY400  # for a person

    def _load(self) -> bool:
        if self._loads is None:
            if time.monotonic() >= self._hub_again_at and self._loads_wait():
                self._loads = self._side.submit(load_waiting, self.lab)
            return False
        if not self._loads.done():
            return False
        done, self._loads = self._loads.result(), None
        waiting = [each for each in done if each.state == "WAITING"]
        if waiting:
            self._hub_again_at = time.monotonic() + _LONGEST_PAUSE / 3
        for each in done:
            if each.state != "WAITING":
                self.summary.loads.append(LoadCount(each.run, each.table, each.state, each.rows, each.message))
        self.summary.held_loads = [
            LoadCount(each.run, each.table, each.state, each.rows, each.message) for each in waiting
        ]
        return len(waiting) < len(done)

    def _loads_wait(self) -> bool:
        with self.lab.catalogue.read() as connection:
            return connection.execute(
                select(load_table.c.id).where(load_table.c.state == "WAITING").limit(1)
            ).first() is not None  # fmt: skip

    def _idle(self) -> bool:
        """Say whether nothing is left to do now; a marker, a partner file or a hub that is down is not waited for."""
        if self._loads or not self._arrivals.quiet:
            return False
        hub_down = time.monotonic() < self._hub_again_at
        return self._supervisor.idle() and (hub_down or not self._loads_wait())

    def _wait(self) -> None:
        if self._supervisor.busy:
            self._supervisor.wait(0.1)
        elif self._loads:
            self._arrivals.wait(0.02)
        else:
            self._arrivals.wait(min(self._arrivals.next_in(), TRIGGER_INTERVAL))

    def _close(self) -> None:
        self._stop.set()
        self._arrivals.close()
        self._side.shutdown(wait=True)
        self._supervisor.close()

    def _summed_up(self) -> Summary:
        with self.lab.catalogue.read() as connection:
            self.summary.runs = finished_runs(connection, self._began)
            self.summary.held_runs = [
                HeldRun(each.run, each.pipeline, each.state, each.message) for each in held_runs(connection)
            ]
            self.summary.versions = new_versions(connection, self._began)
            self.summary.held_loads += failed_loads(connection, self._began)
        return self.summary
