"""The store: blobs, packs and version names at a URL."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlparse

import obstore
from blake3 import blake3
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from aliquot.blobs.batch import Batch
from aliquot.blobs.durable import CHUNK, Writer, storage_error
from aliquot.blobs.layout import BLOBS, PACKS, blob_key, digest_of_key, key_of
from aliquot.blobs.pack import FOOTER, SMALL, index_size, read_index
from aliquot.model.blob import Location
from aliquot.model.digest import PREFIX, Digest, digest_bytes
from aliquot.model.errors import Damaged, Invalid, Missing, Unavailable

Known = Callable[[Collection[Digest]], Mapping[Digest, Location]]
"""Says which blobs are stored already, and where."""

_OPEN_PACKS = 64


def open_store(url: str, folder: Path | None = None) -> "Store":
    """Open the store at a URL or path; relative paths start at `folder`.

    A folder is made when it is missing. Buckets (`s3://`, `az://`, `gs://`) take credentials from the environment.
    """
    scheme = urlparse(url).scheme
    if scheme in {"", "file"}:
        root = Path(unquote(urlparse(url).path)) if scheme else Path(url)
        root = (folder or Path()) / root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, root) from error
        return Store(root.absolute().as_uri(), LocalStore(root.absolute()), Writer(root.absolute()))
    if scheme == "memory":
        return Store(url, MemoryStore(), None)
    try:
        return Store(url, from_url(url), None)
    except (ValueError, obstore.exceptions.BaseError) as error:
        raise Invalid("store-url-refused", f"{url!r} cannot be a store: {error}", url=url) from error


class Store:
    """Bytes by their digest. What is written is durable when the call returns, and never changes."""

    def __init__(self, url: str, objects: ObjectStore, writer: Writer | None) -> None:
        self.url = url
        self._objects = objects
        self._writer = writer
        self._packs: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def batch(self, known: Known | None = None) -> Batch:
        """Begin to write many blobs that become durable together."""
        return Batch(self, known)

    def put_bytes(self, data: bytes) -> Location:
        """Store bytes alone under their digest."""
        digest = digest_bytes(data)
        self.put_object(blob_key(digest), [data])
        self.settle()
        return Location(digest, len(data))

    def put_file(self, path: Path) -> Location:
        """Store a file's bytes alone under their digest; memory stays flat."""
        digest, size = self.copy_in(path)
        self.settle()
        return Location(digest, size)

    def copy_in(self, path: Path | str) -> tuple[Digest, int]:
        """Store a file's bytes alone; durable only after `settle`."""
        if self._writer:
            return self._writer.copy(path, blob_key)
        # A bucket needs the name first: the digest is taken in a pass of its own, and proved by the upload's reader.
        digest, size = digest_file(Path(path))
        with Path(path).open("rb") as file:
            self._attempt(lambda: obstore.put(self._objects, blob_key(digest), file, chunk_size=_part_size(size)))
        return digest, size

    def put_object(self, key: str, parts: list[bytes]) -> None:
        """Write an object under a key that its content decides; durable only after `settle`."""
        if self._writer:
            self._writer.write(key, parts)
        else:
            self._attempt(lambda: obstore.put(self._objects, key, b"".join(parts)))

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

    def read(self, location: Location) -> bytes:
        """Give the whole content of a blob; one that is gone is `Damaged`."""
        return self.read_range(location, 0, location.size)

    def read_range(self, location: Location, start: int, length: int) -> bytes:
        """Give `length` bytes of a blob, from byte `start`."""
        length = max(0, min(length, location.size - start))
        if length == 0:
            return b""
        key = key_of(location)
        data = self._read_object(key, location.offset + start, length)
        if len(data) != length:
            raise Damaged("blob-damaged", f"{key} is shorter than it was written.", digest=location.digest)
        return data

    def stream(self, location: Location) -> Iterator[bytes]:
        """Give the content of a blob, a piece of 1 MiB at a time."""
        for start in range(0, location.size, CHUNK):
            yield self.read_range(location, start, CHUNK)

    def fetch(self, location: Location, target: Path) -> None:
        """Write a blob's content to a new file, which shares no byte with the store that a writer could reach."""
        if location.size < SMALL:
            with target.open("xb") as small:
                small.write(self.read(location))
            return
        local = self.local_path(location)
        with target.open("xb") as file:
            if local:
                with self._open_blob(local, location) as source:
                    _copy_all(source.fileno(), file.fileno(), location)
            else:
                for piece in self.stream(location):
                    file.write(piece)

    def local_path(self, location: Location) -> Path | None:
        """Give the file that holds a blob alone, when the store is a folder."""
        if self._writer is None or location.pack:
            return None
        return self._writer.root / blob_key(location.digest)

    def exists(self, location: Location) -> bool:
        """Say whether the object that should hold a blob is there."""
        try:
            self.size_of(key_of(location))
        except Missing:
            return False
        return True

    def digest(self, location: Location) -> Digest:
        """Read a blob's content again and digest it."""
        hasher = blake3()
        for piece in self.stream(location):
            hasher.update(piece)
        return Digest(PREFIX + hasher.hexdigest())

    def read_object(self, key: str) -> bytes:
        """Give the whole content of an object, or `Missing`."""
        return self._read_object(key, 0, self.size_of(key))

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

    def locations(self) -> Iterator[Location]:
        """List every blob that the store holds, from its names and the packs' indexes."""
        for key, size in self.list_keys(BLOBS):
            yield Location(digest_of_key(key), size)
        for key, size in self.list_keys(PACKS):
            yield from self.pack_index(key, size)

    def pack_index(self, key: str, size: int) -> list[Location]:
        """Say where blobs lie in a pack of `size` bytes, from the index at its end; a broken one is `Damaged`."""
        footer = self._read_object(key, max(0, size - FOOTER.size), FOOTER.size)
        end = size - FOOTER.size
        length = index_size(footer, key)
        if length > end:
            raise Damaged("pack-damaged", f"{key} is shorter than its index; restore it from a copy.", key=key)
        return read_index(self._read_object(key, end - length, length), digest_of_key(key))

    def close(self) -> None:
        """Let go of open files."""
        with self._lock:
            for handle in self._packs.values():
                os.close(handle)
            self._packs.clear()

    def _read_object(self, key: str, start: int, length: int) -> bytes:
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

    def _open_blob(self, path: Path, location: Location) -> BinaryIO:
        try:
            return path.open("rb")
        except FileNotFoundError as error:
            raise Damaged(
                "blob-missing",
                f"{path} is gone from the store; restore it from a copy.",
                digest=location.digest,
            ) from error

    def _attempt(self, write: Callable[[], object]) -> None:
        try:
            write()
        except obstore.exceptions.BaseError as error:
            raise Unavailable("store-unavailable", f"The store at {self.url} does not answer: {error}") from error


def digest_file(path: Path) -> tuple[Digest, int]:
    """Digest a file in pieces of 1 MiB; gives digest and size."""
    hasher = blake3()
    size = 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            hasher.update(data)
            size += len(data)
    return Digest(PREFIX + hasher.hexdigest()), size


def _pread(handle: int, length: int, start: int) -> bytes:
    data = os.pread(handle, length, start)
    while len(data) < length and (more := os.pread(handle, length - len(data), start + len(data))):
        data += more
    return data


def _copy_all(reading: int, writing: int, location: Location) -> None:
    left = location.size
    while left and (count := os.copy_file_range(reading, writing, left)):
        left -= count
    if left:
        raise Damaged("blob-damaged", f"{location.digest} is shorter than it was written.", digest=location.digest)


def _part_size(size: int) -> int:
    """Scale an upload's parts so that no file needs more than the 10,000 that S3 takes."""
    return max(8 * CHUNK, -(-size // 9_000))
