"""What a shepherd notes of the attempt that it looks after: one small file, for whoever comes after its supervisor."""

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTE = "note"
"""The name of a slot's note in its place."""

_SIZE = 1024
_TRIES = 50


@dataclass
class Note:
    """An attempt under a shepherd: whose it is, since when it runs, and how it ended.

    `name` and `image` are those of its container, if it has one; `folder` is the one that it works in, beside the note.
    `group` is the number of the command's group of processes, and that of a child of its shepherd; 0 before it begins.
    `began` is on the machine's monotonic clock, `began_at` on the wall's. `exit_code` is as a shell gives it, and None
    while the command runs; `wall` and `cpu` are seconds, `peak` bytes of memory. `ended_for` says why the shepherd
    itself ended the command: `time`, `alone` or nothing. `error` is the number of the system's error that kept it from
    starting.
    """

    task: int
    fence: int
    key: str
    name: str
    image: str
    shepherd: int
    shepherd_since: int
    folder: str = "task"
    group: int = 0
    began: float = 0.0
    began_at: float = 0.0
    error: int = 0
    exit_code: int | None = None
    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    ended_for: str = ""

    @property
    def ended(self) -> bool:
        """Say whether nothing of the attempt is left."""
        return self.exit_code is not None or bool(self.error)

    def fields(self) -> dict[str, Any]:
        """Give the note as JSON has it."""
        return vars(self)

    def head(self) -> bytes:
        """Write what is known before the command begins: the first part of `to_json`, and of what is noted first."""
        return json.dumps({name: value for name, value in vars(self).items() if name not in _LATER}).encode()[:-1]

    def begun(self, head: bytes) -> bytes:
        """Write the note of a command that has just begun, after what was written before.

        Between two commands an encoder would have to find its way into the processor's caches again.
        """
        return b'%b, "group": %d, "began": %r, "began_at": %r}' % (head, self.group, self.began, self.began_at)

    def to_json(self) -> bytes:
        """Write the note as its file holds it."""
        return json.dumps(vars(self)).encode()


_LATER = {"group", "began", "began_at", "error", "exit_code", "wall", "cpu", "peak", "ended_for"}


def from_json(text: bytes) -> Note:
    """Read a note that `to_json` wrote."""
    return Note(**json.loads(text.decode()))


class NoteFile:
    """The file of one slot's note. It is written in place; a sum tells a reader who comes in the middle to look again.

    It survives the death of any process, which is all that it is for: nothing that it speaks of outlives the machine.
    """

    def __init__(self, place: Path, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        self._handle = os.open(place / NOTE, flags, 0o600)
        self._reserved = False

    def reserve(self) -> None:
        """Make sure of the note's room on the disk, so that it can be written when the disk is full."""
        if not self._reserved:
            os.posix_fallocate(self._handle, 0, _SIZE)
            self._reserved = True

    def write(self, note: Note) -> None:
        """Note how the attempt stands."""
        self._write(note.to_json())

    def write_begun(self, note: Note, head: bytes) -> None:
        """Note that the command has begun; `head` is as `Note.head` gives it."""
        self._write(note.begun(head))

    def _write(self, text: bytes) -> None:
        os.pwrite(self._handle, (b"%08x" % zlib.crc32(text) + text).ljust(_SIZE), 0)

    def clear(self) -> None:
        """Note that the attempt was collected, and that its place is used again."""
        try:
            os.pwrite(self._handle, b" " * 8, 0)
        except OSError:
            # Some file systems need room even for what is there already; an empty file says the same, and needs none.
            self._reserved = False
            os.ftruncate(self._handle, 0)

    def read(self) -> Note | None:
        """Give what was noted last, None when there is nothing."""
        for _ in range(_TRIES):
            found = os.pread(self._handle, _SIZE, 0).rstrip(b" \0")
            if not found or found.startswith(b" "):
                return None
            if found[:8] == b"%08x" % zlib.crc32(found[8:]):
                return from_json(found[8:])
        return None

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
