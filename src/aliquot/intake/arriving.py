"""Files of a folder on their way into the store: read by processes of their own while the folder is still listed.

Nobody has looked at them before they are read. What was last written some time before has not changed meanwhile; what
is newer is looked at then, and read when all others have been.
"""

import os
import time
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path

from aliquot.blobs import Batch
from aliquot.blobs.pack import FULL
from aliquot.blobs.readers import FILES, Part, Readers
from aliquot.datasets.delta import NewEntry, Origin
from aliquot.intake.scan import File
from aliquot.model.errors import AliquotError

RESTED_NS = 2 * 10**9
"""So long has a file to rest before one look suffices: the clock of a file server may be a little behind ours."""

_SOON = 2.0
"""Seconds for which the last files may be expected when their rows are begun: others wait for the catalogue so long."""
_FEW = 100
"""Files that can be read, if they are small together, while others wait for the catalogue."""


class Arriving:
    """Files of a folder, by their places in it, which come back as entries of a dataset, some at a time."""

    def __init__(
        self, batch: Batch, readers: Readers, folder: Path, places: Iterator[str], before_ns: int, origin: Origin
    ) -> None:
        self.origin = origin
        self.places: list[str] = []
        self.entries: list[NewEntry] = []
        """All that have come by now."""
        self.lost: list[tuple[File, AliquotError]] = []
        """Files that cannot be taken, and why."""
        self.readable = True
        """Whether each name is one that a dataset can hold."""
        self._batch = batch
        self._readers = readers
        self._folder = os.path.abspath(folder)  # noqa: PTH100  # follows no link
        self._newer: list[tuple[str, int, int]] = []
        self._began = time.monotonic()
        while part := list(islice(places, FILES)):
            readers.put(Part(self._folder, part, before_ns, len(self.places)))
            self.readable = self.readable and _is_unicode(part)
            self.places += part

    @property
    def soon_all(self) -> bool:
        """Say whether the files are there but for some that will not take longer than the others' rows."""
        read = len(self.entries) + len(self._newer)
        if not read or self._takes_long(self._newer):
            return False
        return (time.monotonic() - self._began) * (len(self.places) - read) / read < _SOON

    def more(self, seconds: float | None = None) -> list[NewEntry] | None:
        """Wait for entries: an empty list when all have come, None when there are none in time."""
        while self._readers.left:
            read = self._readers.get(seconds)
            if read is None:
                return None
            part, digests, sizes = read.part, read.digests, read.sizes
            self._batch.add_read(read)
            if not self._readers.left and not self._newer:
                self._batch.write_rest()
            # No place has a NUL. One by one it costs twice as much.
            paths = ("/" + "\0/".join(part.places)).split("\0")
            rows = zip(paths, digests, sizes, repeat(self.origin), repeat(None), repeat(None))
            if None in digests:
                seen = zip(part.places, digests, sizes, read.times, strict=True)
                self._newer += [(place, size, time_ns) for place, digest, size, time_ns in seen if not digest]
                rows = [row for row in rows if row[1]]
            # By thousands: made from tuples as they are, which takes half of the time.
            if entries := list(map(tuple.__new__, repeat(NewEntry), rows)):
                self.entries += entries
                return entries
        if seconds is not None and self._takes_long(self._newer):
            return None
        newer, self._newer = self._newer, []
        return self._add(newer)

    def _add(self, newer: Sequence[tuple[str, int, int]]) -> list[NewEntry]:
        """Read what was left out: it has to be as it was then."""
        files = [File("/" + place, f"{self._folder}/{place}", size, time_ns) for place, size, time_ns in newer]
        added = self._batch.add_files([(file.absolute, file.size, file.mtime_ns, 0) for file in files])
        entries: list[NewEntry] = []
        for file, digest in zip(files, added, strict=True):
            if isinstance(digest, AliquotError):
                self.lost.append((file, digest))
            else:
                entries.append(NewEntry(file.path, digest, file.size, self.origin))
        self.entries += entries
        return entries

    @staticmethod
    def _takes_long(newer: Sequence[tuple[str, int, int]]) -> bool:
        return len(newer) > _FEW or sum([size for _, size, _ in newer]) > FULL


def _is_unicode(names: Sequence[str]) -> bool:
    together = "".join(names)
    if together.isascii():
        return True
    try:
        together.encode()
    except UnicodeEncodeError:
        return False
    return True
