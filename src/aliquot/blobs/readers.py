"""Readers: processes that read and digest thousands of small files, so that every core works on them."""

import mmap
import os
import subprocess
import sys
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import blake3

from aliquot.blobs import reader_program as program
from aliquot.blobs.pack import FULL
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Unavailable

Resting = tuple[str, int, int]
"""A file by its place, with the size in bytes and the time of change in nanoseconds at which it was seen to rest."""

_MOST = 4
_SEGMENTS = 2


class Read(NamedTuple):
    """Files that were read together: their digests (None: not as they had been seen to rest), and their content.

    The content of those that were read lies in `content` one after the other, until `release` is called; `sizes` are
    theirs, in bytes.
    """

    files: Sequence[Resting]
    digests: Sequence[Digest | None]
    sizes: Sequence[int]
    content: memoryview
    release: Callable[[], None]

    def read(self) -> list[Digest]:
        """Give the digests of those that were read, in their order."""
        return [digest for digest in self.digests if digest]

    def blobs(self) -> Iterator[tuple[Digest, memoryview]]:
        """Give each blob with its bytes, in their order."""
        at = 0
        for digest, size in zip(self.read(), self.sizes, strict=True):
            yield digest, self.content[at : at + size]
            at += size


def useful_readers() -> int:
    """Say how many readers this machine has work for; 0 where they would not help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return min(cores, _MOST) if cores > 1 and hasattr(os, "memfd_create") else 0


class Readers:
    """Some readers, which end with the context. Each fills one segment of shared memory while the other is stored."""

    def __init__(self, count: int) -> None:
        self._readers = [_Reader() for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.close()

    def read(self, files: Sequence[Resting]) -> Iterator[Read]:
        """Read files, some thousands at a time, in their order; a reader that dies is `Unavailable`."""
        parts = _parts(files)
        asked: deque[_Reader] = deque()
        for reader in self._readers * _SEGMENTS:
            if part := next(parts, None):
                reader.ask(part)
                asked.append(reader)
        while asked:
            reader = asked.popleft()
            yield reader.answer()
            if part := next(parts, None):
                reader.ask(part)
                asked.append(reader)


class _Reader:
    def __init__(self) -> None:
        handles = [os.memfd_create("aliquot", os.MFD_CLOEXEC) for _ in range(_SEGMENTS)]
        try:
            for handle in handles:
                os.ftruncate(handle, program.SEGMENT)
            self._segments = [memoryview(mmap.mmap(handle, program.SEGMENT)) for handle in handles]
            packages = Path(blake3.__file__).parent.parent
            command = [sys.executable, "-I", "-S", program.__file__, str(packages), *map(str, handles)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=handles, start_new_session=True
            )
        finally:
            for handle in handles:
                os.close(handle)
        self._free = deque(range(_SEGMENTS))
        self._freed = threading.Semaphore(_SEGMENTS)
        self._asked: deque[tuple[int, Sequence[Resting]]] = deque()

    def ask(self, files: Sequence[Resting]) -> None:
        """Let files be read, once there is a segment for them."""
        self._freed.acquire()
        number = self._free.popleft()
        segment = self._segments[number]
        places = os.fsencode("\0".join([place for place, _, _ in files])) + b"\0"
        stamps = array("q", chain.from_iterable([file[1:] for file in files])).tobytes()
        segment[program.ROOM : program.ROOM + len(places)] = places
        segment[program.STAMPS_AT : program.STAMPS_AT + len(stamps)] = stamps
        assert self._process.stdin
        self._asked.append((number, files))
        try:
            os.write(self._process.stdin.fileno(), program.QUESTION.pack(number, len(files), len(places)))
        except BrokenPipeError as error:
            raise self._died() from error

    def answer(self) -> Read:
        """Wait for the oldest files that were asked for."""
        assert self._process.stdout
        number, files = self._asked.popleft()
        if not os.read(self._process.stdout.fileno(), 1):
            raise self._died()
        segment = self._segments[number]
        end = program.DIGESTS_AT + len(files) * program.DIGEST
        raw = bytes(segment[program.DIGESTS_AT : end])
        names = raw.hex()
        digests: list[Digest | None] = [Digest(PREFIX + names[at : at + 64]) for at in range(0, len(names), 64)]
        sizes = [size for _, size, _ in files]
        if program.NOT_READ in raw:
            for at in range(len(files)):
                if raw[at * program.DIGEST : (at + 1) * program.DIGEST] == program.NOT_READ:
                    digests[at] = None
            sizes = [size for size, digest in zip(sizes, digests, strict=True) if digest]
        return Read(files, digests, sizes, segment[: sum(sizes)], lambda: self._release(number))

    def _release(self, number: int) -> None:
        self._free.append(number)
        self._freed.release()

    def close(self) -> None:
        """End the process; nothing that it was asked for is of use any more."""
        self._process.kill()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _died(self) -> Unavailable:
        return Unavailable(
            "reader-died",
            f"A process that read files ended before its work was done (status {self._process.wait()}); nothing is "
            "half done. Try again, and see that there is memory enough.",
        )


def _parts(files: Sequence[Resting]) -> Iterator[Sequence[Resting]]:
    """Cut files into what makes a pack, or fills a segment's room for names."""
    # Where the content and the place of each begin, if all came one after the other. A letter takes four bytes at most.
    content = list(accumulate([size for _, size, _ in files], initial=0))
    widest = 1 if all(place.isascii() for place, _, _ in files) else 4
    names = list(accumulate([widest * len(place) + 1 for place, _, _ in files], initial=0))
    start = 0
    while start < len(files):
        full = bisect_left(content, content[start] + FULL, start)
        named = bisect_right(names, names[start] + program.NAMES, start) - 1
        end = max(start + 1, min(full, named, start + program.FILES, len(files)))
        yield files[start:end]
        start = end
