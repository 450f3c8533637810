"""The process executor: commands run as processes of this machine."""

import platform
from pathlib import Path

from aliquot.blobs import Store
from aliquot.executors.command import default_path
from aliquot.executors.leftovers import LeftAttempt
from aliquot.executors.owner import Owner, end_leftovers
from aliquot.executors.process_runner import LeftProcess, ProcessRunner
from aliquot.executors.rounds import Rounds
from aliquot.executors.slot import LeftSlot, Slot
from aliquot.executors.slots import SlotExecutor
from aliquot.executors.steps import Runner
from aliquot.executors.turns import Turns
from aliquot.executors.watch import Watch
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.digest import digest_document
from aliquot.model.errors import Invalid

__all__ = ["ProcessExecutor", "default_path", "end_leftovers"]


class ProcessExecutor(SlotExecutor):
    """Runs commands as processes, `workers` at once, in folders below `work`.

    `path` is the commands' search path; `grace` is how many seconds lie between SIGTERM and SIGKILL.
    """

    name = "process"

    def __init__(self, store: Store, work: Path, workers: int, path: str | None = None, *, grace: float = 3.0) -> None:
        self._path = path or default_path()
        owner = Owner(work)
        watch = Watch(grace)
        turns = Turns(max(1, workers))

        def prepare(number: int) -> tuple[WorkingDirectory, Runner, Rounds]:
            place = owner.folder / str(number)
            directory = WorkingDirectory(place / "task", place)
            slot = Slot(place, (directory.stdout, directory.stderr), turns)
            directory.hand_to(slot.tidy, slot.settle)
            runner = ProcessRunner(slot, watch, self._path, owner.name)

            def open_folder(number: int) -> WorkingDirectory:
                if not number:
                    return directory
                another = WorkingDirectory(place / f"task-{number}", directory)
                another.hand_to(slot.tidy, slot.settle)
                return another

            return directory, runner, Rounds(slot, watch, runner, owner.name, open_folder)

        def find_again(left: LeftAttempt) -> tuple[WorkingDirectory, Runner]:
            directory = WorkingDirectory(left.place / left.note.folder, left.place, left=True)
            return directory, LeftProcess(LeftSlot(left.place), watch, left.owner.name)

        super().__init__(store, owner, watch, turns, workers, prepare, find_again)

    def identity(self, image: str | None = None, *, python: bool = False) -> str:
        """Name the environment that commands run in.

        It is the digest of the system's name, the machine's architecture, the version of Python and the search path:
        what can be told cheaply. Programs that change under an unchanged path are not noticed; an image pins them.
        """
        if python:
            raise Invalid(
                "function-refused", "This executor runs commands alone; functions run where the lab's own Python is."
            )
        if image is not None:
            raise Invalid(
                "image-needs-containers",
                f"The step asks for the image {image}, but this lab runs commands as processes. Set "
                f"executor: container in aliquot.yaml, or remove the step's image.",
                image=image,
            )
        return digest_document(
            {
                "system": platform.system(),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "path": self._path,
            }
        )
