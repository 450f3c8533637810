"""Running a command as a process of this machine."""

import os
import signal
from dataclasses import replace

from aliquot.executors.attempt import Attempt, AttemptFailed, Verdict
from aliquot.executors.command import arguments, environment, find_program, task_mark
from aliquot.executors.conclusions import SIGNALLED, kernel_oom_verdict, spawn_verdict, system_verdict
from aliquot.executors.note import Note
from aliquot.executors.order import Order
from aliquot.executors.owner import end_marked
from aliquot.executors.shell_free import ShellFree
from aliquot.executors.slot import LayingFailed, LeftSlot, ShepherdLost, Slot
from aliquot.executors.steps import Ended
from aliquot.executors.watch import Seen, Watch, over_time
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.task import Cause, TaskDocument, Usage

_SHELL = "/bin/sh"
_BRIEF = 10.0
"""Seconds of a command that is soon made again, if its supervisor is killed with its results."""


class ProcessRunner:
    """Runs commands in one working directory, one after the other.

    `inside_image`: whoever started this program has seen to it that it runs in the step's image.
    """

    def __init__(self, slot: Slot, watch: Watch, path: str, owner: str, *, inside_image: bool = False) -> None:
        self._slot = slot
        self._watch = watch
        self._path = path
        self._owner = owner
        self._inside_image = inside_image
        self._shell_free = ShellFree()
        self._taken = False

    def run(self, attempt: Attempt, directory: WorkingDirectory) -> Ended:
        """Run the command, and end everything that it leaves behind."""
        order = self.order(attempt, directory)
        self._taken = False
        attempt.check()
        with attempt.lock:
            attempt.stop = self._slot.signal
        self._watch.add(attempt, directory, self._slot.memory, self._slot.since)
        try:
            answer = self._slot.run(order)
        except OSError as error:
            attempt.check()
            ours = isinstance(error, LayingFailed)
            verdict = system_verdict(error, directory.folder) if ours else spawn_verdict(error, order.arguments[0])
            raise AttemptFailed(verdict.cause, verdict.message, may_pass=verdict.may_pass) from error
        except ShepherdLost:
            end_marked(self._owner, task_mark(attempt.document))
            attempt.check()
            raise lost() from None
        finally:
            with attempt.lock:
                attempt.stop = None
            seen = self._watch.remove(attempt)
        self._taken = answer.files is not None
        directory.doubted, directory.left_files, directory.silent = False, answer.files, answer.silent
        return conclude(attempt, answer.note, seen)

    def order(self, attempt: Attempt, directory: WorkingDirectory) -> Order:
        """Say what a shepherd has to start for an attempt that was laid out in a directory, or packed for it."""
        document = attempt.document
        if document.image is not None and not self._inside_image:
            raise AttemptFailed(
                Cause.REFUSED,
                f"The step asks for the image {document.image}, but this lab runs commands as processes. Set "
                f"executor: container in aliquot.yaml, or remove the step's image.",
            )
        values = environment(document, directory.folder, self._path, self._owner)
        argv = arguments(document.command, values)
        shell: list[str] = []
        if not isinstance(document.command, str):
            program = find_program(argv[0], values["PATH"])
        elif alone := self._shell_free.start(document.command, values):
            shell = [_SHELL, *argv]
            program, argv = alone
        else:
            program = _SHELL
        return Order(
            document, program, argv, values, shell=shell,
            files=directory.packed, doubt=directory.doubted, gathers=_gathers(directory, document),
        )  # fmt: skip

    def clear(self) -> None:
        """Note that what the command has left was collected; a shepherd that took it up has done so."""
        if not self._taken:
            self._slot.clear()

    def close(self) -> None:
        """Let go of what was prepared."""
        self._slot.close()


class LeftProcess:
    """Watches a command on whose supervisor is gone."""

    def __init__(self, slot: LeftSlot, watch: Watch, owner: str) -> None:
        self._slot = slot
        self._watch = watch
        self._owner = owner

    def run(self, attempt: Attempt, directory: WorkingDirectory) -> Ended:
        """Wait for the command's end under the limits of its document."""
        note = self._slot.note()
        if note is None:
            raise lost()
        with attempt.lock:
            attempt.stop = self._slot.signal
        self._watch.add(attempt, directory, self._slot.memory, self._slot.since)
        try:
            note = self._slot.wait()
        except ShepherdLost:
            end_marked(self._owner, f"{note.task}-{note.fence}")
            raise lost() from None
        finally:
            with attempt.lock:
                attempt.stop = None
            seen = self._watch.remove(attempt)
        if note.error:
            verdict = spawn_verdict(OSError(note.error, os.strerror(note.error)), "The command")
            raise AttemptFailed(verdict.cause, verdict.message, may_pass=verdict.may_pass)
        ended = conclude(attempt, note, seen)
        return replace(ended, verdict=alone_verdict(attempt, note) or ended.verdict)

    def clear(self) -> None:
        """Leave the note: who lets go of the place removes it."""

    def close(self) -> None:
        """Let go of the slot."""
        self._slot.close()


def _gathers(directory: WorkingDirectory, document: TaskDocument) -> float:
    """Say of a command of how many seconds the shepherd may take up the results: of none, if somebody looks at them."""
    return _BRIEF if directory.packed is not None and not document.ensure and document.resources.disk is None else 0.0


def conclude(attempt: Attempt, note: Note, seen: Seen) -> Ended:
    """Say how a command ended, from what its shepherd noted and what was seen of it."""
    take_note(attempt, note)
    attempt.usage = Usage(wall=note.wall, cpu=note.cpu, peak_memory=max(seen.peak, note.peak))
    code = note.exit_code or 0
    return Ended(code, kernel_oom_verdict(code, seen.oom_kills), gone=True)


def take_note(attempt: Attempt, note: Note) -> None:
    """Take over when the command began and how long it took, by its shepherd's clock, which alone was always there."""
    attempt.began = note.began_at
    attempt.ended_after(note.wall)
    limit = attempt.document.resources.time
    if note.ended_for == "time" and limit is not None:
        attempt.condemn(Cause.TIMEOUT, over_time(limit))


def alone_verdict(attempt: Attempt, note: Note) -> Verdict | None:
    """Say why a command was ended of which nobody remembers, because the one that did is gone."""
    limit = attempt.document.resources.time
    if note.ended_for == "alone":
        return Verdict(Cause.LOST, "No supervisor came back for the command for a day, and it was ended.")
    if limit is not None and note.wall >= limit:
        return Verdict(Cause.TIMEOUT, over_time(limit))
    if note.exit_code == SIGNALLED + signal.SIGKILL:
        return Verdict(Cause.LOST, "The command was killed while its supervisor was gone; nobody can say why.")
    return None


def lost() -> AttemptFailed:
    """Give the end of an attempt of which nobody can say how it went."""
    return AttemptFailed(
        Cause.LOST, "The process that looked after the command was ended from outside; how the command went is lost."
    )
