"""Copying from one open file to another inside the kernel, and digesting what lies there."""

import errno
import os
import threading

from blake3 import blake3

from aliquot.model.digest import PREFIX, Digest

CHUNK = 1024 * 1024
_SEGMENT = 8 * CHUNK


def copy_and_digest(reading: int, writing: int, most: int | None = None) -> tuple[Digest, int]:
    """Copy inside the kernel, to the end or `most` bytes, and digest what has been written.

    A second thread digests beside the copying, unless there is so little that starting it would take longer.
    """
    follower = _Follower(writing, CHUNK if most is None else min(CHUNK, most))
    if most is not None and most <= _SEGMENT:
        size = 0
        while count := copy_segment(reading, writing, most - size):
            size += count
        return follower.digest_up_to(size), size
    follower.start()
    try:
        while count := copy_segment(reading, writing, _next_segment(follower.written, most)):
            follower.grow(count)
    finally:
        follower.finish()
    return follower.digest_up_to(follower.written), follower.written


def copy_segment(reading: int, writing: int, most: int) -> int:
    """Copy the next bytes from one open file to another, inside the kernel where it can; 0 at the end."""
    try:
        return os.copy_file_range(reading, writing, most)
    except OSError as error:
        # Files of /proc, of some shares and across some mounts cannot be copied inside the kernel.
        if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise
    data = os.read(reading, min(most, CHUNK))
    view = memoryview(data)
    while view:
        view = view[os.write(writing, view) :]
    return len(data)


def digest_open(handle: int, size: int) -> Digest:
    """Digest an open file of this size."""
    hasher = blake3()
    buffer = memoryview(bytearray(CHUNK))
    position = 0
    while position < size:
        count = os.preadv(handle, [buffer[: size - position]], position)
        if not count:
            raise OSError(errno.EIO, "the file became shorter while it was read")
        hasher.update(buffer[:count])
        position += count
    return Digest(PREFIX + hasher.hexdigest())


class _Follower:
    """Digests a file while it is written."""

    def __init__(self, handle: int, piece: int) -> None:
        self.written = 0
        self._handle = handle
        self._done = False
        self._position = 0
        self._hasher = blake3()
        self._buffer = memoryview(bytearray(piece))
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, name="digest")

    def start(self) -> None:
        self._thread.start()

    def grow(self, count: int) -> None:
        with self._changed:
            self.written += count
            self._changed.notify()

    def finish(self) -> None:
        with self._changed:
            self._done = True
            self._changed.notify()
        self._thread.join()

    def digest_up_to(self, end: int) -> Digest:
        self._read_up_to(end)
        return Digest(PREFIX + self._hasher.hexdigest())

    def _follow(self) -> None:
        done = False
        while not done:
            with self._changed:
                while self.written <= self._position and not self._done:
                    self._changed.wait()
                end, done = self.written, self._done
            self._read_up_to(end)

    def _read_up_to(self, end: int) -> None:
        while self._position < end:
            count = os.preadv(self._handle, [self._buffer[: end - self._position]], self._position)
            if not count:
                raise OSError(errno.EIO, "the file became shorter while it was written")
            self._hasher.update(self._buffer[:count])
            self._position += count


def _next_segment(copied: int, most: int | None) -> int:
    return _SEGMENT if most is None else min(_SEGMENT, most - copied)
