"""Files of a watched folder that stay open while they are read, so that no others can take their places meanwhile."""

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from aliquot.blobs.durable import file_changed, open_source
from aliquot.intake.dispose import is_as_listed
from aliquot.intake.scan import File
from aliquot.model.errors import Invalid, Unavailable

_OPEN = Path("/proc/self/fd")
"""Where Linux has a way to each file that is open, whatever its names lead to by now. Other systems have none."""

_LONG = 60
"""Characters of a name that are kept: some systems have longer names than the one on which temporary files lie."""


class Held(NamedTuple):
    """Files, and what is said of them beside them, with the places where they can be read."""

    files: list[File]
    beside: list[File]


def open_listed(file: File) -> int:
    """Open the very file that was listed; another one in its place, or one that has changed since, is `Conflict`.

    One that may not be read is `Invalid`.
    """
    try:
        handle = open_source(file.absolute)
    except OSError as error:
        raise file_changed(file.path) from error
    if not is_as_listed(file, os.fstat(handle)):
        os.close(handle)
        raise file_changed(file.path)
    return handle


@contextmanager
def held_open(files: Sequence[File], folder: Path, beside: Sequence[File] = ()) -> Generator[Held]:
    """Give files with places in `folder` that lead to the very files that were listed, under their own last names.

    One that has changed since it was listed, or may not be read any more, is `Conflict`. Of those `beside`, one that
    may not be read is given a place where nobody may read, so that whoever reads it says so. Their own places are given
    where the system has no others. `Unavailable` where there is no room in `folder`.
    """
    if not _OPEN.is_dir():
        yield Held(list(files), list(beside))
        return
    with ExitStack() as until:
        yield Held(
            [_held(file, folder, until, may_be_closed=False) for file in files],
            [_held(file, folder, until, may_be_closed=True) for file in beside],
        )


def _held(file: File, folder: Path, until: ExitStack, *, may_be_closed: bool) -> File:
    try:
        handle = open_listed(file)
    except Invalid as error:
        if not may_be_closed:
            raise file_changed(file.path) from error
        return file._replace(absolute=_closed(file, folder, until))
    until.callback(os.close, handle)
    place = _place(file, folder, str(handle))
    try:
        place.symlink_to(_OPEN / str(handle))
    except OSError as error:
        raise _no_room(folder, error) from error
    until.callback(place.unlink)
    return file._replace(absolute=str(place))


def _closed(file: File, folder: Path, until: ExitStack) -> str:
    place = _place(file, folder, "closed")
    try:
        place.touch(mode=0)
    except OSError as error:
        raise _no_room(folder, error) from error
    until.callback(place.unlink, missing_ok=True)
    return str(place)


def _place(file: File, folder: Path, inner: str) -> Path:
    # Endings say how some files are to be read. Numbers of open files come again, and so do few folders for many files.
    name = os.path.basename(file.absolute)[-_LONG:]  # noqa: PTH119  # of each file: a Path costs more
    place = folder / inner / name
    try:
        place.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise _no_room(folder, error) from error
    return place


def _no_room(folder: Path, error: OSError) -> Unavailable:
    text = f"There is no room for temporary files in {folder.parent} ({error.strerror}); make room there."
    return Unavailable("temporary-full", text, path=str(folder.parent))
