"""The container executor: commands run under podman or docker on this machine."""

from pathlib import Path
from typing import Literal

from aliquot.blobs import Store
from aliquot.executors.container_runner import ContainerRunner
from aliquot.executors.images import Runtime
from aliquot.executors.owner import Owner, end_leftovers
from aliquot.executors.slots import SlotExecutor
from aliquot.executors.steps import Runner
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

        def prepare(number: int) -> tuple[WorkingDirectory, Runner]:
            place = owner.folder / str(number)
            directory = WorkingDirectory(place / "task", place, shared=True)
            return directory, ContainerRunner(self._runtime, directory, place, watch, owner.name)

        super().__init__(store, owner, watch, workers, prepare)

    def identity(self, image: str | None = None) -> str:
        """Give an image's digest, `sha256:…`; one that is not here is pulled, and `Unavailable` when it cannot be."""
        if image is None:
            raise Invalid(
                "image-missing",
                "The step names no image, but this lab runs commands in containers. Name one in the pipeline, or "
                "set executor: process in aliquot.yaml.",
            )
        return self._runtime.identity(image)
