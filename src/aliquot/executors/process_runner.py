"""Running a command as a process of this machine."""

import os
import resource
import signal
import time
from contextlib import suppress
from functools import partial

from aliquot.executors.attempt import Attempt, AttemptFailed
from aliquot.executors.children import CHILDREN, Span
from aliquot.executors.command import (
    OWNER_MARK,
    TASK_MARK,
    arguments,
    environment,
    find_program,
    task_mark,
)
from aliquot.executors.conclusions import SIGNALLED, kernel_oom_verdict, spawn_verdict
from aliquot.executors.process_tree import Tree
from aliquot.executors.processes import adopt_orphans
from aliquot.executors.spawn import Spawner
from aliquot.executors.steps import Ended
from aliquot.executors.watch import Seen, Watch
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.task import Cause, Usage

_SHELL = "/bin/sh"
_MAXRSS_UNIT = 1 if os.uname().sysname == "Darwin" else 1024


class ProcessRunner:
    """Runs commands in one working directory, one after the other.

    `inside_image`: whoever started this program has seen to it that it runs in the step's image.
    """

    def __init__(
        self, directory: WorkingDirectory, watch: Watch, path: str, owner: str, *, inside_image: bool = False
    ) -> None:
        adopt_orphans()
        self._watch = watch
        self._path = path
        self._owner = owner
        self._inside_image = inside_image
        self._spawner = Spawner(directory.folder, directory.stdout.handle, directory.stderr.handle)

    def run(self, attempt: Attempt, directory: WorkingDirectory) -> Ended:
        """Run the command, and end everything that it leaves behind."""
        document = attempt.document
        if document.image is not None and not self._inside_image:
            raise AttemptFailed(
                Cause.REFUSED,
                f"The step asks for the image {document.image}, but this lab runs commands as processes. Set "
                f"executor: container in aliquot.yaml, or remove the step's image.",
            )
        values = environment(document, directory.folder, self._path, self._owner)
        argv = arguments(document.command, values)
        is_text = isinstance(document.command, str)
        program = _SHELL if is_text else find_program(argv[0], values["PATH"])
        began = time.monotonic()
        span = self._start(attempt, program, argv, values)
        marks = (f"{TASK_MARK}={task_mark(document)}".encode(), f"{OWNER_MARK}={self._owner}".encode())
        tree = Tree(span, marks, os.path.dirname(directory.folder))  # noqa: PTH120  # plain text, for every task
        self._watch.add(attempt, directory, tree.memory)
        try:
            # The leader stays unburied until its group is killed, so that its number cannot pass to a stranger.
            os.waitid(os.P_PID, span.leader, os.WEXITED | os.WNOWAIT)
        finally:
            with attempt.lock:
                attempt.stop = None
            seen = self._watch.remove(attempt)
        return _bury(attempt, tree, seen, began)

    def close(self) -> None:
        """Let go of what was prepared."""
        self._spawner.close()

    def _start(self, attempt: Attempt, program: str, argv: list[str], values: dict[str, str]) -> Span:
        attempt.check()
        attempt.running = True
        span = CHILDREN.open()
        try:
            span.leader = self._spawner.spawn(program, argv, values)
        except OSError as error:
            CHILDREN.close(span)
            verdict = spawn_verdict(error, argv[0])
            raise AttemptFailed(verdict.cause, verdict.message, may_pass=verdict.may_pass) from error
        with attempt.lock:
            attempt.stop = partial(_signal_group, span.leader)
        return span


def _bury(attempt: Attempt, tree: Tree, seen: Seen, began: float) -> Ended:
    pid = tree.leader
    _signal_group(pid, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - began
    cpu = used.ru_utime + used.ru_stime + tree.end()
    # A child begins its life in our memory, and the kernel counts that as its own: below our peak it says nothing.
    peak = used.ru_maxrss if used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss else 0
    attempt.usage = Usage(wall=wall, cpu=cpu, peak_memory=max(seen.peak, peak * _MAXRSS_UNIT))
    code = os.waitstatus_to_exitcode(status)
    code = code if code >= 0 else SIGNALLED - code
    return Ended(code, kernel_oom_verdict(code, seen.oom_kills))


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
