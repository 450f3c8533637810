"""BGZF: gzip in blocks of at most 64 KiB, by which BAM and indexed VCF files are read from the middle.

Source: the SAM specification, section 4.1, https://samtools.github.io/hts-specs/SAMv1.pdf
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from aliquot.formats.gzipped import BLOCK, blocks, is_gzip
from aliquot.model.errors import Invalid

END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block with which a complete file ends."""

_READ = 4 * 2**20
_BEGIN = b"\x1f\x8b\x08\x04"
_HEAD = 12
_USUAL = struct.Struct("<H2sHH")  # length of the extra field, its name, its length, size of the block less one
_TAIL = struct.Struct("<II")
_RAW = -15  # zlib's word for data without header and trailer


def is_bgzf(path: Path) -> bool:
    """Say whether the file begins as BGZF does."""
    with path.open("rb") as file:
        head = file.read(_HEAD + 2**16)
    return head.startswith(_BEGIN) and _size(head, 0) is not None


def unpacked(path: Path) -> Iterator[bytes]:
    """Give the content of a file that is BGZF, gzip or neither, in blocks of a few MiB; `Invalid` as they give it."""
    return read_bgzf(path) if is_gzip(path) and is_bgzf(path) else blocks(path)


def read_bgzf(path: Path) -> Iterator[bytes]:
    """Give the content in pieces of about 4 MiB, with every block's length and checksum compared.

    Raises `Invalid`: `bgzf-truncated` for a file that ends within a block, `bgzf-damaged` for a block that is none or
    unpacks to other bytes than were packed, `bgzf-end-missing`, at the very end, where the last block is not `END`.
    """
    number, ready, held = 0, bytearray(), b""
    last = False
    with path.open("rb") as file:
        while chunk := file.read(_READ):
            held += chunk
            at = 0
            while (size := _whole(held, at, number)) is not None:
                last = held.startswith(END, at) and size == len(END)
                number += 1
                ready += _inflated(held, at, size, number)
                at += size
                if len(ready) >= BLOCK:
                    yield bytes(ready)
                    ready.clear()
            held = held[at:]
    if ready:
        yield bytes(ready)
    if held:
        raise Invalid(
            "bgzf-truncated", "The file ends within a compressed block: it was cut off while copying. Copy it again."
        )
    if not last:
        raise Invalid(
            "bgzf-end-missing",
            "The file does not end with the empty block that marks its end: its last part is probably missing. Copy it "
            "again, and compare the sizes.",
        )


def _whole(held: bytes, at: int, number: int) -> int | None:
    """Give the size of the block that begins here, or None until there is more of it."""
    if len(held) - at < _HEAD + _USUAL.size:
        return None
    if not held.startswith(_BEGIN, at):
        raise _damaged(number + 1, "does not begin as a compressed block does")
    size = _size(held, at)
    if size is None:
        if len(held) - at < _HEAD + 2**16:
            return None
        raise _damaged(number + 1, "does not say how long it is")
    return size if len(held) - at >= size else None


def _size(held: bytes, at: int) -> int | None:
    """Read the size of a block from its extra field, which may hold other things, too."""
    if len(held) - at < _HEAD + 6:
        return None
    extra, name, length, size = _USUAL.unpack_from(held, at + _HEAD - 2)
    if extra == 6 and (name, length) == (b"BC", 2):
        return size + 1
    place, end = at + _HEAD, at + _HEAD + extra
    while place + 6 <= min(end, len(held)):
        name, length = struct.unpack_from("<2sH", held, place)
        if (name, length) == (b"BC", 2):
            return struct.unpack_from("<H", held, place + 4)[0] + 1
        place += 4 + length
    return None


def _inflated(held: bytes, at: int, size: int, number: int) -> bytes:
    (extra,) = struct.unpack_from("<H", held, at + _HEAD - 2)
    begin, end = at + _HEAD + extra, at + size - _TAIL.size
    if end < begin:
        raise _damaged(number, "is shorter than its own header")
    checksum, length = _TAIL.unpack_from(held, end)
    try:
        unpacking = zlib.decompressobj(_RAW)
        content = unpacking.decompress(held[begin:end], 2**16 + 1)
    except zlib.error:
        raise _damaged(number, "cannot be unpacked") from None
    if not unpacking.eof or unpacking.unused_data or len(content) != length or zlib.crc32(content) != checksum:
        raise _damaged(number, "unpacks to other bytes than were packed")
    return content


def _damaged(number: int, words: str) -> Invalid:
    text = f"The compressed block {number:,} {words}: some bytes of the file were changed. Copy it again."
    return Invalid("bgzf-damaged", text)
