"""What becomes of a file at its source once it is safe."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aliquot.blobs.rest import rests
from aliquot.intake.scan import File
from aliquot.model.finding import Finding, Severity

ARCHIVE = ".archive"
"""The folder below a source that holds what was taken in, in a folder for each day."""


def dispose(root: Path, after: Literal["archive", "delete"], files: Sequence[File]) -> list[Finding]:
    """Archive or delete files whose bytes are safe, and say where that failed, which loses nothing.

    A file that has changed since stays: it is a new arrival.
    """
    day = root / ARCHIVE / datetime.now(UTC).strftime("%Y-%m-%d")
    findings: list[Finding] = []
    for file in files:
        try:
            now = os.lstat(file.absolute)
            if not is_as_listed(file, now):
                continue
            if after == "delete":
                Path(file.absolute).unlink()
            else:
                _archive(file, now.st_ino, day / Path(file.absolute).relative_to(root))
        except FileNotFoundError:
            continue
        except OSError as error:
            findings.append(not_cleared(after, error.strerror or str(error), file.path))
    return findings


def is_as_listed(file: File, now: os.stat_result) -> bool:
    """Say whether a file in a folder is as it was when it was listed; its size and time alone anybody can set."""
    return rests(now, (file.size, file.mtime_ns, file.changed_ns))


def not_cleared(after: Literal["archive", "delete"], reason: str, path: str) -> Finding:
    """Give the warning about a file that stays at its source against the source's word."""
    text = f"The file is safe, but could not be {_DONE[after]} at its source: {reason}."
    return Finding("source-not-cleared", text, Severity.WARNING, file=path)


_DONE = {"archive": "archived", "delete": "deleted"}


def _archive(file: File, inode: int, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    place = target
    while True:
        # A link refuses to replace what is there, as a move would not.
        try:
            os.link(file.absolute, place)
        except FileExistsError:
            number += 1
            place = target.with_name(f"{target.stem}.{number}{target.suffix}")
        except OSError:
            if place.exists():
                raise
            Path(file.absolute).rename(place)
            return
        else:
            if place.lstat().st_ino != inode or os.lstat(file.absolute).st_ino != inode:
                # Another has just taken its place: that one is to be taken in.
                place.unlink()
                return
            with suppress(FileNotFoundError):
                Path(file.absolute).unlink()
            return
