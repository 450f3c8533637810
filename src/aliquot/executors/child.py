"""The command that a shepherd has started: how it begins, how long it may go on, and what it used."""

import ctypes
import errno
import os
import resource
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aliquot.executors.note import Note, NoteFile
from aliquot.executors.processes import descendants

LINE = 0
"""The open file by which a shepherd and its supervisor speak."""

_SET_CHILD_SUBREAPER = 36
_SIGNALLED = 128
_DEADLINE = 10.0
_MOMENT = 0.002
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAXRSS_UNIT = 1 if os.uname().sysname == "Darwin" else 1024


class Child:
    """Runs one command after the other, each to its end, and notes in `notes` that it has begun.

    `logs` are the open files that commands print into. `keeps` asks the kernel for the orphans of a command, so that
    whatever it starts ends with it. `patience` is how many seconds a command may go on after the supervisor is gone,
    where it has no shorter time of its own.
    """

    def __init__(self, notes: NoteFile, logs: tuple[int, int], *, keeps: bool, patience: float) -> None:
        self.notes = notes
        self._streams = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, logs[0], 1),
            (os.POSIX_SPAWN_DUP2, logs[1], 2),
        ]
        self._patience = patience
        self._keeps = keeps
        self._folder = ""
        self._undo: list[str] = []
        self._until = 0.0
        self._alone_since: float | None = None
        self._ended_for = ""
        self._own = 0
        self.running: Note | None = None
        """What is noted of the command while it runs."""
        if keeps:
            with suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self, order: dict[str, Any], note: Note, folder: str, head: bytes | None = None) -> None:
        """Run an order's command in a folder; its note says then how it ended, or why it could not be started."""
        self._folder = folder
        note.began, note.began_at = time.monotonic(), time.time()
        try:
            note.leader = leader = self._spawn(order["program"], order["arguments"], order["environment"])
        except OSError as error:
            note.error = error.errno or -1
            self.noted(note)
            return
        self.noted(note, head)
        self._undo = order["undo"]
        self._until = note.began + order["limit"] if order["limit"] is not None else float("inf")
        self._alone_since, self._ended_for = None, ""
        self.running = note
        # The leader stays unburied until its group is killed, so that its number cannot pass to a stranger.
        os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT)
        self.running = None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        _, status, used = os.wait4(leader, 0)
        note.wall = time.monotonic() - note.began
        note.cpu = used.ru_utime + used.ru_stime + self._end_rest()
        # A child begins its life in our memory, and the kernel counts that as its own: below our peak it says nothing.
        if used.ru_maxrss > self._own and used.ru_maxrss > self._look_at_own():
            note.peak = used.ru_maxrss * _MAXRSS_UNIT
        code = os.waitstatus_to_exitcode(status)
        note.exit_code = code if code >= 0 else _SIGNALLED - code
        note.ended_for = self._ended_for

    def _look_at_own(self) -> int:
        self._own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return self._own

    def noted(self, note: Note, head: bytes | None = None) -> None:
        """Write a note for whoever comes after the supervisor."""
        # A full disk is no reason to lose the command; its supervisor is told all the same.
        with suppress(OSError):
            self.notes.write(note, head)

    def judge(self) -> None:
        """End the command when its time is over, or when nobody has asked after it for long."""
        if self.running is None:
            return
        now = time.monotonic()
        if _hung_up(LINE):
            self._alone_since = now if self._alone_since is None else self._alone_since
        if now >= self._until:
            self._end_for("time", self.running)
        elif self._alone_since is not None and now - self._alone_since >= self._patience:
            self._end_for("alone", self.running)

    def _spawn(self, program: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        """Start a program as the leader of a new session in the folder; gives its process id.

        Here nothing keeps the interpreter's own call from being used, which is cheaper than the C library's by way of
        `ctypes`: there are no other threads to keep waiting, and the folder can be our own.
        """
        os.chdir(self._folder)
        try:
            return os.posix_spawn(
                program, arguments, environment,
                file_actions=self._streams, setsid=True, setsigmask=(), setsigdef=_DEFAULT_SIGNALS,
            )  # fmt: skip
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error

    def _end_rest(self) -> float:
        """Kill and bury all that the command has left behind; gives the CPU seconds that it used."""
        spent = 0.0
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            try:
                buried, _, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if buried:
                spent += used.ru_utime + used.ru_stime
                continue
            _kill(descendants([os.getpid()])[1:])
            time.sleep(_MOMENT)
        return spent

    def _end_for(self, reason: str, note: Note) -> None:
        self._ended_for = reason
        if self._undo:
            with suppress(OSError):
                self._spawn(self._undo[0], self._undo, os.environ)
        elif self._keeps:
            _kill(descendants([os.getpid()])[1:])
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(note.leader, signal.SIGKILL)


def _hung_up(line: int) -> bool:
    poll = select.poll()
    poll.register(line, 0)
    return bool(poll.poll(0))


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
