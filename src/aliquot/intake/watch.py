"""Waking up when something happens in a folder. Events are hints: a listing alone is believed."""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import (
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_CREATED,
    EVENT_TYPE_DELETED,
    EVENT_TYPE_MODIFIED,
    EVENT_TYPE_MOVED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

# Reading a file makes events, too, by which our own work would wake us.
_TELLING = {EVENT_TYPE_CREATED, EVENT_TYPE_MODIFIED, EVENT_TYPE_MOVED, EVENT_TYPE_CLOSED, EVENT_TYPE_DELETED}


# Of its own end it says something to the terminal now and then, which is nothing to anybody.
logging.getLogger("watchdog").addHandler(logging.NullHandler())

_SHARES = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "virtiofs"}


class Wake:
    """Returns early from waiting when something may have changed in one of the folders.

    Folders may vanish and come back; each wait sees to it that those which are there are watched. Where the system
    gives no watches, waiting just takes its whole time.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._changed = threading.Event()
        self._touched: set[Path] = set()
        self.unwatched: dict[Path, str] = {}
        """The folders in which the system cannot tell of changes, and why; they are looked at by the clock alone."""
        self._observer: BaseObserver | None = None
        self._watched: dict[Path, tuple[tuple[int, int], ObservedWatch]] = {}
        self._arm()

    def wait(self, seconds: float) -> bool:
        """Wait for so many seconds, or less; say whether something woke us."""
        self._arm()
        woken = self._changed.wait(max(0.0, seconds))
        self._changed.clear()
        return woken

    def touched(self) -> set[Path]:
        """Give the folders in which something may have changed since the last time that this was asked."""
        touched, self._touched = self._touched, set()
        return touched

    def wake(self) -> None:
        """End a wait, from any thread."""
        self._changed.set()

    def close(self) -> None:
        """Let go of all watches; a wait ends."""
        self._changed.set()
        if self._observer:
            self._observer.stop()
            self._observer.join()

    def _observed(self) -> BaseObserver | None:
        """Give what watches; None, and it is told, where the system gives no more of it: the next time it may."""
        if self._observer is None:
            try:
                observer = Observer()
            except OSError as error:
                self.unwatched |= dict.fromkeys(self._folders, error.strerror or str(error))
                return None
            observer.start()
            self._observer = observer
        return self._observer

    def _arm(self) -> None:
        observer = self._observed()
        if observer is None:
            return
        for folder in self._folders:
            now = _identity(folder)
            before = self._watched.get(folder)
            if before and before[0] == now:
                continue
            if before:
                del self._watched[folder]
                observer.unschedule(before[1])
            if now is None:
                continue
            try:
                watch = observer.schedule(_Waker(folder, self._touch), str(folder), recursive=True)
            except OSError as error:
                # No watches left, or the folder has just gone: the next listing will tell.
                self.unwatched[folder] = error.strerror or str(error)
                continue
            self._watched[folder] = (now, watch)
            self.unwatched.pop(folder, None)
            if remote := _remote(folder):
                self.unwatched[folder] = f"it lies on {remote}, where other machines' changes are not told"
            # What came before the watch was there makes no event.
            self._touch(folder)

    def _touch(self, folder: Path) -> None:
        # A set of its own for each asking: what is added while it is taken away is in one of the two.
        self._touched.add(folder)
        self._changed.set()


class _Waker(FileSystemEventHandler):
    def __init__(self, folder: Path, touch: Callable[[Path], None]) -> None:
        self._folder = folder
        self._touch = touch

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _TELLING and "/.archive" not in os.fsdecode(event.src_path):
            self._touch(self._folder)


def _remote(folder: Path) -> str | None:
    """Name the kind of network share on which a folder lies, if it does."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        place = folder.resolve()
    except OSError:
        return None
    within = [(len(each[1]), each[2]) for each in mounts if len(each) > 2 and place.is_relative_to(_unescaped(each[1]))]
    kind = max(within)[1] if within else ""
    return kind if kind in _SHARES or kind.startswith("fuse.") else None


def _unescaped(text: str) -> str:
    return text.encode().decode("unicode_escape") if "\\" in text else text


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
