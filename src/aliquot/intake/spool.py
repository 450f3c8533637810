"""Where bytes lie on disk for a moment, on their way from a bucket into the store."""

import fcntl
import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

SPOOL = ".aliquot/arriving"
"""The folder below the lab's own in which they lie."""

_YOUNG = 60.0
"""Seconds before a folder may be thought abandoned: its maker needs a moment to lock it."""


@contextmanager
def spool(place: Path) -> Generator[Path]:
    """Give an empty folder that is gone afterwards; those of processes that were killed are removed, too."""
    place.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(place)
    folder = Path(mkdtemp(dir=place))
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _clear_abandoned(place: Path) -> None:
    for folder in place.iterdir():
        try:
            if time.time() - folder.stat().st_mtime < _YOUNG:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
