"""The program of a reader: reads and digests small files into shared memory, as long as it is asked.

It runs by itself, with `python -I -S`, and imports nothing of ours, so that it starts in a few milliseconds. Arguments:
the folder in which blake3 is found, then the numbers of the open segments. A segment is shared memory in four parts,
one after the other: room for content; a folder and places of files in it, each ended by a NUL; for each file its size
and its time of change in nanoseconds as they were after it was read, eight bytes each; for each file the 32 bytes of
its digest. A question is three numbers of four bytes (segment, number of files, bytes of folder and places) and one of
eight: a time in nanoseconds. The answer is a number of four bytes: for how many of the files there was room.
"""

import gc
import mmap
import os
import stat
import struct
import sys
from array import array

QUESTION = struct.Struct("<IIIq")
ANSWER = struct.Struct("<I")
STAMP = 16
UNKNOWN = -1
"""Stands for the size and the time of a file that cannot be opened."""
DIGEST = 32
NOT_READ = bytes(DIGEST)
"""Stands for the digest of a file that is not small, that may be changing, or that cannot be read."""

SMALL = 128 * 1024
"""Files of so many bytes, and larger ones, are left out."""

ROOM = 17 * 1024 * 1024
"""Bytes of content that fit into a segment."""

FILES = 4096
"""Files that fit into a segment."""

NAMES = 1024 * 1024
"""Bytes of folder and places that fit into a segment."""

STAMPS_AT = ROOM + NAMES
DIGESTS_AT = STAMPS_AT + FILES * STAMP
SEGMENT = DIGESTS_AT + FILES * DIGEST

_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_FILE_FLAGS = _FLAGS | os.O_NOFOLLOW | os.O_NONBLOCK
"""A file may have become a link since it was listed, or a pipe, at which an opening would wait for a writer."""


def read(segment: memoryview, count: int, length: int, before_ns: int) -> int:
    """Read the files of which a segment tells, and say for how many of them there was room.

    Their content comes one after the other, sizes, times and digests in order. What was written at `before_ns` or later
    may be changing in this moment, and is left out.
    """
    # Here, since the interpreter that imports the module for its numbers alone has another way to find it.
    from blake3 import blake3

    folder, *places = bytes(segment[ROOM : ROOM + length]).split(b"\0")[: count + 1]
    digests: list[bytes] = []
    stamps = array("q")
    at = 0
    inside = _open_folder(folder)
    for place in places:
        if at > ROOM - SMALL:
            break
        digest = NOT_READ
        found = _read(place, inside, segment[at : at + SMALL])
        if found is None:
            stamps.extend((UNKNOWN, UNKNOWN))
        else:
            got, after = found
            size, mtime_ns = after.st_size, after.st_mtime_ns
            stamps.extend((size, mtime_ns))
            if got == size < SMALL and mtime_ns < before_ns > after.st_ctime_ns:
                digest = blake3(segment[at : at + size]).digest()
                at += size
        digests.append(digest)
    if inside is not None and inside >= 0:
        os.close(inside)
    done = len(digests)
    segment[STAMPS_AT : STAMPS_AT + done * STAMP] = stamps.tobytes()
    segment[DIGESTS_AT : DIGESTS_AT + done * DIGEST] = b"".join(digests)
    return done


def _open_folder(folder: bytes) -> int | None:
    """Open the folder in which places are looked for; None where they are whole, below 0 when it is gone."""
    if not folder:
        return None
    try:
        return os.open(folder, _FLAGS | os.O_DIRECTORY)
    except OSError:
        return -1


def _read(place: bytes, inside: int | None, room: memoryview) -> tuple[int, os.stat_result] | None:
    """Read a file, as far as there is room, and look at it after that; None when it cannot be read.

    One look suffices, after the reading: what is then as it was seen to rest was so before.
    """
    try:
        handle = os.open(place, _FILE_FLAGS, dir_fd=inside)
    except OSError:
        return None
    try:
        # There is room for more than there should be: a file that has grown shows.
        size, after = os.readv(handle, (room,)), os.fstat(handle)
        return (size, after) if stat.S_ISREG(after.st_mode) else None
    except OSError:
        return None
    finally:
        os.close(handle)


def main() -> None:
    """Answer questions until there are no more."""
    sys.path.append(sys.argv[1])
    gc.disable()
    segments = [memoryview(mmap.mmap(int(handle), SEGMENT)) for handle in sys.argv[2:]]
    while len(question := os.read(0, QUESTION.size)) == QUESTION.size:
        segment, count, length, before_ns = QUESTION.unpack(question)
        os.write(1, ANSWER.pack(read(segments[segment], count, length, before_ns)))


if __name__ == "__main__":
    main()
