"""The temporary files of a process that works on a lab."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from aliquot.intake.spool import spool

SCRATCH = ".aliquot/scratch"
"""The folder below the lab's own in which they are."""


@contextmanager
def scratch(lab: Path) -> Generator[Path]:
    """Have this process's temporary files in the lab's folder, and remove those of processes that were killed.

    They can be as large as what arrives: the disk that holds the lab has room for them, and nobody else clears it.
    """
    with spool(lab / SCRATCH) as folder:
        before = tempfile.tempdir
        tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = before
