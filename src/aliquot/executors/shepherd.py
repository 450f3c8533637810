"""The program that starts the commands of one slot, one after the other, and that outlives its supervisor.

Only its parent learns from the kernel how a process ended. A shepherd is that parent: small, with nothing to lose,
and still there when the supervisor was killed. It notes how the attempt stands in a file, ends everything that a
command leaves behind, and goes when its supervisor is gone and its command has ended. Orders come on standard input;
each is answered with a note when nothing of the command is left. Where inputs and results are small, the shepherd
lays out the ones and takes up the others, and empties the folder when it has handed them over.

Commands take turns: a pipe that all shepherds of an executor share holds as many bytes as commands may run at once.
Who takes one may start, and puts it back at the end, so that the next command starts without asking the supervisor.
That of a shepherd that was killed is put back by its supervisor (see `turns`).

A command that nobody asks after is ended when its own time is over, or else when its shepherd was alone for long.
"""

import ctypes
import errno
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aliquot.executors.folder import Folder
from aliquot.executors.note import Note, NoteFile
from aliquot.executors.parcel import gather, lay, receive, send
from aliquot.executors.processes import descendants, start_time
from aliquot.executors.turns import Seat

_LINE = 0
_SET_CHILD_SUBREAPER = 36
_SIGNALLED = 128
_DEADLINE = 10.0
_MOMENT = 0.002
_TICK = 5.0
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAXRSS_UNIT = 1 if os.uname().sysname == "Darwin" else 1024


class Shepherd:
    """Serves one slot's orders.

    `keeps` asks the kernel for the orphans of the command, so that whatever it starts ends with it. `patience` is how
    many seconds a command may go on after the supervisor is gone, where it has no shorter time of its own.
    """

    def __init__(
        self, place: str, logs: tuple[int, int], turns: tuple[int, int, int], seat: int, *, keeps: bool, patience: float
    ) -> None:
        self._note = NoteFile(Path(place))
        self._folder = Folder(f"{place}/task")
        self._logs = logs
        self._streams = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, logs[0], 1),
            (os.POSIX_SPAWN_DUP2, logs[1], 2),
        ]
        self._since = start_time(os.getpid()) or 0
        self._turns = turns[0]
        self._seat = Seat(turns, seat)
        self._patience = patience
        self._keeps = keeps
        self._running: Note | None = None
        self._undo: list[str] = []
        self._until = 0.0
        self._alone_since: float | None = None
        self._ended_for = ""
        if keeps:
            with suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGALRM, lambda *_: self._judge())
        signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)

    def serve(self) -> None:
        """Carry out orders until the supervisor is gone; what its last command left stays for whoever comes next."""
        with suppress(BrokenPipeError):
            self._serve()

    def _serve(self) -> None:
        while (words := receive(_LINE)) is not None:
            match words["wish"]:
                case "order":
                    self._answer(words)
                case "tidy":
                    self._tidy()
                case "settle":
                    # All that was asked for before has been done: the folder may be another's.
                    send(_LINE, {})
                case _:
                    # It came too late to revoke anything.
                    pass

    def _answer(self, order: dict[str, Any]) -> None:
        note, laid = self._carry_out(order)
        files = None
        if note.exit_code == 0 and not note.ended_for and note.wall < order["gathers"]:
            files = gather(f"{self._folder.path}/out")
        if files is None and note.exit_code is not None:
            self._noted(note)
        answer = {
            "note": note.fields(),
            "laid": laid,
            "silent": not any(os.fstat(log).st_size for log in self._logs),
            "files": files,
        }
        try:
            send(_LINE, answer)
        except BrokenPipeError:
            if files is not None:
                self._noted(note)
            raise
        if files is not None:
            self._tidy()

    def _tidy(self) -> None:
        """Empty the place for the next command: nobody needs what the last one has left."""
        # What cannot be emptied now is tried again with the next order, and told then.
        with suppress(OSError):
            self._note.clear()
            self._folder.clean()

    def _carry_out(self, order: dict[str, Any]) -> tuple[Note, bool]:
        """Run a command; gives how it ended, and whether its folder could be laid out."""
        whose = {name: order[name] for name in ("task", "fence", "key", "name", "image")}
        note = Note(**whose, shepherd=os.getpid(), shepherd_since=self._since)
        if order["files"] is not None:
            try:
                if order["doubt"]:
                    self._folder.doubt()
                lay(self._folder, order["files"])
            except OSError as error:
                note.error = error.errno or -1
                return note, False
        if self._take_turn():
            try:
                self._run(order, note)
            finally:
                self._seat.give()
        else:
            note.error = errno.ECANCELED
        return note, True

    def _take_turn(self) -> bool:
        """Wait until one more command may run; says False when the order was revoked, or the supervisor is gone."""
        while not self._seat.take():
            poll = select.poll()
            poll.register(self._turns, select.POLLIN)
            poll.register(_LINE, select.POLLIN)
            if _LINE in dict(poll.poll()):
                receive(_LINE)
                return False
        return True

    def _run(self, order: dict[str, Any], note: Note) -> None:
        note.began, note.began_at = time.monotonic(), time.time()
        try:
            note.leader = leader = self._spawn(order["program"], order["arguments"], order["environment"])
        except OSError as error:
            note.error = error.errno or -1
            self._noted(note)
            return
        self._noted(note)
        self._undo = order["undo"]
        self._until = note.began + order["limit"] if order["limit"] is not None else float("inf")
        self._running, self._alone_since, self._ended_for = note, None, ""
        # The leader stays unburied until its group is killed, so that its number cannot pass to a stranger.
        os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT)
        self._running = None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        _, status, used = os.wait4(leader, 0)
        note.wall = time.monotonic() - note.began
        note.cpu = used.ru_utime + used.ru_stime + self._end_rest()
        # A child begins its life in our memory, and the kernel counts that as its own: below our peak it says nothing.
        if used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            note.peak = used.ru_maxrss * _MAXRSS_UNIT
        code = os.waitstatus_to_exitcode(status)
        note.exit_code = code if code >= 0 else _SIGNALLED - code
        note.ended_for = self._ended_for

    def _spawn(self, program: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        """Start a program as the leader of a new session in the folder; gives its process id.

        Here nothing keeps the interpreter's own call from being used, which is cheaper than the C library's by way of
        `ctypes`: there are no other threads to keep waiting, and the folder can be our own.
        """
        os.chdir(self._folder.path)
        try:
            return os.posix_spawn(
                program, arguments, environment,
                file_actions=self._streams, setsid=True, setsigmask=(), setsigdef=_DEFAULT_SIGNALS,
            )  # fmt: skip
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error

    def _noted(self, note: Note) -> None:
        # A full disk is no reason to lose the command; its supervisor is told all the same.
        with suppress(OSError):
            self._note.write(note)

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

    def _judge(self) -> None:
        """End the command when its time is over, or when nobody has asked after it for long."""
        if self._running is None:
            return
        now = time.monotonic()
        if _hung_up(_LINE):
            self._alone_since = now if self._alone_since is None else self._alone_since
        if now >= self._until:
            self._end_for("time")
        elif self._alone_since is not None and now - self._alone_since >= self._patience:
            self._end_for("alone")

    def _end_for(self, reason: str) -> None:
        assert self._running is not None
        self._ended_for = reason
        if self._undo:
            with suppress(OSError):
                self._spawn(self._undo[0], self._undo, os.environ)
        elif self._keeps:
            _kill(descendants([os.getpid()])[1:])
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._running.leader, signal.SIGKILL)


def _hung_up(line: int) -> bool:
    poll = select.poll()
    poll.register(line, 0)
    return bool(poll.poll(0))


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Serve the slot that the command line names: `PLACE STDOUT STDERR TAKE GIVE MARKS SEAT KEEPS PATIENCE`."""
    place, *numbers, keeps, patience = sys.argv[1:10]
    stdout, stderr, take, give, marks, seat = map(int, numbers)
    for handle in (stdout, stderr, take, give, marks):
        # They came to us through an exec, and would go on to the command.
        os.set_inheritable(handle, False)
    # An interrupted terminal, a stopped service: the supervisor is told as well, and decides.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    kept, turns = keeps == "keeps", (take, give, marks)
    Shepherd(place, (stdout, stderr), turns, seat, keeps=kept, patience=float(patience)).serve()
