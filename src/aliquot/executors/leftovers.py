"""Attempts that were begun by an owner that is gone, found again by what their shepherds noted."""

import threading
from dataclasses import dataclass
from pathlib import Path

from aliquot.executors.note import NOTE, Note, NoteFile
from aliquot.executors.owner import DeadOwner, dead_owners
from aliquot.executors.slot import end_shepherd, shepherd_lives


@dataclass(eq=False, slots=True)
class LeftAttempt:
    """An attempt that runs on or has ended without its supervisor: in which place, and what was noted of it."""

    owner: "LeftOwner"
    place: Path
    note: Note

    def clear(self) -> None:
        """Remove the note: from here on the place is no longer what the command has left."""
        (self.place / NOTE).unlink(missing_ok=True)

    def end(self) -> None:
        """End what still runs of it, and let go of its place."""
        end_shepherd(self.note)
        self.clear()
        self.owner.let_go(self)


class LeftOwner:
    """A dead owner with attempts of which each may still be wanted; it is buried with the last of them."""

    def __init__(self, dead: DeadOwner) -> None:
        self.name = dead.name
        self._dead = dead
        self.attempts = [LeftAttempt(self, place, note) for place, note in _notes(dead)]
        self._left = set(self.attempts)
        self._lock = threading.Lock()
        if not self._left:
            self._dead.bury()

    def let_go(self, attempt: LeftAttempt) -> None:
        """Note that nobody needs an attempt's place any more; with the last one, end the rest and remove everything."""
        with self._lock:
            last = self._left == {attempt}
            self._left.discard(attempt)
        if last:
            self._dead.bury()


def take_over(work: Path, runtime: str) -> list[LeftAttempt]:
    """Take charge of what the dead owners below `work` have left that used a runtime (none: processes).

    Owners without attempts are buried at once.
    """
    found: list[LeftAttempt] = []
    for dead in dead_owners(work):
        if dead.runtime == runtime:
            found += LeftOwner(dead).attempts
        else:
            dead.leave()
    return found


def _notes(dead: DeadOwner) -> list[tuple[Path, Note]]:
    """List the places of a dead owner in which a command runs, or has ended with nobody to take up what it made."""
    found: list[tuple[Path, Note]] = []
    if not dead.same_boot or not dead.folder.is_dir():
        return found
    for place in sorted(dead.folder.iterdir()):
        try:
            notes = NoteFile(place)
        except OSError:
            continue
        note = notes.read()
        notes.close()
        if note and (note.ended or shepherd_lives(note)):
            found.append((place, note))
    return found
