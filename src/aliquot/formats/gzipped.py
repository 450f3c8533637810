"""The bytes of a file, gzip or not, in blocks of bounded size."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from aliquot.model.errors import Invalid

BLOCK = 4 * 2**20
"""Bytes in a block, uncompressed."""

GZIP_MAGIC = b"\x1f\x8b"
_READ = 256 * 2**10
_GZIP_WINDOW = 31  # zlib's word for "a gzip header and trailer around the data"


def is_gzip(path: Path) -> bool:
    """Say whether the file begins as gzip does."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


def blocks(path: Path) -> Iterator[bytes]:
    """Give the content in blocks of at most 4 MiB, inflated when the file is gzip.

    Raises `Invalid` where a gzip file is cut off (`gzip-truncated`), damaged (`gzip-damaged`), or followed by something
    that is not gzip (`gzip-trailing-bytes`). Memory stays flat whatever the ratio of compression.
    """
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic == GZIP_MAGIC:
            yield from _inflate(file)
        else:
            while block := file.read(BLOCK):
                yield block


def _inflate(file: BinaryIO) -> Iterator[bytes]:
    waiting = file.read(_READ)
    while waiting:
        member = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            try:
                block = member.decompress(waiting, BLOCK)
            except zlib.error as error:
                raise _damaged(error) from None
            if block:
                yield block
            waiting = member.unconsumed_tail
            if not waiting and not member.eof:
                waiting = file.read(_READ)
                if not waiting:
                    raise Invalid(
                        "gzip-truncated",
                        "The gzip file ends too early: it was probably cut off while copying. Copy it again.",
                    )
        waiting = _next_member(member.unused_data or file.read(_READ), file)


def _next_member(waiting: bytes, file: BinaryIO) -> bytes:
    """Give the bytes of the next gzip member, skipping the zeros with which tapes and block devices fill up."""
    while waiting and not waiting.startswith(GZIP_MAGIC):
        waiting = waiting.lstrip(b"\0")
        if len(waiting) < len(GZIP_MAGIC):
            waiting += file.read(_READ)
        if waiting and not waiting.startswith((b"\0", GZIP_MAGIC)):
            raise Invalid(
                "gzip-trailing-bytes",
                "After the end of the gzip data there are bytes that do not belong to it. The file was changed after "
                "it was written, or two files were joined. Copy it again from where it was made.",
            )
    return waiting


def _damaged(error: zlib.error) -> Invalid:
    if "check" in str(error):
        text = "The gzip file unpacks to other bytes than were packed (its checksum differs). Copy it again."
    else:
        text = "The gzip file cannot be unpacked: some of its bytes were changed. Copy it again."
    return Invalid("gzip-damaged", text, detail=str(error))
