"""A supervisor without the rest of a daemon: it shares the runs of a lab with others, and takes in nothing."""

import random
import threading
import time
from typing import Any

import structlog

from aliquot.daemon.record import finished_runs
from aliquot.daemon.summary import Summary
from aliquot.daemon.tracing import TracedCycles
from aliquot.engine.supervise import Supervisor
from aliquot.lab import Lab
from aliquot.model.errors import Unavailable

log: Any = structlog.get_logger()

_PATIENCE = 5
_LONGEST_PAUSE = 30.0
_IDLE_PAUSE = 1.0


class Worker:
    """Works on the runs of one lab, beside `Daemon`s and other workers: leases share the work."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._stop = threading.Event()
        self._supervisor = Supervisor(
            lab.catalogue, lab.store, lab.executor_for, pools=lab.config.pools, executors=lab.executors_here
        )
        self._traced = TracedCycles(lab.catalogue, self._supervisor.owner)

    def stop(self) -> None:
        """Ask the loop to end; attempts under way are ended and done again by whoever comes next."""
        self._stop.set()

    def run(self, *, until_idle: bool = False) -> Summary:
        """Work until told to stop, or with `until_idle` until no run is left; gives a summary of runs alone.

        A catalogue or store that is out of reach is waited for.
        """
        began = time.time()
        failures = 0
        try:
            self._supervisor.open()
            while not self._stop.is_set():
                try:
                    moved = self._traced.cycle(self._supervisor.cycle)
                    if until_idle and not moved and self._supervisor.idle():
                        break
                    failures = 0
                except Unavailable as error:
                    failures += 1
                    if until_idle and failures >= _PATIENCE:
                        raise
                    log.warning("something is out of reach; trying again", reason=error.message)
                    self._stop.wait(_jittered(min(_LONGEST_PAUSE, 2.0**failures / 4)))
                    continue
                if not moved:
                    self._wait()
        finally:
            self._supervisor.close()
        with self.lab.catalogue.read() as connection:
            return Summary(runs=finished_runs(connection, began))

    def _wait(self) -> None:
        if self._supervisor.busy:
            self._supervisor.wait(0.1)
        else:
            self._stop.wait(_jittered(_IDLE_PAUSE))


def _jittered(seconds: float) -> float:
    """Spread pauses, so that many workers do not ask at the same moments."""
    return seconds * random.uniform(0.7, 1.3)  # noqa: S311  # jitter
