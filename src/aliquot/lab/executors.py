"""The executors of a lab: which one runs a step, and how each is made from the settings."""

import os
from pathlib import Path

from aliquot.blobs import Store
from aliquot.model.lab_config import ExecutorSettings
from aliquot.model.seams import Executor


class Executors:
    """Makes the executors of this machine when they are first needed, over one store, in folders below `work`."""

    def __init__(self, settings: ExecutorSettings, store: Store, work: Path) -> None:
        self._settings = settings
        self._store = store
        self._work = work
        self._made: dict[str, Executor] = {}

    def __call__(self, image: str | None) -> Executor:
        """Choose by a step's image: a step without one runs as a process."""
        kind = "container" if image is not None and self._settings.kind == "container" else "process"
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def close(self) -> None:
        """End what still runs."""
        for executor in self._made.values():
            executor.close()
        self._made.clear()

    def _make(self, kind: str) -> Executor:
        settings = self._settings
        workers = settings.workers or len(os.sched_getaffinity(0))
        if kind == "container":
            from aliquot.executors.container import ContainerExecutor, end_leftovers

            end_leftovers(self._work)
            return ContainerExecutor(self._store, self._work, workers, settings.runtime)
        from aliquot.executors.process import ProcessExecutor, end_leftovers

        end_leftovers(self._work)
        return ProcessExecutor(self._store, self._work, workers, settings.path)
