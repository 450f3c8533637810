"""The executors of a lab: which one runs a step, and how each is made from the settings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.blobs import Store
from aliquot.model.lab_config import ExecutorSettings
from aliquot.model.seams import Executor

if TYPE_CHECKING:
    from aliquot.executors.container import ContainerExecutor
    from aliquot.executors.local import LocalExecutor


class Executors:
    """Makes the executors of this machine when they are first needed, over one store, in folders below `work`."""

    def __init__(self, settings: ExecutorSettings, store: Store, work: Path) -> None:
        self._settings = settings
        self._store = store
        self._work = work
        self._made: dict[str, LocalExecutor | ContainerExecutor] = {}

    def __call__(self, image: str | None) -> Executor:
        """Choose by a step's image: a step without one runs as a process."""
        return self._executor("container" if image is not None and self._settings.kind == "container" else "process")

    def _executor(self, kind: str) -> "LocalExecutor | ContainerExecutor":
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def here(self) -> list[Executor]:
        """List the executors that may have to go on with attempts of supervisors that are gone.

        What nobody here can go on with, because containers are no longer in use, is ended.
        """
        from aliquot.executors.owner import dead_runtimes, end_leftovers

        left = dead_runtimes(self._work)
        if "" in left:
            self(None)
        if left - {""} and self._settings.kind == "container":
            self._executor("container")
        executors: list[Executor] = list(self._made.values())
        if left:
            end_leftovers(self._work, {executor.runtime for executor in self._made.values()})
        return executors

    def close(self) -> None:
        """End what still runs."""
        for executor in self._made.values():
            executor.close()
        self._made.clear()

    def _make(self, kind: str) -> "LocalExecutor | ContainerExecutor":
        settings = self._settings
        workers = settings.workers or len(os.sched_getaffinity(0))
        if kind == "container":
            from aliquot.executors.container import ContainerExecutor

            return ContainerExecutor(self._store, self._work, workers, settings.runtime)
        from aliquot.executors.local import LocalExecutor

        return LocalExecutor(self._store, self._work, workers, settings.path)
