"""Stored files as local ones, to be mapped into memory: those of a folder as they lie, those of a bucket in a cache."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from aliquot.blobs import Store
from aliquot.model.blob import Location
from aliquot.model.digest import hex_of

_ROOM = 20 * 2**30
_FORGOTTEN = 86_400.0


class LocalFiles:
    """Local files of blobs, for reading alone. The cache holds 20 GiB; what was not asked for longest goes first."""

    def __init__(self, store: Store, folder: Path, room: int = _ROOM) -> None:
        self._store = store
        self._folder = folder
        self._room = room
        self._lock = threading.Lock()

    def path(self, location: Location) -> Path:
        """Give a file with the content of a blob. To whoever has opened it, it stays readable."""
        lying = self._store.local_path(location)
        if lying is not None and lying.exists():
            return lying
        target = self._folder / hex_of(location.digest)
        with contextlib.suppress(FileNotFoundError):
            os.utime(target)
            return target
        with self.draft() as folder:
            self._store.fetch(location, folder / "file")
            (folder / "file").rename(target)
        self._make_room(target)
        return target

    @contextmanager
    def draft(self) -> Generator[Path]:
        """Give an empty folder beside the cache, which is gone when the context ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="draft-", dir=self._folder) as folder:
            yield Path(folder)

    def _make_room(self, newest: Path) -> None:
        with self._lock:
            files = [(entry, entry.stat()) for entry in os.scandir(self._folder)]
            for entry, seen in files:
                # Of a process that was killed.
                if entry.is_dir() and seen.st_mtime < time.time() - _FORGOTTEN:
                    shutil.rmtree(entry.path, ignore_errors=True)
            cached = sorted((each for each in files if each[0].is_file()), key=lambda each: each[1].st_mtime)
            total = sum(seen.st_size for _, seen in cached)
            for entry, seen in cached:
                if total <= self._room:
                    return
                if entry.name != newest.name:
                    Path(entry.path).unlink(missing_ok=True)
                    total -= seen.st_size
