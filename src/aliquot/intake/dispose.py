"""What becomes of a file at its source once it is safe."""

# Everything is asked of open folders, for which a Path has no words.

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
    day = (ARCHIVE, datetime.now(UTC).strftime("%Y-%m-%d"))
    findings: list[Finding] = []
    for file in files:
        place = Path(file.absolute)
        try:
            # What is looked at and what goes is in one and the same folder, wherever its path leads to by then.
            with _opened(place.parent) as here:
                now = os.lstat(place.name, dir_fd=here)
                if not is_as_listed(file, now):
                    continue
                if after == "delete":
                    os.unlink(place.name, dir_fd=here)
                else:
                    with _made(root, (*day, *place.parent.relative_to(root).parts)) as there:
                        _archive(place.name, here, now.st_ino, there)
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


@contextmanager
def _opened(folder: Path) -> Generator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _made(root: Path, parts: Sequence[str]) -> Generator[int]:
    """Open a folder below the source, making what is missing; a link on the way leads elsewhere, and is refused."""
    with ExitStack() as until:
        handle = until.enter_context(_opened(root))
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=handle)
            handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            until.callback(os.close, handle)
        yield handle


def _archive(name: str, here: int, inode: int, there: int) -> None:
    stem, suffix = Path(name).stem, Path(name).suffix
    number, place = 1, name
    while True:
        # A link refuses to replace what is there, as a move would not.
        try:
            os.link(name, place, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
        except FileExistsError:
            number += 1
            place = f"{stem}.{number}{suffix}"
        except OSError:
            if _is_there(place, there):
                raise
            os.rename(name, place, src_dir_fd=here, dst_dir_fd=there)
            return
        else:
            if os.lstat(place, dir_fd=there).st_ino != inode or os.lstat(name, dir_fd=here).st_ino != inode:
                # Another has just taken its place: that one is to be taken in.
                os.unlink(place, dir_fd=there)
                return
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=here)
            return


def _is_there(name: str, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True
