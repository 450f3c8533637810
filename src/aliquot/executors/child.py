"""The command that a shepherd has started: how it begins, how long it may go on, and what it used."""

import errno
import os
import resource
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aliquot.executors.kin import end_group, find_kin, kill
from aliquot.executors.note import Note, NoteFile
from aliquot.executors.processes import descendants

_SIGNALLED = 128
_DEADLINE = 10.0
_MOMENT = 0.002
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAXRSS_UNIT = 1 if os.uname().sysname == "Darwin" else 1024


class Child:
    """Runs one command after the other, each to its end, and notes in `notes` that it has begun.

    Commands read and print where this process does. `line` leads to the supervisor. `keeps` asks the kernel for the
    orphans of a command, so that whatever it starts ends with it. `patience` is how many seconds a command may go on
    after the supervisor is gone, where it has no shorter time of its own.
    """

    def __init__(self, notes: NoteFile, line: int, *, keeps: bool, patience: float) -> None:
        self.notes = notes
        self._line = line
        self._patience = patience
        self._keeps = keeps
        self._kin = find_kin() if keeps else None
        self._folder = ""
        self._order: dict[str, Any] = {}
        self._alone_since: float | None = None
        self._ended_for = ""
        self._own = 0
        self.running: Note | None = None
        """What is noted of the command while it runs."""

    def run(self, order: dict[str, Any], note: Note, folder: str, head: bytes | None = None) -> None:
        """Run an order's command in a folder; its note says then how it ended, or why it could not be started.

        Between two commands the processor's caches hold nothing of ours, so that each function of ours or of the kernel
        that is needed here takes many times as long as elsewhere: only what must be done now is.
        """
        self._folder = folder
        note.began, note.began_at = time.monotonic(), time.time()
        try:
            leader = self._start(order, note)
        except OSError as error:
            note.error = error.errno or -1
            self.noted(note)
            return
        # A full disk is no reason to lose the command; its supervisor is told all the same.
        with suppress(OSError):
            self.notes.write_begun(note, head or note.head())
        self._order = order
        self._alone_since, self._ended_for = None, ""
        self.running = note
        if self._kin is None:
            # The leader stays unburied until its group is killed, so that its number cannot pass to a stranger.
            os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT)
            end_group(note.group)
        _, status, used = os.wait4(leader, 0)
        self.running = None
        note.wall = time.monotonic() - note.began
        note.cpu = used.ru_utime + used.ru_stime
        if self._kin is None:
            note.cpu += _end_rest()
        elif self._kin.anyone():
            note.cpu += self._kin.end(note.group)
        # A child begins its life in our memory, and the kernel counts that as its own: below our peak it says nothing.
        if used.ru_maxrss > self._own and used.ru_maxrss > self._look_at_own():
            note.peak = used.ru_maxrss * _MAXRSS_UNIT
        # A plain success is a status of zero.
        code = os.waitstatus_to_exitcode(status) if status else 0
        note.exit_code = code if code >= 0 else _SIGNALLED - code
        note.ended_for = self._ended_for

    def _look_at_own(self) -> int:
        self._own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return self._own

    def noted(self, note: Note) -> None:
        """Write a note for whoever comes after the supervisor."""
        with suppress(OSError):
            self.notes.write(note)

    def judge(self) -> None:
        """End the command when its time is over, or when nobody has asked after it for long."""
        if self.running is None:
            return
        now = time.monotonic()
        if _hung_up(self._line):
            self._alone_since = now if self._alone_since is None else self._alone_since
        limit = self._order["limit"]
        if limit is not None and now >= self.running.began + limit:
            self._end_for("time", self.running)
        elif self._alone_since is not None and now - self._alone_since >= self._patience:
            self._end_for("alone", self.running)

    def _start(self, order: dict[str, Any], note: Note) -> int:
        """Start an order's program in the folder, and note its group; gives its process id.

        One that may go without a shell is started by the shell all the same where it cannot be started otherwise: the
        shell goes on where the system gives up, or says in its words what is wrong.

        Here nothing keeps the interpreter's own call from being used, which is cheaper than the C library's by way of
        `ctypes`: there are no other threads to keep waiting, and the folder can be our own.
        """
        os.chdir(self._folder)
        program, arguments, environment = order["program"], order["arguments"], order["environment"]
        if order["shell"]:
            if self._kin is not None:
                with suppress(OSError, ValueError):
                    group = self._kin.group()
                    # What a shell adds.
                    alone = {**environment, b"PWD": os.getcwdb()}  # noqa: PTH109  # bytes, as all of it
                    leader = os.posix_spawn(
                        program, arguments, alone, setpgroup=group, setsigmask=(), setsigdef=_DEFAULT_SIGNALS
                    )
                    note.group = group
                    return leader
            program, arguments = order["shell"][0], order["shell"][1:]
        note.group = leader = _spawn(program, arguments, environment)
        return leader

    def _end_for(self, reason: str, note: Note) -> None:
        if not _is_unburied(note.group):
            return
        self._ended_for = reason
        if undo := self._order["undo"]:
            with suppress(OSError):
                _spawn(undo[0], undo, os.environ)
        elif self._keeps:
            kill(descendants([os.getpid()])[1:])
        end_group(note.group)


def _spawn(program: str, arguments: list[str], environment: Mapping[Any, Any]) -> int:
    """Start a program as the leader of a new session; gives its process id."""
    try:
        return os.posix_spawn(program, arguments, environment, setsid=True, setsigmask=(), setsigdef=_DEFAULT_SIGNALS)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from error


def _end_rest() -> float:
    """Kill and bury what is left of our children; gives the CPU seconds that they used."""
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
        kill(descendants([os.getpid()])[1:])
        time.sleep(_MOMENT)
    return spent


def _is_unburied(pid: int) -> bool:
    """Say whether a process is our child still, alive or not: its number is no stranger's then."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _hung_up(line: int) -> bool:
    poll = select.poll()
    poll.register(line, 0)
    return bool(poll.poll(0))
