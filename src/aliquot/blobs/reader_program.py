"""The program of a reader: reads and digests small files, and writes what they hold into one, as long as it is asked.

It runs by itself, with `python -I -S`, and imports nothing of ours, so that it starts in a few milliseconds. Arguments:
the folder in which blake3 is found, then the numbers of the open segments. A segment is shared memory in four parts,
one after the other: a new file, a folder and places of files in it, each ended by a NUL; for each file its size, its
time of change and its ctime, in nanoseconds, as they were after it was read, eight bytes each; for each file the 32
bytes of its digest; room for content, which is used when the new file has no name. A question is three numbers of four
bytes (segment, number of files, bytes of names) and one of eight: a time in nanoseconds. The answer is two numbers of
four bytes: for how many of the files there was room, and the system's number for what kept their content from being
written.
"""

import gc
import mmap
import os
import stat
import struct
import sys

QUESTION = struct.Struct("<IIIq")
ANSWER = struct.Struct("<II")
STAMP = 24
UNKNOWN = -1
"""Stands for the size and the times of a file that cannot be opened."""
DIGEST = 32
NOT_READ = bytes(DIGEST)
"""Stands for the digest of a file that is not small, that may be changing, or that cannot be read."""

SMALL = 128 * 1024
"""Files of so many bytes, and larger ones, are left out."""

ROOM = 17 * 1024 * 1024
"""Bytes of content that are read for one question."""

FILES = 4096
"""Files that fit into a segment."""

NAMES = 1024 * 1024
"""Bytes of names that fit into a segment."""

STAMPS_AT = NAMES
DIGESTS_AT = STAMPS_AT + FILES * STAMP
CONTENT_AT = DIGESTS_AT + FILES * DIGEST
SEGMENT = CONTENT_AT + ROOM

_PIECE = 1024 * 1024
"""Bytes that are written at once: the processor's caches still hold them from the reading and digesting."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_FILE_FLAGS = _FLAGS | os.O_NOFOLLOW | os.O_NONBLOCK
"""A file may have become a link since it was listed, or a pipe, at which an opening would wait for a writer."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class _Content:
    """What was read and shall be kept, one after the other, on its way into a file."""

    def __init__(self, handle: int, at: int) -> None:
        self._handle = handle
        self._at = at

    def write(self, piece: memoryview) -> None:
        while piece:
            done = os.pwrite(self._handle, piece, self._at)
            self._at += done
            piece = piece[done:]


def read(segment: memoryview, handle: int, room: memoryview, question: tuple[int, int, int]) -> int:
    """Read the files of which a segment tells, and say for how many of them there was room.

    Their content is written one after the other, sizes, times and digests are left in the segment, whose memory
    `handle` stands for. The question is how many files there are, how many bytes their names have, and a time in
    nanoseconds: what was written then or later may be changing in this moment, and is left out. `room` has memory
    for a piece and a file. An `OSError` is of the writing.
    """
    count, length, before_ns = question
    draft, folder, *places = bytes(segment[:length]).split(b"\0")[: count + 2]
    output = os.open(draft, _NEW, 0o666) if draft else handle
    try:
        inside = _open_folder(folder)
        try:
            digests, stamps = _read_all(places, inside, before_ns, room, _Content(output, 0 if draft else CONTENT_AT))
        finally:
            if inside is not None and inside >= 0:
                os.close(inside)
    finally:
        if draft:
            os.close(output)
    done = len(digests)
    struct.pack_into(f"={3 * done}q", segment, STAMPS_AT, *stamps)
    segment[DIGESTS_AT : DIGESTS_AT + done * DIGEST] = b"".join(digests)
    return done


def _read_all(
    places: list[bytes], inside: int | None, before_ns: int, room: memoryview, content: _Content
) -> tuple[list[bytes], list[int]]:
    """Read files as far as there is room, and give their digests, and their sizes and two times by turns.

    One look suffices, after the reading: what is then as it was seen to rest was so before.
    """
    # Here, since the interpreter that imports the module for its numbers alone has another way to find it.
    from blake3 import blake3

    digests: list[bytes] = []
    stamps: list[int] = []
    at, left = 0, ROOM - SMALL
    for place in places:
        if at > left:
            break
        if at >= _PIECE:
            content.write(room[:at])
            left -= at
            at = 0
        digest, size, mtime_ns, ctime_ns = NOT_READ, UNKNOWN, UNKNOWN, UNKNOWN
        # No function of its own, whose call would cost a tenth of all that is done here for a file.
        try:
            handle = os.open(place, _FILE_FLAGS, dir_fd=inside)
            try:
                # There is room for more than there should be: a file that has grown shows.
                got, after = os.readv(handle, (room[at : at + SMALL],)), os.fstat(handle)
            finally:
                os.close(handle)
        except OSError:
            got, after = 0, None
        if after and stat.S_ISREG(after.st_mode):
            size, mtime_ns, ctime_ns = after.st_size, after.st_mtime_ns, after.st_ctime_ns
            if got == size < SMALL and mtime_ns < before_ns > ctime_ns:
                end = at + size
                digest = blake3(room[at:end]).digest()
                at = end
        digests.append(digest)
        stamps += (size, mtime_ns, ctime_ns)
    content.write(room[:at])
    return digests, stamps


def _open_folder(folder: bytes) -> int | None:
    """Open the folder in which places are looked for; None where they are whole, below 0 when it is gone."""
    if not folder:
        return None
    try:
        return os.open(folder, _FLAGS | os.O_DIRECTORY)
    except OSError:
        return -1


def main() -> None:
    """Answer questions until there are no more."""
    sys.path.append(sys.argv[1])
    gc.disable()
    handles = [int(handle) for handle in sys.argv[2:]]
    segments = [memoryview(mmap.mmap(handle, SEGMENT)) for handle in handles]
    room = memoryview(bytearray(_PIECE + SMALL))
    while len(question := os.read(0, QUESTION.size)) == QUESTION.size:
        number, *asked = QUESTION.unpack(question)
        try:
            answer = (read(segments[number], handles[number], room, (asked[0], asked[1], asked[2])), 0)
        except OSError as error:
            answer = (0, error.errno)
        os.write(1, ANSWER.pack(*answer))


if __name__ == "__main__":
    main()
