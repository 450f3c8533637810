"""A folder as a source."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from aliquot.intake.dispose import dispose
from aliquot.intake.scan import File, walk
from aliquot.intake.settle import Landing
from aliquot.model.blob import Pin
from aliquot.model.finding import Finding


class Folder:
    """Files in a folder and in the folders below it."""

    is_bucket = False

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def url(self) -> str:
        """Say where it is."""
        return str(self.root)

    def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
        """List the files, some at a time; what is passed over is told."""
        yield from walk(self.root, ignore, tell)

    @contextmanager
    def at_hand(self, landings: Sequence[Landing], lose: "Lose") -> Generator[list[Landing]]:  # noqa: ARG002  # as of a bucket
        """Give the landings with their files on disk, where they are already."""
        yield list(landings)

    def clear(self, after: Literal["archive", "delete"], files: Sequence[File]) -> list[Finding]:
        """Archive or delete files whose bytes are safe."""
        return dispose(self.root, after, files)

    def pin(self, file: File) -> Pin:
        """Say where a file lies and how it can be told that it is the same one still."""
        return Pin(os.path.abspath(self.root), file.path, file.size, mtime_ns=file.mtime_ns)  # noqa: PTH100  # follows no link


Lose = Callable[[Landing, Finding | None], None]
"""Is told of a landing that cannot be taken now: with a finding, what cannot be read; without, what has changed."""
