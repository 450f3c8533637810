"""The program of a reader: reads and digests small files into shared memory, as long as it is asked.

It runs by itself, with `python -I -S`, and imports nothing of ours, so that it starts in a few milliseconds. Arguments:
the folder in which blake3 is found, then the numbers of the open segments. A segment is shared memory in four parts,
one after the other: room for content; places of the files, each ended by a NUL; for each file its size and its time of
change in nanoseconds, eight bytes each; for each file the 32 bytes of its digest. A question is three numbers of four
bytes: segment, number of files, bytes of their places. The answer is one byte.
"""

import gc
import mmap
import os
import struct
import sys

QUESTION = struct.Struct("<III")
STAMPS = struct.Struct("=qq")
DIGEST = 32
NOT_READ = bytes(DIGEST)
"""Stands for the digest of a file that was not as it had been seen to rest, or that cannot be read."""

ROOM = 17 * 1024 * 1024
"""Bytes of content that fit into a segment."""

FILES = 4096
"""Files that fit into a segment."""

NAMES = 1024 * 1024
"""Bytes of places that fit into a segment."""

STAMPS_AT = ROOM + NAMES
DIGESTS_AT = STAMPS_AT + FILES * STAMPS.size
SEGMENT = DIGESTS_AT + FILES * DIGEST


def read(segment: memoryview, count: int, length: int) -> None:
    """Read the files of which a segment tells; their content comes one after the other, their digests in order."""
    # Here, since the interpreter that imports the module for its numbers alone has another way to find it.
    from blake3 import blake3

    places = bytes(segment[ROOM : ROOM + length]).split(b"\0")
    stamps = STAMPS.iter_unpack(segment[STAMPS_AT : STAMPS_AT + count * STAMPS.size])
    digests: list[bytes] = []
    at = 0
    for place, (size, mtime_ns) in zip(places, stamps, strict=False):
        digest = NOT_READ
        if _fits(place, size, mtime_ns, segment[at : at + size + 1]):
            digest = blake3(segment[at : at + size]).digest()
            at += size
        digests.append(digest)
    segment[DIGESTS_AT : DIGESTS_AT + count * DIGEST] = b"".join(digests)


def _fits(place: bytes, size: int, mtime_ns: int, room: memoryview) -> bool:
    """Read a file; false when it is not as it was seen to rest. One look suffices, after the reading."""
    try:
        handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # One byte more than there should be tells of a file that has grown.
        count = os.readv(handle, (room,))
        after = os.fstat(handle)
    except OSError:
        return False
    finally:
        os.close(handle)
    return count == size == after.st_size and after.st_mtime_ns == mtime_ns


def main() -> None:
    """Answer questions until there are no more."""
    sys.path.append(sys.argv[1])
    gc.disable()
    segments = [memoryview(mmap.mmap(int(handle), SEGMENT)) for handle in sys.argv[2:]]
    while len(question := os.read(0, QUESTION.size)) == QUESTION.size:
        segment, count, length = QUESTION.unpack(question)
        read(segments[segment], count, length)
        os.write(1, b"\n")


if __name__ == "__main__":
    main()
