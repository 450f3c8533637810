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

import errno
import gc
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from aliquot.executors.child import Child
from aliquot.executors.note import Note, NoteFile
from aliquot.executors.parcel import gather, lay, receive, send
from aliquot.executors.processes import start_time
from aliquot.executors.shepherd_round import LONG, Folders, Round, printed
from aliquot.executors.turns import Seat

_TICK = 5.0
_SELDOM = 50_000


class Shepherd:
    """Serves one slot's orders, which come by `line`; `keeps` and `patience` are as of `Child`."""

    def __init__(
        self, place: str, line: int, turns: tuple[int, int, int], seat: int, *, keeps: bool, patience: float
    ) -> None:
        self._note = NoteFile(Path(place))
        self._folders = Folders(place)
        self._folder = self._folders[0]
        self._line = line
        self._child = Child(self._note, line, keeps=keeps, patience=patience)
        self._since = start_time(os.getpid()) or 0
        self._turns = turns[0]
        self._seat = Seat(turns, seat)
        self._round: Round | None = None
        signal.signal(signal.SIGALRM, lambda *_: self._look())
        signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)

    def serve(self) -> None:
        """Carry out orders until the supervisor is gone; what its last command left stays for whoever comes next."""
        with suppress(BrokenPipeError):
            self._serve()

    def _serve(self) -> None:
        while (words := receive(self._line)) is not None:
            match words["wish"]:
                case "order":
                    self._answer(words)
                case "round":
                    self._make_round(words["orders"])
                case "tidy":
                    self._tidy()
                case "settle":
                    # All that was asked for before has been done: the folder may be another's.
                    send(self._line, {})
                case _:
                    # It came too late to revoke anything.
                    pass

    def _answer(self, order: dict[str, Any]) -> None:
        note, laid = self._carry_out(order)
        files = None
        if note.exit_code == 0 and not note.ended_for and note.wall < order["gathers"]:
            files = gather(f"{self._folder.path}/out")
        if files is None and note.exit_code is not None:
            self._child.noted(note)
        answer = {
            "note": note.fields(),
            "laid": laid,
            "silent": not printed(),
            "files": files,
        }
        try:
            send(self._line, answer)
        except BrokenPipeError:
            if files is not None:
                self._child.noted(note)
            raise
        if files is not None:
            self._tidy()

    def _make_round(self, orders: list[dict[str, Any]]) -> None:
        """Make several small attempts, one after the other, in one turn."""
        made = Round(orders, self._folders, self._child, self._line, self._new_note)
        if made.lay_out() and self._take_turn():
            self._round = made
            signal.setitimer(signal.ITIMER_REAL, LONG, LONG)
            try:
                made.work()
            finally:
                self._round = None
                signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
                self._seat.give()
        made.answer()

    def _tidy(self) -> None:
        """Empty the place for the next command: nobody needs what the last one has left."""
        # What cannot be emptied now is tried again with the next order, and told then.
        with suppress(OSError):
            self._note.clear()
            self._folders.clean()

    def _new_note(self, order: dict[str, Any]) -> Note:
        whose = {name: order[name] for name in ("task", "fence", "key", "name", "image")}
        return Note(**whose, shepherd=os.getpid(), shepherd_since=self._since)

    def _carry_out(self, order: dict[str, Any]) -> tuple[Note, bool]:
        """Run a command; gives how it ended, and whether its folder could be laid out."""
        note = self._new_note(order)
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
                self._child.run(order, note, self._folder.path)
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
            poll.register(self._line, select.POLLIN)
            if self._line in dict(poll.poll()):
                receive(self._line)
                return False
        return True

    def _look(self) -> None:
        """Look after what runs; called by the timer."""
        self._child.judge()
        if self._round:
            self._round.cut()


def main() -> None:
    """Serve the slot that the command line names: `PLACE STDOUT STDERR TAKE GIVE MARKS SEAT KEEPS PATIENCE`."""
    place, *numbers, keeps, patience = sys.argv[1:10]
    stdout, stderr, take, give, marks, seat = map(int, numbers)
    for handle in (take, give, marks):
        # They came to us through an exec, and would go on to the command.
        os.set_inheritable(handle, False)
    # An interrupted terminal, a stopped service: the supervisor is told as well, and decides.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # There are hardly any cycles here, and to look for them would come between two commands now and then.
    gc.freeze()
    gc.set_threshold(_SELDOM)
    kept, turns = keeps == "keeps", (take, give, marks)
    line = _stand_in(stdout, stderr)
    Shepherd(place, line, turns, seat, keeps=kept, patience=float(patience)).serve()


def _stand_in(stdout: int, stderr: int) -> int:
    """Take the place of the commands to come, which then need not be led to their logs; gives the line that was input.

    What this process itself has to complain of goes where it went, save for what is no Python's.
    """
    line = os.dup(0)
    sys.stderr = os.fdopen(os.dup(2), "w")
    null = os.open(os.devnull, os.O_RDONLY)
    for handle, number in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(handle, number)
        os.close(handle)
    return line
