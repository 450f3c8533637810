"""A slot's shepherd as its supervisor sees it, and as the one sees it who comes after that supervisor."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import aliquot
from aliquot.executors.captured import CapturedLog
from aliquot.executors.note import NOTE, Note, NoteFile
from aliquot.executors.order import Answer, Order, RoundAnswer
from aliquot.executors.parcel import receive, send
from aliquot.executors.processes import descendants, memory_of, start_time, stat_fields
from aliquot.executors.turns import Turns
from aliquot.model.task import TaskDocument

PATIENCE = 24 * 3600.0
"""Seconds for which a command goes on when no supervisor comes back for it."""

_PROGRAM = "import sys; sys.path.insert(0, {root!r}); from aliquot.executors.shepherd import main; main()"
_LOOK = 0.02


class ShepherdLost(Exception):
    """The shepherd was ended from outside, and what it knew of the command is lost."""


class LayingFailed(OSError):
    """The shepherd could not lay out what the command needs."""


class Slot:
    """The place of one attempt after the other, with a shepherd that starts their commands.

    A command waits for its turn. `keeps` ends whatever a command starts together with it. The shepherd is started when
    it is first needed.
    """

    def __init__(
        self,
        place: Path,
        logs: tuple[CapturedLog, CapturedLog],
        turns: Turns,
        *,
        keeps: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        self._place = place
        self._handles = logs[0].handle, logs[1].handle, *turns.handles
        self._turns = turns
        self._seat = turns.seat()
        self._keeps = keeps
        self._patience = patience
        self._notes = NoteFile(place, create=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._task = (0, 0)
        self._sending = threading.Lock()

    def run(self, order: Order) -> Answer:
        """Have a command run to its end; `OSError` when it cannot be started, `ShepherdLost` with the shepherd.

        `LayingFailed` when its files cannot be put in place.
        """
        self._reserve()
        line = self._open()
        self._task = order.document.task, order.document.fence
        try:
            with self._sending:
                send(line, {"wish": "order"} | order.words())
            words = receive(line)
        except (BrokenPipeError, ConnectionResetError):
            words = None
        if words is None:
            self._lose()
            raise ShepherdLost
        note = Note(**words["note"])
        if note.error:
            raise (OSError if words["laid"] else LayingFailed)(note.error, os.strerror(note.error))
        return Answer(note, words["files"], words["silent"])

    def make(self, orders: Sequence[Order]) -> Iterator[RoundAnswer]:
        """Have the commands of a round made, one after the other; `LayingFailed` and `ShepherdLost` as of one."""
        self._reserve()
        line = self._open()
        over = False
        try:
            with self._sending:
                send(line, {"wish": "round", "orders": [order.words() for order in orders]})
            while not over and (words := receive(line)) is not None:
                over = words["over"]
                words["ended"] = [(number, Note(**note), files) for number, note, files in words["ended"]]
                yield RoundAnswer(**words)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            # Also when nobody listens any more: what it says next would be taken for another answer.
            if not over:
                self._lose()
        if not over:
            raise ShepherdLost

    def _reserve(self) -> None:
        try:
            with suppress(OSError):
                self._notes.reserve()
                return
            # What the last command has left may be what fills the disk, and just about to go.
            self.settle()
            self._notes.reserve()
        except OSError as error:
            raise LayingFailed(error.errno, error.strerror) from error

    def tidy(self) -> bool:
        """Have the shepherd empty the folder, and wait for it: others may need the room; False when there is none."""
        if not self._say("tidy"):
            return False
        self.settle()
        return True

    def settle(self) -> None:
        """Return when the shepherd has done all that was asked of it, so that the folder can be another's."""
        if self._line and self._say("settle"):
            with suppress(ConnectionResetError):
                receive(self._line.fileno())

    def _say(self, wish: str) -> bool:
        try:
            with self._sending:
                if self._line is None:
                    return False
                send(self._line.fileno(), {"wish": wish})
        except OSError:
            return False
        return True

    def signal(self, number: int) -> None:
        """Send a signal to the command; one that has not begun will not."""
        if note := self._current():
            signal_command(note, number)
        else:
            self.revoke()

    def revoke(self) -> None:
        """Have nothing begun that was not begun yet of what was asked for."""
        self._say("revoke")

    def command(self, document: TaskDocument) -> "Command":
        """Give the command of one of a round's attempts."""
        return Command(self, document.task, document.fence)

    def now(self) -> Note | None:
        """Give what is noted of the command that runs."""
        note = self._notes.read()
        return None if note is None or note.ended else note

    def since(self) -> float | None:
        """Give the moment on the monotonic clock at which the command began, None before."""
        note = self._current()
        return note.began if note else None

    def memory(self, *, exact: bool = False) -> int:
        """Give the bytes of memory that the command and all that it started hold; `exact` counts shared pages once."""
        note = self._current()
        return memory_under(note, exact=exact) if note else 0

    def clear(self) -> None:
        """Note that what the command has left was collected."""
        self._notes.clear()

    def close(self) -> None:
        """End the shepherd, which has nothing to do any more."""
        self._lose()
        self._notes.close()
        for name in (NOTE, "shepherd.log"):
            (self._place / name).unlink(missing_ok=True)

    def _current(self) -> Note | None:
        note = self.now()
        return note if note and (note.task, note.fence) == self._task else None

    def _open(self) -> int:
        if self._line is None:
            ours, theirs = socket.socketpair()
            root = str(Path(aliquot.__file__).parent.parent)
            command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM.format(root=root), str(self._place)]
            command += [*map(str, self._handles), str(self._seat), "keeps" if self._keeps else "-", str(self._patience)]
            with (self._place / "shepherd.log").open("wb") as complaints, theirs:
                self._process = subprocess.Popen(
                    [*command, "aliquot-shepherd"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=complaints,
                    cwd="/",
                    pass_fds=self._handles,
                    start_new_session=True,
                )
            self._line = ours
        return self._line.fileno()

    def _lose(self) -> None:
        if self._line and self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
            # Others may be about to say something: the number of a closed line can be a file of theirs a moment later.
            with self._sending:
                self._line.close()
                self._line = None
            self._process.wait()
            self._process = None
            self._turns.recover(self._seat)


class Command:
    """The command of one attempt of several in a slot; `signal`, `since` and `memory` are as of a slot."""

    def __init__(self, slot: Slot, task: int, fence: int) -> None:
        self._slot = slot
        self._whose = task, fence

    def signal(self, number: int) -> None:
        """Send a signal to the command if it runs."""
        if note := self._note():
            signal_command(note, number)

    def since(self) -> float | None:
        """Give the moment on the monotonic clock at which the command began, None when it does not run."""
        note = self._note()
        return note.began if note else None

    def memory(self, *, exact: bool = False) -> int:
        """Give the bytes of memory that the command and all that it started hold."""
        note = self._note()
        return memory_under(note, exact=exact) if note else 0

    def _note(self) -> Note | None:
        note = self._slot.now()
        return note if note and (note.task, note.fence) == self._whose else None


class LeftSlot:
    """A slot whose supervisor is gone: its attempt, and its shepherd if that lives."""

    def __init__(self, place: Path) -> None:
        self._notes = NoteFile(place)

    def note(self) -> Note | None:
        """Give what was noted of the slot's last attempt."""
        return self._notes.read()

    def since(self) -> float | None:
        """Give the moment on the monotonic clock at which the command began."""
        note = self.note()
        return note.began if note else None

    def wait(self) -> Note:
        """Return when nothing of the command is left; `ShepherdLost` when nobody knows how it ended."""
        whose = None
        while (note := self.note()) is not None:
            if whose not in {None, (note.task, note.fence)}:
                # The supervisor went just as its shepherd began the next attempt of a round.
                break
            whose = note.task, note.fence
            if note.ended:
                return note
            if not shepherd_lives(note):
                # It may have noted the end and gone between our two looks.
                note = self.note()
                if note is not None and note.ended:
                    return note
                break
            _wait_for(note.shepherd)
        raise ShepherdLost

    def signal(self, number: int) -> None:
        """Send a signal to the command, if it runs."""
        note = self.note()
        if note and not note.ended:
            signal_command(note, number)

    def memory(self, *, exact: bool = False) -> int:
        """Give the bytes of memory that the command and all that it started hold; `exact` counts shared pages once."""
        note = self.note()
        return memory_under(note, exact=exact) if note and not note.ended else 0

    def close(self) -> None:
        """Let go of the note's file."""
        self._notes.close()


def shepherd_lives(note: Note) -> bool:
    """Say whether the shepherd that wrote a note is still there."""
    fields = stat_fields(note.shepherd)
    return bool(fields) and fields[0] not in {b"Z", b"X"} and start_time(note.shepherd) == note.shepherd_since


def signal_command(note: Note, number: int) -> None:
    """Send a signal to a command's group, as long as its number is that of a child of the shepherd."""
    fields = stat_fields(note.group) if note.group else []
    if fields and int(fields[1]) == note.shepherd:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(note.group, number)


def memory_under(note: Note, *, exact: bool) -> int:
    """Give the bytes of memory that the processes under a shepherd hold."""
    below = [pid for pid in descendants([note.shepherd]) if pid != note.shepherd]
    return memory_of(below, exact=exact)


def end_shepherd(note: Note) -> None:
    """End a shepherd that nobody needs, with its command."""
    if shepherd_lives(note):
        for pid in descendants([note.shepherd]):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _wait_for(pid: int) -> None:
    """Return when a process that is not our child has ended, or after a moment."""
    try:
        handle = os.pidfd_open(pid)
    except (OSError, AttributeError):
        time.sleep(_LOOK)
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(1000)
    finally:
        os.close(handle)
