"""Writing many blobs that become durable together."""

import os
import threading
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from stat import S_ISREG

from blake3 import blake3

from aliquot.blobs.durable import file_changed, open_source
from aliquot.blobs.layout import blob_key, key_of, pack_key, pin_key
from aliquot.blobs.objects import Objects
from aliquot.blobs.pack import FULL, SMALL, PackBuffer
from aliquot.blobs.readers import FILES, Part, Read, Readers, useful_readers
from aliquot.blobs.rest import Rest, rests
from aliquot.model.blob import Blob, Location, Pin
from aliquot.model.digest import PREFIX, Digest, digest_bytes
from aliquot.model.errors import AliquotError, Conflict, Invalid, Missing

Known = Callable[[Collection[Digest]], Mapping[Digest, Location]]
"""Says which blobs are stored already, and where."""

Moved = Callable[[Collection[tuple[Location, Location]]], None]
"""Is told of blobs that lie elsewhere now: the old place of each and the new one, which is durable."""

MANY_FILES = 10_000
"""Files from which on readers are worth their start."""

Resting = tuple[str, int, int, int]
"""A file by its place, and how it was seen to rest."""

_AHEAD = 2
_WRITERS = 2
_TOGETHER = 64


class Batch:
    """Collects blobs: small ones travel in packs, large ones lie alone. Safe to use from several threads.

    What was added counts as stored only when `flush` has returned. `known` says which blobs are stored already; with
    `moved`, those of a folder are compared, and it is told of each damaged one where the good bytes lie now.
    """

    def __init__(self, objects: Objects, known: Known | None = None, moved: Moved | None = None) -> None:
        self._objects = objects
        self._known = known
        self._moved = moved
        self._moves: list[tuple[Location, Location]] = []
        self._lock = threading.Lock()
        self._buffer = PackBuffer()
        self._loose: dict[Digest, Location] = {}
        self._writing: list[Future[list[Location]]] = []
        self._writer: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore(_AHEAD)

    def add_bytes(self, data: bytes) -> Blob:
        """Add bytes that are in memory."""
        digest = digest_bytes(data)
        if len(data) >= SMALL:
            self._objects.put_object(blob_key(digest), [data])
            with self._lock:
                self._loose[digest] = Location(digest, len(data))
            return Blob(digest, len(data))
        self._pack([(digest, data)])
        return Blob(digest, len(data))

    def add_all(self, contents: Sequence[bytes]) -> list[Blob]:
        """Add the bytes of many blobs, in one go where they are small."""
        small = [(digest_bytes(data), data) for data in contents if len(data) < SMALL]
        self._pack(small)
        if len(small) < len(contents):
            return [self.add_bytes(data) for data in contents]
        return [Blob(digest, len(data)) for digest, data in small]

    def _pack(self, blobs: Iterable[tuple[Digest, bytes]]) -> None:
        with self._lock:
            for digest, data in blobs:
                self._buffer.add(digest, data)
            ahead = self._buffer.size >= FULL
            if ahead:
                self._write_ahead()
        if ahead:
            self._room.acquire()

    def add_files(self, files: Sequence[Resting]) -> list[Digest | AliquotError]:
        """Add the content of many files, as `add_file` does, each of the size that it was seen to have.

        Gives for each its digest, or why it could not be added.
        """
        readers = useful_readers() if len(files) >= MANY_FILES else 0
        if readers:
            return self._add_read(files, readers)
        found: list[Digest | AliquotError] = []
        for start in range(0, len(files), _TOGETHER):
            part = files[start : start + _TOGETHER]
            read = [_read_small(*file) for file in part]
            blobs = [None if data is None else (digest_bytes(data), data) for data in read]
            self._pack([each for each in blobs if each])
            found += [blob[0] if blob else self._try_file(file) for file, blob in zip(part, blobs, strict=True)]
        return found

    def _add_read(self, files: Sequence[Resting], count: int) -> list[Digest | AliquotError]:
        """Add files that processes of their own read."""
        found: list[Digest | None] = [None] * len(files)
        with self.readers(count) as readers:
            for read in readers.read(_parts(files)):
                seen = zip(read.sizes, read.times, read.changed, strict=True)
                expected = files[read.part.first : read.part.first + len(read.digests)]
                moved = {
                    number
                    for number, (file, now) in enumerate(zip(expected, seen, strict=True))
                    if file[1:] != now and (file[3] or file[1:3] != now[:2])
                }
                self.add_read(read, moved)
                for number, digest in enumerate(read.digests, read.part.first):
                    found[number] = digest
                for number in moved:
                    found[read.part.first + number] = None
        return [digest or self._try_file(file) for file, digest in zip(files, found, strict=True)]

    def readers(self, count: int) -> Readers:
        """Give so many readers, whose files become packs as they lie."""
        return Readers(count, self._objects.new_draft)

    def add_read(self, read: Read, but: Collection[int] = ()) -> None:
        """Add what was read together, but for some of it: as it lies in memory if it fills a pack, or with the rest."""
        if but or len(read.content) < FULL:
            self._pack((digest, bytes(data)) for digest, data in read.blobs(but))
            read.release()
            return
        digests = [digest for digest in read.digests if digest]
        sizes = list(read.sizes)
        if len(digests) < len(sizes):
            sizes = [size for size, digest in zip(sizes, read.digests, strict=True) if digest]
        with self._lock:
            # As many may wait as readers have room for.
            self._write_later(PackBuffer.around(read.content, digests, sizes, read.draft), read.release)

    def _try_file(self, file: Resting) -> Digest | AliquotError:
        path, size, mtime_ns, changed_ns = file
        try:
            return self.add_file(path, (size, mtime_ns, changed_ns)).digest
        except (Conflict, Invalid) as error:
            return error

    def add_file(self, path: Path | str, expected: Rest | None = None, known: Digest | None = None) -> Blob:
        """Add a file's content; one that changes while it is read is `Conflict`, and nothing is kept of it.

        `expected` is how the file was seen to rest. The digest is `known` of a file that nobody else can reach: it
        becomes the blob, and must not be written any more.
        """
        reading = open_source(path)
        try:
            before = os.fstat(reading)
            expected = expected or (before.st_size, before.st_mtime_ns, 0)
            if not rests(before, expected):
                raise file_changed(path)
            if before.st_size < SMALL:
                # Asked for one byte more than there should be, and no more: memory for what a file might have grown to
                # costs several times the reading.
                data = os.read(reading, before.st_size + 1)
                after = os.fstat(reading)
                if len(data) != before.st_size or not rests(after, expected):
                    raise file_changed(path)
                return self.add_bytes(data)
        finally:
            os.close(reading)
        if known is None:
            digest, size = self._objects.copy_in(path, before)
        else:
            digest, size = self._objects.take_over(path, known)
        return self._alone(digest, size)

    def take_over(self, path: Path | str) -> Blob:
        """Add a large file to which nobody has access any more: where it lies on the store's disk, it becomes the blob.

        It is not copied then, and must not be written any more.
        """
        return self._alone(*self._objects.take_over(path))

    def _alone(self, digest: Digest, size: int) -> Blob:
        with self._lock:
            self._loose[digest] = Location(digest, size)
        return Blob(digest, size)

    def adopt(self, blob: Blob, pin: Pin) -> None:
        """Note where a blob lies that is not copied."""
        note = pin.to_json()
        self._objects.put_object(pin_key(blob.digest, blob.size, note), [note])
        with self._lock:
            self._loose.setdefault(blob.digest, Location(*blob, adopted=True))

    def write_rest(self) -> None:
        """Begin to write what does not fill a pack: no more is to come."""
        with self._lock:
            if self._buffer.digests():
                last, self._buffer = self._buffer, PackBuffer()
                self._write_later(last, lambda: None)

    def written(self) -> list[Location]:
        """Say where blobs lie that have been written since the last time; durable only after `flush`, which then says
        where all others lie.
        """
        with self._lock:
            done = [each for each in self._writing if each.done()]
            self._writing = [each for each in self._writing if each not in done]
        return [place for each in done for place in each.result()]

    def flush(self) -> tuple[Location, ...]:
        """Make everything durable that was added since the last time, and say where it lies."""
        with self._lock:
            last, self._buffer = self._buffer, PackBuffer()
            loose, self._loose = self._loose, {}
            writing, self._writing = self._writing, []
        written = self._write(last) if last.digests() else []
        for future in writing:
            written += future.result()
        self._objects.settle()
        with self._lock:
            moves, self._moves = self._moves, []
        if moves and self._moved:
            self._moved(moves)
        return (*loose.values(), *written)

    def _write_ahead(self) -> None:
        """Hand the full buffer over. Under the lock, so that a flush finds it among what is being written."""
        full, self._buffer = self._buffer, PackBuffer()
        self._write_later(full, self._room.release)

    def _write_later(self, buffer: PackBuffer, then: Callable[[], None]) -> None:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(_WRITERS, "packs")
        future = self._writer.submit(self._write, buffer)
        future.add_done_callback(lambda _: then())
        self._writing.append(future)

    def _write(self, buffer: PackBuffer) -> list[Location]:
        known: Mapping[Digest, Location] = self._known(buffer.digests()) if self._known else {}
        damaged = self._damaged(buffer, known)
        known = {digest: place for digest, place in known.items() if digest not in damaged}
        rest = buffer.without(set(known))
        if not rest.digests():
            return list(known.values())
        pieces = list(rest.pieces())
        pack = _digest_pieces(pieces)
        if rest.draft:
            self._objects.put_draft(pack_key(pack), rest.draft, rest.size, pieces[-1])
        else:
            self._objects.put_object(pack_key(pack), pieces)
        places = rest.locations(pack)
        with self._lock:
            self._moves += [(damaged[each.digest], each) for each in places if each.digest in damaged]
        return [*known.values(), *places]

    def _damaged(self, buffer: PackBuffer, known: Mapping[Digest, Location]) -> dict[Digest, Location]:
        """Give the places of known blobs that do not hold their bytes and cannot be mended.

        In a bucket, each would be a request to see: there they are taken to be whole.
        """
        if not known or self._moved is None or self._objects.root is None:
            return {}
        damaged: dict[Digest | None, dict[Location, bytes | memoryview]] = {}
        for digest, data in buffer.blobs():
            place = known.get(digest)
            if place and data and not self._objects.holds(key_of(place), place.offset, data):
                damaged.setdefault(place.pack, {})[place] = data
        left = [place for pack, good in damaged.items() if not (pack and self._mend(pack, good)) for place in good]
        return {place.digest: place for place in left}

    def _mend(self, pack: Digest, good: Mapping[Location, bytes | memoryview]) -> bool:
        """Put good bytes into a damaged pack; false, and nothing done, if it would not be whole by that."""
        try:
            content = bytearray(self._objects.read_object(pack_key(pack)))
        except Missing:
            return False
        for place, data in good.items():
            content[place.offset : place.offset + place.size] = data
        if digest_bytes(bytes(content)) != pack:
            return False
        self._objects.put_object(pack_key(pack), [bytes(content)])
        return True


def _parts(files: Sequence[Resting]) -> Iterator[Part]:
    """Cut files into what makes a pack."""
    # Where the content of each begins, if all came one after the other.
    content = list(accumulate([file[1] for file in files], initial=0))
    start = 0
    while start < len(files):
        full = bisect_left(content, content[start] + FULL, start)
        end = max(start + 1, min(full, start + FILES, len(files)))
        yield Part("", [file[0] for file in files[start:end]], first=start)
        start = end


def _read_small(path: str, size: int, mtime_ns: int, changed_ns: int) -> bytes | None:
    """Give the content of a small file; None when it is not small, is not as it was, or cannot be read.

    One look suffices, after the reading: what is then as it was seen to rest was so before.
    """
    if size >= SMALL:
        return None
    try:
        reading = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        data = os.read(reading, size + 1)
        after = os.fstat(reading)
    except OSError:
        return None
    finally:
        os.close(reading)
    as_it_was = len(data) == size and rests(after, (size, mtime_ns, changed_ns))
    return data if as_it_was and S_ISREG(after.st_mode) else None


def _digest_pieces(pieces: Iterable[bytes | memoryview]) -> Digest:
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    return Digest(PREFIX + hasher.hexdigest())
