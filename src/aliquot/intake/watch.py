"""Waking up when something happens in a folder. Events are hints: a listing alone is believed."""

import os
import threading
from collections.abc import Iterable
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
from watchdog.observers.api import ObservedWatch

# Reading a file makes events, too, by which our own work would wake us.
_TELLING = {EVENT_TYPE_CREATED, EVENT_TYPE_MODIFIED, EVENT_TYPE_MOVED, EVENT_TYPE_CLOSED, EVENT_TYPE_DELETED}


class Wake:
    """Returns early from waiting when something may have changed in one of the folders.

    Folders may vanish and come back; each wait sees to it that those which are there are watched. Where the system
    gives no watches, waiting just takes its whole time.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._changed = threading.Event()
        self._observer = Observer()
        self._observer.start()
        self._watched: dict[Path, tuple[tuple[int, int], ObservedWatch]] = {}
        self._arm()

    def wait(self, seconds: float) -> bool:
        """Wait for so many seconds, or less; say whether something woke us."""
        self._arm()
        woken = self._changed.wait(max(0.0, seconds))
        self._changed.clear()
        return woken

    def wake(self) -> None:
        """End a wait, from any thread."""
        self._changed.set()

    def close(self) -> None:
        """Let go of all watches; a wait ends."""
        self._changed.set()
        self._observer.stop()
        self._observer.join()

    def _arm(self) -> None:
        for folder in self._folders:
            now = _identity(folder)
            before = self._watched.get(folder)
            if before and before[0] == now:
                continue
            if before:
                del self._watched[folder]
                self._observer.unschedule(before[1])
            if now is None:
                continue
            try:
                watch = self._observer.schedule(_Waker(self._changed), str(folder), recursive=True)
            except OSError:
                # No watches left, or the folder has just gone: the next listing will tell.
                continue
            self._watched[folder] = (now, watch)
            # What came before the watch was there makes no event.
            self._changed.set()


class _Waker(FileSystemEventHandler):
    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _TELLING and "/.archive" not in os.fsdecode(event.src_path):
            self._changed.set()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
