"""Writing a zip while its files are read: members as they are, of any size and number, in memory that stays flat."""

import struct
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_NEEDS = 45
"""The version of the format that has 64-bit sizes."""
_UTF8, _CRC_FOLLOWS = 0x0800, 0x0008
_PIECE = 1 << 20

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_SIZES = struct.Struct("<HHQQ")
_SIZES_AND_PLACE = struct.Struct("<HHQQQ")
_END_64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")
_FULL, _FULL_16 = 0xFFFFFFFF, 0xFFFF

Member = tuple[str, int, Iterable[bytes]]
"""A name in the zip, its size in bytes, and its content in pieces."""


def zip_stream(members: Iterable[Member], at: float) -> Iterator[bytes]:
    """Give the bytes of a zip with these members, stored as they are; `at` is the time that all of them get.

    What the end of a zip says of each member waits in a temporary file. A member whose content is longer or shorter
    than was said ends the stream with a `ValueError`: whoever reads it sees that it is cut off.
    """
    date = time.gmtime(at)
    stamp = (date.tm_hour << 11 | date.tm_min << 5 | date.tm_sec // 2,
             max(0, date.tm_year - 1980) << 9 | date.tm_mon << 5 | date.tm_mday)  # fmt: skip
    with tempfile.TemporaryFile(prefix="aliquot-zip-") as directory:
        written = count = 0
        for name, size, content in members:
            crc, length = 0, 0
            head = _local(name.encode(), size, stamp)
            yield head
            for piece in content:
                crc, length = zlib.crc32(piece, crc), length + len(piece)
                yield piece
            if length != size:
                raise ValueError(f"{name} has {length} bytes, and not {size}")
            # The digest of the bytes is known only now; their number was known before.
            tail = struct.pack("<4sLQQ", b"PK\x07\x08", crc, size, size)
            yield tail
            directory.write(_central(name.encode(), size, crc, written, stamp))
            written += len(head) + size + len(tail)
            count += 1
        yield from _end(directory, written, count)


def _local(name: bytes, size: int, stamp: tuple[int, int]) -> bytes:
    extra = _SIZES.pack(1, 16, size, size)
    head = _LOCAL.pack(
        b"PK\x03\x04", _NEEDS, _UTF8 | _CRC_FOLLOWS, 0, *stamp, 0, _FULL, _FULL, len(name), len(extra)
    )  # fmt: skip
    return head + name + extra


def _central(name: bytes, size: int, crc: int, place: int, stamp: tuple[int, int]) -> bytes:
    extra = _SIZES_AND_PLACE.pack(1, 24, size, size, place)
    # Made on Unix: a plain file that its owner may write and everybody read.
    rights = 0o100644 << 16
    head = _CENTRAL.pack(
        b"PK\x01\x02", 3 << 8 | _NEEDS, _NEEDS, _UTF8 | _CRC_FOLLOWS, 0, *stamp, crc, _FULL, _FULL, len(name),
        len(extra), 0, 0, 0, rights, _FULL,
    )  # fmt: skip
    return head + name + extra


def _end(directory: BinaryIO, start: int, count: int) -> Iterator[bytes]:
    size = directory.tell()
    directory.seek(0)
    while piece := directory.read(_PIECE):
        yield piece
    yield _END_64.pack(b"PK\x06\x06", _END_64.size - 12, _NEEDS, _NEEDS, 0, 0, count, count, size, start)
    yield _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
    few = min(count, _FULL_16)
    yield _END.pack(b"PK\x05\x06", 0, 0, few, few, min(size, _FULL), min(start, _FULL), 0)
