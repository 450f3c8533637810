"""Moving what SQLite has logged into the database, beside the work and not within a commit."""

import os
import sqlite3
import threading
from typing import Any
from urllib.parse import quote

import structlog

log: Any = structlog.get_logger()

LONG = 32 * 2**20
"""Bytes of the log after which it is moved."""
KEPT = LONG - 2**20
"""Bytes that SQLite leaves of the log's file when it begins anew: less, so that the size says when it is long again."""
_PASSES = 10


class Checkpoints:
    """Has a thread move the log of an SQLite database when a commit has made it long.

    SQLite would do so within that commit, and whoever commits would wait for it: a tenth of all time where thousands of
    rows are written in a second. It still does when the log grows far beyond that all the same: in one commit, or
    because others read what is to be moved (<https://sqlite.org/wal.html>, section 3).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._identity: tuple[int, int] | None = None
        self._next = LONG

    def committed(self) -> None:
        """Look at the log after a commit. Whatever stands in the way is told and no error: the commit was made."""
        try:
            size = os.stat(f"{self._path}-wal").st_size  # noqa: PTH116  # for every commit
            with self._lock:
                self._identity = self._identity or self._found()
                if size < LONG:
                    # It was begun anew.
                    self._next = LONG
                elif size >= self._next and not (self._thread and self._thread.is_alive()):
                    thread = threading.Thread(target=self._move, name="aliquot-checkpoint", daemon=True)
                    thread.start()
                    self._thread = thread
                    self._next = size + LONG // 2
        except FileNotFoundError:
            return
        except (OSError, RuntimeError) as error:
            _tell(error)

    def close(self) -> None:
        """Return when nothing is moved any more; who closes the last connection moves the rest."""
        with self._lock:
            thread = self._thread
        if thread:
            thread.join()

    def _found(self) -> tuple[int, int]:
        found = os.stat(self._path)  # noqa: PTH116
        return found.st_dev, found.st_ino

    def _move(self) -> None:  # by a thread
        try:
            if self._found() != self._identity:
                # Not into what somebody has put in its place: the log is none of that one's.
                log.warning("the catalogue's file was replaced while it was in use", path=self._path)
                return
            # `rw`, not to make a new one where it is no more.
            address = f"file://{quote(os.fsencode(self._path))}?mode=rw"
            connection = sqlite3.connect(address, uri=True, isolation_level=None)
            try:
                # The log is begun anew only when all of it was moved, and commits may have come meanwhile.
                for _ in range(_PASSES):
                    # Passive: it waits for nobody, and nobody waits for it.
                    busy, logged, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if busy or moved == logged:
                        break
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            _tell(error)


def _tell(error: Exception) -> None:
    # Nothing is lost: the log is as good, and commits move it if this goes on.
    log.warning("the catalogue's log could not be moved into it", reason=str(error))
