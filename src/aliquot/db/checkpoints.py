"""Moving what SQLite has logged into the database, beside the work and not within a commit."""

import sqlite3
import threading
from typing import Any
from urllib.parse import quote

import structlog

log: Any = structlog.get_logger()

_ROWS = 20_000
"""Changed rows after which the log is moved: some tens of megabytes, where each row is in several indexes."""


class Checkpoints:
    """One thread that moves the log of an SQLite database after so many changed rows of this process.

    SQLite would do so within the commit that makes the log too long, and whoever commits would wait for it: a tenth of
    all time where thousands of rows are written in a second. It still does when the log grows far beyond that all the
    same: others may read what is to be moved (<https://sqlite.org/wal.html>, section 3.2).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._rows = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def changed(self, rows: int) -> None:
        """Note how many rows a commit has changed."""
        with self._changed:
            self._rows += rows
            if self._rows < _ROWS or self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="aliquot-checkpoints", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread; who closes the last connection moves the rest."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._due():
            try:
                self._move()
            except sqlite3.Error as error:
                # Nothing is lost: the log is as good, and the next commits move it if this goes on.
                log.warning("the catalogue's log could not be moved into it", reason=str(error))

    def _due(self) -> bool:
        with self._changed:
            while self._rows < _ROWS and not self._closed:
                self._changed.wait()
            self._rows = 0
            return not self._closed

    def _move(self) -> None:
        # Not to make a new one where the database is no more.
        connection = sqlite3.connect(f"file:{quote(self._path)}?mode=rw", uri=True, isolation_level=None)
        try:
            # Passive: it waits for nobody, and nobody waits for it.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()
