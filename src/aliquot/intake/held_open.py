"""Files of a watched folder that stay open while they are read, so that no others can take their places meanwhile."""

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from aliquot.blobs.durable import file_changed, open_source
from aliquot.intake.dispose import is_as_listed
from aliquot.intake.scan import File

_OPEN = Path("/proc/self/fd")
"""Where Linux has a way to each file that is open, whatever its names lead to by now. Other systems have none."""


def open_listed(file: File) -> int:
    """Open the very file that was listed; another one in its place, or one that has changed since, is `Conflict`."""
    handle = open_source(file.absolute)
    if not is_as_listed(file, os.fstat(handle)):
        os.close(handle)
        raise file_changed(file.path)
    return handle


@contextmanager
def held_open(files: Sequence[File], folder: Path) -> Generator[list[File]]:
    """Give files with places in `folder` that lead to the very files that were listed, under their own last names.

    One that has changed since it was listed is `Conflict`. Their own places are given where the system has no others.
    """
    if not _OPEN.is_dir():
        yield list(files)
        return
    with ExitStack() as until:
        yield [file._replace(absolute=_hold(file, folder, until)) for file in files]


def _hold(file: File, folder: Path, until: ExitStack) -> str:
    handle = open_listed(file)
    until.callback(os.close, handle)
    # Endings say how some files are to be read. Numbers of open files come again, and so do few folders for many files.
    place = folder / str(handle) / os.path.basename(file.absolute)  # noqa: PTH119  # of each file: a Path costs more
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(_OPEN / str(handle))
    until.callback(place.unlink)
    return str(place)
