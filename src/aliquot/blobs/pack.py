"""Packs: many small blobs in one immutable object, with its index at the end.

Layout: the blobs one after the other; the index, a zstd-compressed JSON list of `[hex digest, offset, size]`; eight
bytes with the length of the compressed index, little-endian; the eight bytes `ALQPACK1`.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from itertools import accumulate, repeat
from pathlib import Path

import zstandard

from aliquot.model.blob import Location
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Damaged

MAGIC = b"ALQPACK1"
FOOTER = struct.Struct("<Q8s")

SMALL = 128 * 1024
"""Blobs under this many bytes travel in packs."""

_PIECE = 1024 * 1024
_TOGETHER = 64
_LEVEL = 1
"""How hard the index is compressed: digests give way to no more effort, and at level 3 it takes twice as long."""

FULL = 16 * 1024 * 1024
"""A pack is closed when it holds this many bytes."""


class PackBuffer:
    """The blobs of a pack that is being filled."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._whole: memoryview | None = None
        self._seen: set[Digest] = set()
        # Columns, since there are thousands: what lies where, in order.
        self._digests: list[Digest] = []
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self.size = 0
        self.draft: Path | None = None
        """The file that holds the pack but for its end, where there is one."""

    @classmethod
    def around(
        cls, whole: memoryview, digests: list[Digest], sizes: list[int], draft: Path | None = None
    ) -> "PackBuffer":
        """Make a pack of blobs that lie one after the other in memory, without a copy of them unless some are equal.

        `draft` is the file in which they lie so, if it is one.
        """
        made = cls()
        starts = list(accumulate(sizes, initial=0))
        seen = set(digests)
        if len(seen) == len(digests):
            made._whole, made._seen, made.draft = whole, seen, draft
            made.size = starts.pop()
            made._digests, made._starts, made._sizes = digests, starts, sizes
        else:
            for digest, start, size in zip(digests, starts, sizes, strict=False):
                made.add(digest, bytes(whole[start : start + size]))
        return made

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._seen

    def add(self, digest: Digest, data: bytes) -> None:
        """Add a blob, once."""
        if digest not in self._seen:
            self._seen.add(digest)
            self._digests.append(digest)
            self._starts.append(self.size)
            self._sizes.append(len(data))
            self._parts.append(data)
            self.size += len(data)

    def without(self, known: set[Digest]) -> "PackBuffer":
        """Give the same pack without the blobs that are stored already."""
        if not known:
            return self
        rest = PackBuffer()
        for digest, data in self.blobs():
            if digest not in known:
                rest.add(digest, bytes(data))
        return rest

    def blobs(self) -> Iterable[tuple[Digest, bytes | memoryview]]:
        """Give the blobs, in their order."""
        whole = self._whole
        if whole is None:
            return zip(self._digests, self._parts, strict=True)
        return ((digest, whole[start : start + size]) for digest, start, size in self._rows())

    def _rows(self) -> Iterator[tuple[Digest, int, int]]:
        return zip(self._digests, self._starts, self._sizes, strict=True)

    def digests(self) -> list[Digest]:
        """List the blobs, in their order."""
        return self._digests

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Give the pack's bytes, index and footer included, in pieces that are neither small nor large."""
        if self._whole is not None:
            yield from (self._whole[at : at + _PIECE] for at in range(0, self.size, _PIECE))
        else:
            # To put some together costs less than a write of each, or than memory for all of them.
            for start in range(0, len(self._parts), _TOGETHER):
                yield b"".join(self._parts[start : start + _TOGETHER])
        # Put together by hand, since there are many and all alike.
        start = len(PREFIX)
        rows = ",".join([f'["{digest[start:]}",{offset},{size}]' for digest, offset, size in self._rows()])
        index = zstandard.compress(f"[{rows}]".encode(), _LEVEL)
        yield index + FOOTER.pack(len(index), MAGIC)

    def locations(self, pack: Digest) -> list[Location]:
        """Say where each blob lies once the pack has its name."""
        # By thousands: made from tuples as they are, which takes half of the time.
        rows = zip(self._digests, self._sizes, repeat(pack), self._starts, repeat(False), strict=False)
        return list(map(tuple.__new__, repeat(Location), rows))


def index_size(footer: bytes, key: str) -> int:
    """Read the length of the index from a pack's last bytes; anything else is `Damaged`."""
    size, magic = FOOTER.unpack(footer[-FOOTER.size :]) if len(footer) >= FOOTER.size else (0, b"")
    if magic != MAGIC:
        raise Damaged("pack-damaged", f"{key} does not end as a pack does; restore it from a copy.", key=key)
    return size


def read_index(index: bytes, pack: Digest) -> list[Location]:
    """Read the compressed index of a pack."""
    try:
        rows = json.loads(zstandard.decompress(index))
    except (zstandard.ZstdError, ValueError) as error:
        raise Damaged("pack-damaged", f"The index of pack {pack} cannot be read; restore it from a copy.") from error
    return [Location(Digest(PREFIX + name), size, pack, offset) for name, offset, size in rows]
