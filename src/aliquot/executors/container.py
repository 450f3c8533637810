"""The container executor: commands run under podman or docker on this machine."""

from pathlib import Path
from typing import Literal

from aliquot.blobs import Store
from aliquot.executors.container_runner import ContainerRunner, Containers, LeftContainer
from aliquot.executors.images import Runtime
from aliquot.executors.leftovers import LeftAttempt
from aliquot.executors.owner import Owner, end_leftovers
from aliquot.executors.slot import LeftSlot, Slot
from aliquot.executors.slots import SlotExecutor
from aliquot.executors.steps import Runner
from aliquot.executors.turns import Turns
from aliquot.executors.watch import Watch
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.errors import Invalid

__all__ = ["ContainerExecutor", "end_leftovers"]


class ContainerExecutor(SlotExecutor):
    """Runs commands in containers, `workers` at once, with folders below `work`.

    Inputs and bundle are mounted read-only; memory, processors and processes are limited by the kernel; there is no
    network unless the document asks for it. `runtime` None takes podman, or else docker. `Unavailable` without either.
    """

    name = "container"

    def __init__(
        self,
        store: Store,
        work: Path,
        workers: int,
        runtime: Literal["podman", "docker"] | None = None,
        *,
        grace: float = 3.0,
    ) -> None:
        self._runtime = Runtime(runtime)
        owner = Owner(work, self._runtime.name)
        watch = Watch(grace)
        turns = Turns(max(1, workers))

        def prepare(number: int) -> tuple[WorkingDirectory, Runner, None]:
            place = owner.folder / str(number)
            directory = WorkingDirectory(place / "task", place, shared=True)
            # What podman leaves behind (its monitor of the container) is its own, and ends by itself.
            slot = Slot(place, (directory.stdout, directory.stderr), turns, keeps=False)
            return directory, ContainerRunner(Containers(self._runtime, place, watch), slot, owner.name), None

        def find_again(left: LeftAttempt) -> tuple[WorkingDirectory, Runner]:
            directory = WorkingDirectory(left.place / left.note.folder, left.place, shared=True, left=True)
            return directory, LeftContainer(Containers(self._runtime, left.place, watch), LeftSlot(left.place))

        super().__init__(store, owner, watch, turns, workers, prepare, find_again)

    def identity(self, image: str | None = None, *, python: bool = False) -> str:
        """Give an image's digest, `sha256:…`; one that is not here is pulled, and `Unavailable` when it cannot be."""
        if image is None or python:
            raise Invalid(
                "image-not-named",
                "The step names no image, but this lab runs commands in containers. Name one in the pipeline, or "
                "set executor: process in aliquot.yaml.",
            )
        return self._runtime.identity(image)
