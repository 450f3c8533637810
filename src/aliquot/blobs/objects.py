"""Objects by their keys, in a folder or a bucket: what blobs, packs and names are written as."""

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import obstore
from blake3 import blake3
from obstore.store import ObjectStore

from aliquot.blobs.copying import CHUNK
from aliquot.blobs.durable import Writer, file_changed, open_source, storage_error
from aliquot.blobs.layout import PACKS, blob_key
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Damaged, Missing, Unavailable

_OPEN_PACKS = 64


class Stored(NamedTuple):
    """An object that is there: its key, size in bytes, and when it was last written, in seconds since 1970."""

    key: str
    size: int
    written_at: float


class Objects:
    """Objects by their keys. In a folder they are written through `Writer`, which makes them durable."""

    def __init__(self, url: str, objects: ObjectStore, writer: Writer | None) -> None:
        self.url = url
        self._objects = objects
        self._writer = writer
        self._packs: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def root(self) -> Path | None:
        """Give the folder, when this is one."""
        return self._writer.root if self._writer else None

    def copy_in(self, path: Path | str, looked_at: os.stat_result | None = None) -> tuple[Digest, int]:
        """Store a file's bytes alone; durable only after `settle`. Another one than was looked at is `Conflict`."""
        if self._writer:
            return self._writer.copy(path, blob_key, looked_at)
        # A bucket needs the name first: the digest is taken in a pass of its own, and proved by what the upload read.
        with io.FileIO(open_source(path, looked_at)) as file:
            digest, size = _digest_all(file)
        self._upload(path, digest, size)
        return digest, size

    def _upload(self, path: Path | str, digest: Digest, size: int) -> int:
        with _Proving(Path(path)) as file:
            self._attempt(lambda: obstore.put(self._objects, blob_key(digest), file, chunk_size=_part_size(size)))
        if file.digest != digest:
            self._attempt(lambda: obstore.delete(self._objects, blob_key(digest)))
            raise file_changed(path)
        return size

    def take_over(self, path: Path | str, digest: Digest | None = None) -> tuple[Digest, int]:
        """Store a file alone that nobody writes to any more; on the store's disk it becomes the blob itself."""
        if self._writer:
            return self._writer.take_over(path, digest, blob_key)
        return self.copy_in(path) if digest is None else (digest, self._upload(path, digest, Path(path).stat().st_size))

    def put_object(self, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write an object under a key that its content decides; durable only after `settle`."""
        if self._writer:
            if self._writer.write(key, parts):
                self._forget(key)
        else:
            self._attempt(lambda: obstore.put(self._objects, key, b"".join(parts)))

    def new_draft(self) -> Path | None:
        """Give the place for a new file that shall become an object by `put_draft`; None in a bucket."""
        return self._writer.new_draft() if self._writer else None

    def put_draft(self, key: str, draft: Path, held: int, ending: bytes | memoryview) -> None:
        """Make an object of a draft and the bytes that come after those that it holds, as `put_object` does."""
        assert self._writer
        if self._writer.finish(draft, key, [ending], held):
            self._forget(key)

    def replace_object(self, key: str, data: bytes) -> None:
        """Write a small object under a name, in place of one that may be there."""
        if self._writer:
            self._writer.replace(key, data)
        else:
            self._attempt(lambda: obstore.put(self._objects, key, data))

    def settle(self) -> None:
        """Make durable what was written."""
        if self._writer:
            try:
                self._writer.settle()
            except OSError as error:
                raise storage_error(error, self._writer.root) from error

    def read_object(self, key: str) -> bytes:
        """Give the whole content of an object, or `Missing`."""
        return self.read_range(key, 0, self.size_of(key))

    def size_of(self, key: str) -> int:
        """Give the size of an object in bytes, or `Missing`."""
        try:
            return int(obstore.head(self._objects, key)["size"])
        except FileNotFoundError as error:
            raise Missing("object-missing", f"The store holds no {key}.", key=key) from error
        except obstore.exceptions.BaseError as error:
            raise Unavailable("store-unavailable", f"The store at {self.url} does not answer: {error}") from error

    def list_keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List the keys below a prefix with their sizes, sorted."""
        rows = [
            (str(meta["path"]), int(meta["size"]))
            for page in obstore.list(self._objects, prefix=prefix.rstrip("/"))
            for meta in page
        ]
        yield from sorted(rows)

    def walk(self, prefix: str) -> Iterator[list[Stored]]:
        """List what lies below a prefix, unsorted, a page at a time."""
        try:
            for page in obstore.list(self._objects, prefix=prefix.rstrip("/")):
                yield [Stored(str(each["path"]), int(each["size"]), each["last_modified"].timestamp()) for each in page]
        except obstore.exceptions.BaseError as error:
            raise Unavailable("store-unavailable", f"The store at {self.url} does not answer: {error}") from error

    def remove(self, key: str, before: float) -> bool:
        """Remove an object that nobody has written, or found to be there already, since `before`; says if it is gone.

        In a folder, a writer that finds it in this very moment writes it anew. A bucket has no lock: one that is
        written between the look at its time and the removal, a few milliseconds later, is lost.
        """
        if self._writer:
            gone = self._writer.remove(key, before)
            if gone:
                self._forget(key)
            return gone
        try:
            if obstore.head(self._objects, key)["last_modified"].timestamp() >= before:
                return False
        except FileNotFoundError:
            return True
        except obstore.exceptions.BaseError as error:
            raise Unavailable("store-unavailable", f"The store at {self.url} does not answer: {error}") from error
        self._attempt(lambda: obstore.delete(self._objects, key))
        return True

    def drafts(self, before: float) -> Iterator[tuple[Path, int]]:
        """List temporary files that nobody has written to since `before`, with their sizes; a bucket has none."""
        if self._writer:
            yield from self._writer.drafts(before)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Give `length` bytes of an object, from byte `start`; one that is gone is `Damaged`."""
        try:
            if self._writer:
                return self._read_local(key, start, length)
            return bytes(obstore.get_range(self._objects, key, start=start, length=length))
        except FileNotFoundError as error:
            raise Damaged("blob-missing", f"{key} is gone from the store; restore it from a copy.", key=key) from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable("store-unavailable", f"The store at {self.url} does not answer: {error}") from error

    def _read_local(self, key: str, start: int, length: int) -> bytes:
        assert self._writer
        if not key.startswith(PACKS):
            with (self._writer.root / key).open("rb", buffering=0) as file:
                return _pread(file.fileno(), length, start)
        with self._lock:
            handle = self._packs.pop(key, None)
            if handle is None:
                handle = os.open(self._writer.root / key, os.O_RDONLY)
            self._packs[key] = handle
            if len(self._packs) > _OPEN_PACKS:
                os.close(self._packs.popitem(last=False)[1])
            return _pread(handle, length, start)

    def holds(self, key: str, start: int, data: bytes | memoryview) -> bool:
        """Say whether an object has these bytes, from byte `start`."""
        try:
            return self.read_range(key, start, len(data)) == data
        except Damaged:
            return False

    def _forget(self, key: str) -> None:
        """Let go of a pack that has been replaced."""
        with self._lock:
            if key in self._packs:
                os.close(self._packs.pop(key))

    def close(self) -> None:
        """Let go of open files."""
        with self._lock:
            for handle in self._packs.values():
                os.close(handle)
            self._packs.clear()

    def _attempt(self, write: Callable[[], object]) -> None:
        try:
            write()
        except obstore.exceptions.BaseError as error:
            raise Unavailable("store-unavailable", f"The store at {self.url} does not answer: {error}") from error


class _Proving(io.FileIO):
    """A file that digests what is read of it, from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._hasher = blake3()
        self._end = 0

    @property
    def digest(self) -> Digest:
        """Give the digest of all that was read."""
        return Digest(PREFIX + self._hasher.hexdigest())

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and digest what was not read before."""
        start = self.tell()
        data = super().read(-1 if size is None else size) or b""
        fresh = data[max(0, self._end - start) :]
        self._hasher.update(fresh)
        self._end += len(fresh)
        return data


def digest_file(file: Path | int) -> tuple[Digest, int]:
    """Digest a file in pieces of 1 MiB; gives digest and size. One that is open, by its number, is closed then."""
    with io.FileIO(file) as reading:
        return _digest_all(reading)


def _digest_all(file: io.FileIO) -> tuple[Digest, int]:
    hasher = blake3()
    size = 0
    while data := file.read(CHUNK):
        hasher.update(data)
        size += len(data)
    return Digest(PREFIX + hasher.hexdigest()), size


def _pread(handle: int, length: int, start: int) -> bytes:
    data = os.pread(handle, length, start)
    while len(data) < length and (more := os.pread(handle, length - len(data), start + len(data))):
        data += more
    return data


def _part_size(size: int) -> int:
    """Scale an upload's parts so that no file needs more than the 10,000 that S3 takes."""
    return max(8 * CHUNK, -(-size // 9_000))
