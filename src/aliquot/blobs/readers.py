"""Readers: processes that read and digest thousands of small files, so that every core works on them."""

import mmap
import os
import select
import subprocess
import sys
import threading
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

import blake3

from aliquot.blobs import reader_program as program
from aliquot.blobs.durable import storage_error
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Unavailable

NEVER = 2**63 - 1
"""No file was written as late as this, in nanoseconds since 1970."""

FILES = program.FILES
"""Files that a part may have at most."""

NewDraft = Callable[[], Path | None]
"""Gives the place for a new file, or None where there is none."""

_MOST = 4
_SLOW = 0.1
"""Seconds of waiting for a part after which one more reader is worth its start."""
_SEGMENTS = 3


class Part(NamedTuple):
    """Files that are read together: their places below a folder, or whole places where that is empty.

    What was written at `before_ns` or later, in nanoseconds since 1970, may be changing, and is left out. `first`
    counts the files that were put before them.
    """

    folder: str
    places: Sequence[str]
    before_ns: int = NEVER
    first: int = 0

    def cut(self, count: int) -> "tuple[Part, Part | None]":
        """Part the first so many files from the rest."""
        if count >= len(self.places):
            return self, None
        rest = self._replace(places=self.places[count:], first=self.first + count)
        return self._replace(places=self.places[:count]), rest


class Read(NamedTuple):
    """Files that were read together, in their order, with digests (None: left out), sizes in bytes and times of change.

    Sizes, times and ctimes (`changed`), in nanoseconds since 1970, are those after the reading, below 0 of what could
    not be opened. The content of what has a digest lies in `content` one after the other, until `release` is called:
    in the file `draft`, or in memory alone.
    """

    part: Part
    digests: list[Digest | None]
    sizes: Sequence[int]
    times: Sequence[int]
    changed: Sequence[int]
    content: memoryview
    draft: Path | None
    release: Callable[[], None]

    def blobs(self, but: Collection[int] = ()) -> Iterator[tuple[Digest, memoryview]]:
        """Give each blob with its bytes, in their order, but for those of some files, by their places in the part."""
        at = 0
        for number, (digest, size) in enumerate(zip(self.digests, self.sizes, strict=True)):
            if digest:
                if number not in but:
                    yield digest, self.content[at : at + size]
                at += size


def useful_readers() -> int:
    """Say how many readers this machine has work for; 0 where they would not help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return min(cores, _MOST) if cores > 1 and hasattr(os, "memfd_create") else 0


class Readers:
    """At most so many readers, which end with the context. Each fills a file of its own while others are stored.

    Where `new_draft` gives none, it is shared memory that is filled. The last reader starts when others are waited for.
    """

    def __init__(self, count: int, new_draft: NewDraft = lambda: None) -> None:
        self._most = count
        self._new_draft = new_draft
        # Whoever asks has work for a core of its own. More than the other cores can read is good for slow disks alone.
        self._readers = [_Reader(new_draft) for _ in range(max(1, count - 1))]
        self._waiting: deque[Part] = deque()
        self._asked: deque[_Reader] = deque()
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.end()
        for reader in self._readers:
            reader.close()

    @property
    def left(self) -> int:
        """Say how many parts have not been given back."""
        return len(self._waiting) + len(self._asked)

    def put(self, part: Part) -> None:
        """Let a part be read as soon as there is room, after those that were put before."""
        self._waiting.append(part)
        self._ask()

    def get(self, seconds: float | None = None) -> Read | None:
        """Wait for the next part, in the order in which they were put; None when it does not come in time.

        What a reader had no room for comes as a part of its own. One that dies is `Unavailable`, and so is a store in
        which it cannot write.
        """
        self._ask(wait=not self._asked)
        reader = self._asked[0]
        more = len(self._readers) < self._most and (seconds is None or seconds > _SLOW)
        if more and not reader.has_answered(_SLOW):
            self._readers.append(_Reader(self._new_draft))
            self._ask()
            seconds = seconds and seconds - _SLOW
        if not reader.has_answered(seconds):
            return None
        self._asked.popleft()
        read, rest = reader.answer()
        if rest:
            self._waiting.appendleft(rest)
        self._ask()
        return read

    def read(self, parts: Iterable[Part]) -> Iterator[Read]:
        """Read all parts."""
        for part in parts:
            self.put(part)
        while self.left:
            if read := self.get():
                yield read

    def _ask(self, *, wait: bool = False) -> None:
        """Hand over what waits, to the readers in turn, as long as one of them has room in a segment."""
        while self._waiting and (reader := self._with_room(wait=wait)):
            wait = False
            if rest := reader.ask(self._waiting.popleft()):
                self._waiting.appendleft(rest)
            self._asked.append(reader)

    def _with_room(self, *, wait: bool) -> "_Reader | None":
        for _ in self._readers:
            self._next = (self._next + 1) % len(self._readers)
            if self._readers[self._next].has_room(wait=False):
                return self._readers[self._next]
        return self._readers[self._next] if wait and self._readers[self._next].has_room(wait=True) else None


class _Reader:
    def __init__(self, new_draft: NewDraft) -> None:
        self._new_draft = new_draft
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
        self._asked: deque[tuple[int, Part, Path | None]] = deque()

    def has_room(self, *, wait: bool) -> bool:
        """Say whether a segment is free, which the next question then takes."""
        return self._freed.acquire(blocking=wait)

    def ask(self, part: Part) -> Part | None:
        """Let files be read into the segment that is free, and give those that are too many for it."""
        # The one that was used last: its memory is there already.
        number = self._free.pop()
        segment = self._segments[number]
        whole, count = part, FILES
        part, rest = whole.cut(count)
        draft = self._new_draft()
        new = os.fspath(draft) if draft else ""
        while len(names := os.fsencode("\0".join([new, part.folder, *part.places])) + b"\0") > program.NAMES:
            count //= 2
            part, rest = whole.cut(count)
        segment[: len(names)] = names
        assert self._process.stdin
        self._asked.append((number, part, draft))
        question = program.QUESTION.pack(number, len(part.places), len(names), part.before_ns)
        try:
            os.write(self._process.stdin.fileno(), question)
        except BrokenPipeError as error:
            raise self._died() from error
        return rest

    def has_answered(self, seconds: float | None) -> bool:
        """Wait for the answer to the oldest question."""
        assert self._process.stdout
        if seconds is None:
            # The answer will be waited for when it is read.
            return True
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def answer(self) -> tuple[Read, Part | None]:
        """Give the oldest files that were asked for, and the rest of them for which there was no room."""
        assert self._process.stdout
        number, part, draft = self._asked[0]
        said = os.read(self._process.stdout.fileno(), program.ANSWER.size)
        if len(said) < program.ANSWER.size:
            raise self._died()
        count, fault = program.ANSWER.unpack(said)
        if fault:
            raise storage_error(OSError(fault, os.strerror(fault)), (draft or Path()).parent)
        self._asked.popleft()
        part, rest = part.cut(count)
        segment = self._segments[number]
        stamps = array("q", bytes(segment[program.STAMPS_AT : program.STAMPS_AT + count * program.STAMP]))
        raw = bytes(segment[program.DIGESTS_AT : program.DIGESTS_AT + count * program.DIGEST])
        digests = _digests(raw)
        sizes, times, changed = stamps[::3].tolist(), stamps[1::3].tolist(), stamps[2::3].tolist()
        end = sum(sizes)
        if program.NOT_READ in raw:
            for at in range(count):
                if raw[at * program.DIGEST : (at + 1) * program.DIGEST] == program.NOT_READ:
                    digests[at] = None
            end = sum([size for size, digest in zip(sizes, digests, strict=True) if digest])
        content = _mapped(draft, end) if draft else segment[program.CONTENT_AT : program.CONTENT_AT + end]
        return Read(part, digests, sizes, times, changed, content, draft, lambda: self._release(number, draft)), rest

    def _release(self, number: int, draft: Path | None) -> None:
        self._free.append(number)
        self._freed.release()
        _remove(draft)

    def end(self) -> None:
        """Let the process end; nothing that it was asked for is of use any more."""
        self._process.kill()

    def close(self) -> None:
        """Wait for the end of the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        for _, _, draft in self._asked:
            _remove(draft)

    def _died(self) -> Unavailable:
        return Unavailable(
            "reader-died",
            f"A process that read files ended before its work was done (status {self._process.wait()}); nothing is "
            "half done. Try again, and see that there is memory enough.",
        )


def _digests(raw: bytes) -> list[Digest | None]:
    """Write digests of 32 bytes each as text: thousands together, since one by one they cost several times as much."""
    if not raw:
        return []
    together = PREFIX + raw.hex("|", program.DIGEST).replace("|", "|" + PREFIX)
    return cast("list[Digest | None]", together.split("|"))


def _mapped(draft: Path, size: int) -> memoryview:
    """Give what a file holds as it lies in the system's memory."""
    if not size:
        return memoryview(b"")
    try:
        with draft.open("rb", buffering=0) as file:
            return memoryview(mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ))
    except OSError as error:
        raise storage_error(error, draft.parent) from error


def _remove(draft: Path | None) -> None:
    """Remove a draft, which has another name by now if it was kept; one that stays is removed a day later."""
    if draft:
        with suppress(OSError):
            draft.unlink()
