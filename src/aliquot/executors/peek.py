"""Looking at what a command has printed so far, from beside its executor: for pages that follow it."""

import os
from pathlib import Path

from aliquot.executors.note import NOTE, Note, NoteFile

MOST = 16 * 1024
"""Bytes of the end that are read."""


def printed_so_far(work: Path, task: int, fence: int) -> dict[str, str] | None:
    """Give the ends of `stdout` and `stderr` of an attempt that runs on this machine, in folders below `work`.

    None when none of them runs it: it runs elsewhere, has not begun, or has ended.
    """
    for path in work.glob(f"*/*/{NOTE}"):
        place = path.parent
        if not _runs(place, task, fence):
            continue
        said = {name: _end(place / name) for name in ("stdout", "stderr")}
        # The place may have gone to the next attempt meanwhile, which may be somebody else's.
        return said if _runs(place, task, fence) else None
    return None


def _runs(place: Path, task: int, fence: int) -> bool:
    note = _note(place)
    return note is not None and (note.task, note.fence) == (task, fence) and not note.ended


def _note(place: Path) -> Note | None:
    try:
        file = NoteFile(place)
    except OSError:
        return None
    try:
        return file.read()
    finally:
        file.close()


def _end(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        size = os.fstat(handle).st_size
        return os.pread(handle, MOST, max(0, size - MOST)).decode(errors="replace")
    finally:
        os.close(handle)
