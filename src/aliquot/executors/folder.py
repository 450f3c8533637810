"""The folder that commands work in, arranged for one after the other. Loaded by the shepherd's program, too."""

# Plain text paths throughout: all of this is done for every task, however small.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH208

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

PARTS = ("in", "out", "bundle", "tmp")
"""The directories that every command finds."""

DOCUMENT = "task.json"
"""What every command finds beside them."""

_NONE: dict[str, int] = {}
_LONG_AGO = 3_000_000_000
_US = os.geteuid()


@dataclass(slots=True)
class Document:
    """A `task.json` that is written again for each command: its open file, what it is known by, and its bytes."""

    handle: int
    identity: tuple[int, ...]
    size: int = 0


class Folder:
    """A folder that is used again: emptied after each attempt, its directories kept.

    Making and deleting many directories is slow. `shared` lets any user write where a command may write, for images
    with users of their own.
    """

    def __init__(self, path: str, *, shared: bool = False) -> None:
        self.path = path
        self._shared = shared
        # For each directory that was made: the names of the directories in it, with their rights.
        self._made: dict[str, dict[str, int]] = {}
        # Directories that were seen to hold nothing else, by the time of their last change, in nanoseconds. When that
        # is the same again, nothing has come or gone. It was long ago then: clocks of file systems are coarse.
        self._still: dict[str, int] = {}
        self._document: Document | None = None
        self.used = True
        """Says that it may hold what a command has left."""

    def doubt(self) -> None:
        """Look at the folder again before it is used: somebody else was at work in it."""
        self.used = True

    def arrange(self, files: Iterable[str]) -> None:
        """Make the directories that these files need, in a folder that is clean from here on until it is used."""
        if self.used:
            self.clean()
        self.used = True
        wanted: dict[str, None] = dict.fromkeys(PARTS)
        for place in files:
            while (cut := place.rfind("/")) > 0 and (place := place[:cut]) not in wanted:
                wanted[place] = None
        here = {f"{parent}/{name}" if parent else name for parent, names in self._made.items() for name in names}
        if here != wanted.keys():
            self._change(here, set(wanted))

    def _change(self, here: set[str], wanted: set[str]) -> None:
        """Remove directories that the next attempt has no use for, and make those that are missing."""
        for place in sorted(here - wanted):
            if place.rpartition("/")[2] in self._made.get(place.rpartition("/")[0], _NONE):
                remove(f"{self.path}/{place}")
                self._forget(place)
        for place in sorted(wanted - here):
            self._make(place)

    def clean(self) -> None:
        """Empty the folder; what cannot be emptied is put aside, and a new folder is made."""
        try:
            self._empty("", os.lstat(self.path).st_ctime_ns)
        except OSError:
            with suppress(FileNotFoundError):
                os.rename(self.path, f"{self.path}.aside-{os.urandom(4).hex()}")
            os.mkdir(self.path)
            self._made.clear()
            self._still.clear()
            self._let_go()
        self.used = False

    def _empty(self, place: str, changed: int) -> None:
        """Empty one directory, which was last `changed` then, save for what the next attempt will find useful."""
        path = f"{self.path}/{place}" if place else self.path
        kept = self._made.get(place, _NONE)
        if self._still.get(place) == changed:
            names = [*kept, DOCUMENT] if self._document and not place else list(kept)
        else:
            names = os.listdir(path)
        gone = dict.fromkeys(kept)
        strangers = False
        for name in names:
            inner = f"{place}/{name}" if place else name
            if name in kept:
                found = os.lstat(f"{path}/{name}")
                if found.st_mode == kept[name] and found.st_uid == _US:
                    del gone[name]
                    self._empty(inner, found.st_ctime_ns)
                    continue
            if not place and name == DOCUMENT and self._keeps_document():
                continue
            strangers = True
            _drop(f"{path}/{name}")
        for name in gone:
            self._forget(f"{place}/{name}" if place else name)
        if not place and DOCUMENT not in names:
            self._let_go()
        if strangers or gone or time.time_ns() - changed < _LONG_AGO:
            self._still.pop(place, None)
        else:
            self._still[place] = changed

    def write_document(self, data: bytes, mode: int) -> None:
        """Write `task.json`, over that of the last command where it still lies there."""
        if self._document is None:
            handle = os.open(f"{self.path}/{DOCUMENT}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            self._document = Document(handle, _identity(os.fstat(handle)))
        written = os.pwrite(self._document.handle, data, 0)
        while written < len(data):
            written += os.pwrite(self._document.handle, data[written:], written)
        if self._document.size > len(data):
            os.ftruncate(self._document.handle, len(data))
        self._document.size = len(data)

    def _keeps_document(self) -> bool:
        """Say whether `task.json` is the one that we have written, and nothing else is; lets go of it otherwise."""
        found = os.lstat(f"{self.path}/{DOCUMENT}")
        if self._document and _identity(found) == self._document.identity:
            self._document.size = found.st_size
            return True
        self._let_go()
        return False

    def _let_go(self) -> None:
        if self._document:
            os.close(self._document.handle)
            self._document = None

    def _forget(self, place: str) -> None:
        """Note that a directory is there no more, nor what was below it."""
        parent, _, name = place.rpartition("/")
        del self._made[parent][name]
        self._still.pop(parent, None)
        for each in [each for each in self._made if each == place or each.startswith(f"{place}/")]:
            del self._made[each]
            self._still.pop(each, None)

    def _make(self, place: str) -> None:
        path = f"{self.path}/{place}"
        try:
            os.mkdir(path)
        except FileExistsError:
            remove(path)
            os.mkdir(path)
        if self._shared:
            # An image's own user has to read everything and to write here and there, whatever our umask says.
            os.chmod(path, 0o777 if place in {"out", "tmp"} else 0o755)
        parent, _, name = place.rpartition("/")
        self._made.setdefault(parent, {})[name] = os.lstat(path).st_mode


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_nlink, found.st_mode, found.st_uid


def _drop(path: str) -> None:
    """Remove what a command has left in a place."""
    try:
        os.unlink(path)
    except (IsADirectoryError, PermissionError):
        # Some systems say of a directory that one may not.
        remove(path)


def write(path: str, data: bytes | memoryview, mode: int = 0o644) -> None:
    """Write a new file, in few system calls."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def remove(path: str) -> None:
    """Remove a file or a whole directory, without following links, and whatever a command did to its rights."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(path)
        return
    # An explicit stack: a command can nest directories deeper than Python can call.
    stack = [path]
    while stack:
        top = stack[-1]
        with suppress(PermissionError):
            os.chmod(top, 0o700)
        with os.scandir(top) as entries:
            inner = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for each, is_folder in inner:
            if is_folder:
                stack.append(each)
            else:
                os.unlink(each)
        if stack[-1] == top:
            os.rmdir(top)
            stack.pop()
