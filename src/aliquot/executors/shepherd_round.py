"""Several small attempts that a shepherd makes one after the other, in folders of their own: a round.

All are laid out before the first begins, and taken up together after the last: between two commands little is done,
and what is done many times over finds its code and data in the processor's caches.
"""

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aliquot.executors.child import Child
from aliquot.executors.folder import Folder
from aliquot.executors.note import Note
from aliquot.executors.parcel import gather, lay, receive, send

LONG = 0.5
"""Seconds after which a round makes no further attempt; what waits behind a long command is given back then."""


class Folders:
    """The folders of one slot: `task`, `task-1`, … in its place, made when they are first needed."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._folders = [Folder(f"{place}/task")]

    def __getitem__(self, number: int) -> Folder:
        while len(self._folders) <= number:
            self._folders.append(Folder(f"{self._place}/task-{len(self._folders)}"))
        return self._folders[number]

    def clean(self) -> None:
        """Empty those that were used."""
        for folder in self._folders:
            if folder.used:
                folder.clean()


class Round:
    """The orders of one round. It ends early after a command that prints, fails or takes long, or when it is revoked.

    Attempts are answered with their notes and results; those after the last that was begun go back.
    """

    def __init__(
        self, orders: list[dict[str, Any]], folders: Folders, child: Child, line: int,
        new_note: Callable[[dict[str, Any]], Note],
    ) -> None:  # fmt: skip
        self._orders = orders
        self._folders = folders
        self._child = child
        self._line = line
        self._new_note = new_note
        self._notes: list[tuple[Note, bytes, str]] = []
        self._ended: list[tuple[int, Note]] = []
        self._begun = 0
        self._last = len(orders)
        self._began = 0.0
        self._error = 0

    def lay_out(self) -> bool:
        """Lay the attempts out, up to the first with which it cannot be done; says whether there is one to begin."""
        for number, order in enumerate(self._orders):
            folder = self._folders[number]
            try:
                if order["doubt"]:
                    folder.doubt()
                lay(folder, order["files"])
                note = self._new_note(order)
                note.folder = folder.path.rpartition("/")[2]
                self._notes.append((note, note.head(), folder.path))
            except OSError as error:
                self._last = number
                self._error = 0 if number else error.errno or -1
                break
        return self._last > 0

    def work(self) -> None:
        """Make one after the other."""
        self._began = time.monotonic()
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        while self._begun < self._last:
            number = self._begun
            self._begun += 1
            note, head, folder = self._notes[number]
            self._child.run(self._orders[number], note, folder, head)
            self._ended.append((number, note))
            if self._begun == self._last or note.exit_code != 0 or note.ended_for or printed():
                return
            if time.monotonic() - self._began >= LONG:
                return
            if poll.poll(0):
                receive(self._line)
                return

    def cut(self) -> None:
        """Give back what waits behind a command that takes long, and answer what came before it."""
        if self._child.running is None or time.monotonic() - self._began < LONG:
            return
        if self._begun < self._last or self._ended:
            self._last = self._begun
            # What nobody is there to take is made again; who comes next finds the one that runs.
            with suppress(BrokenPipeError):
                self.answer(over=False)

    def answer(self, *, over: bool = True) -> None:
        """Answer what was made since the last time, and empty the folders of what was taken up."""
        # Once and for all: while the supervisor lets us wait, the timer comes again, in the middle of what we say.
        ended, self._ended = self._ended, []
        answers = [(number, note.fields(), self._gathered(number, note)) for number, note in ended]
        last = ended[-1][1] if ended and over else None
        stays = last is not None and answers[-1][2] is None
        if last and stays and last.exit_code is not None:
            self._child.noted(last)
        try:
            send(
                self._line,
                {
                    "ended": answers,
                    "begun": self._begun,
                    "over": over,
                    "silent": not printed(),
                    "error": self._error,
                },
            )
        except BrokenPipeError:
            if last:
                self._child.noted(last)
            raise
        # What cannot be emptied now is tried again with the next order, and told then.
        with suppress(OSError):
            if last and not stays:
                self._child.notes.clear()
            for number, _, files in answers:
                if files is not None:
                    self._folders[number].clean()

    def _gathered(self, number: int, note: Note) -> list[tuple[str, bytes]] | None:
        """Take up what a command has left, if it went as most do."""
        if note.exit_code != 0 or note.ended_for or note.wall >= self._orders[number]["gathers"]:
            return None
        return gather(f"{self._folders[number].path}/out")


def printed() -> bool:
    """Say whether there is anything in the logs, where commands print as this process would."""
    # Logs are appended to, wherever the offset is; and a number is less to make than all that is known of a file.
    return os.lseek(1, 0, os.SEEK_END) > 0 or os.lseek(2, 0, os.SEEK_END) > 0
