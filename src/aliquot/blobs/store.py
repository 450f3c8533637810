"""The store: blobs, packs and version names at a URL."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlparse

import obstore
from blake3 import blake3
from obstore.store import LocalStore, MemoryStore, from_url

from aliquot.blobs.adopted import Adopted
from aliquot.blobs.batch import Batch, Known, Moved
from aliquot.blobs.bucket_client import first_line
from aliquot.blobs.copying import CHUNK, copy_and_digest
from aliquot.blobs.durable import Writer, storage_error
from aliquot.blobs.layout import ADOPTED, BLOBS, PACKS, blob_key, blob_of_pin, digest_of_key, key_of, pins_below
from aliquot.blobs.neighbours import neighbours
from aliquot.blobs.objects import Objects
from aliquot.blobs.pack import FOOTER, SMALL, index_size, read_index
from aliquot.model.blob import Location, Pin
from aliquot.model.digest import PREFIX, Digest, digest_bytes
from aliquot.model.errors import Damaged, Invalid, Missing

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_OPEN_PACKS = 64

_RETRY: "RetryConfig" = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
"""What the store's client waits for by itself; what lasts longer is waited for by whoever asked, and shown."""


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
        return Store(Objects(root.absolute().as_uri(), LocalStore(root.absolute()), Writer(root.absolute())))
    if scheme == "memory":
        return Store(Objects(url, MemoryStore(), None))
    try:
        return Store(Objects(url, from_url(url, retry_config=_RETRY), None))
    except (ValueError, obstore.exceptions.BaseError) as error:
        raise Invalid("store-url-refused", f"{url!r} cannot be a store: {first_line(error)}", url=url) from error


class Store:
    """Bytes by their digest. What is written is durable when the call returns, and never changes."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._adopted = Adopted(objects)

    @property
    def url(self) -> str:
        """Give the URL under which the store is found again."""
        return self.objects.url

    def batch(self, known: Known | None = None, moved: Moved | None = None) -> Batch:
        """Begin to write many blobs that become durable together."""
        return Batch(self.objects, known, moved)

    def put_bytes(self, data: bytes) -> Location:
        """Store bytes alone under their digest."""
        digest = digest_bytes(data)
        self.objects.put_object(blob_key(digest), [data])
        self.objects.settle()
        return Location(digest, len(data))

    def put_file(self, path: Path) -> Location:
        """Store a file's bytes alone under their digest; memory stays flat."""
        digest, size = self.objects.copy_in(path)
        self.objects.settle()
        return Location(digest, size)

    def read(self, location: Location) -> bytes:
        """Give the whole content of a blob; one that is gone is `Damaged`."""
        return self.read_range(location, 0, location.size)

    def read_range(self, location: Location, start: int, length: int) -> bytes:
        """Give `length` bytes of a blob, from byte `start`."""
        length = max(0, min(length, location.size - start))
        if length == 0:
            return b""
        key = key_of(location)
        try:
            data = self.objects.read_range(key, location.offset + start, length)
        except Damaged:
            if not self._pins(location):
                raise
            data = self._adopted.read_range(location, start, length)
        if len(data) != length:
            raise _cut_off(location)
        return data

    def stream(self, location: Location) -> Iterator[bytes]:
        """Give the content of a blob, a piece of 1 MiB at a time; that of an adopted one is proved at its end."""
        try:
            first = self.objects.read_range(key_of(location), location.offset, min(CHUNK, location.size))
        except Damaged:
            if not self._pins(location):
                raise
            yield from self._adopted.stream(location)
            return
        if len(first) < min(CHUNK, location.size):
            raise _cut_off(location)
        yield first
        for start in range(CHUNK, location.size, CHUNK):
            yield self.read_range(location, start, CHUNK)

    def read_checked(self, location: Location) -> bytes:
        """Give the whole content of a blob that is digested again; one that is not what was written is `Damaged`."""
        data = self.read(location)
        _check(digest_bytes(data), location)
        return data

    def read_all_checked(self, locations: Sequence[Location]) -> list[bytes]:
        """Give the contents of small blobs, digested again; what lies near each other in a pack is read together."""
        found: dict[Location, bytes] = {}
        for together in neighbours(locations):
            first, start = together[0], together[0].offset
            if len(together) == 1:
                found[first] = self.read_checked(first)
                continue
            end = max(each.offset + each.size for each in together)
            data = self.objects.read_range(key_of(first), start, end - start)
            for each in together:
                content = data[each.offset - start : each.offset - start + each.size]
                if len(content) < each.size:
                    raise _cut_off(each)
                _check(digest_bytes(content), each)
                found[each] = content
        return [found[each] for each in locations]

    def fetch(self, location: Location, target: Path) -> None:
        """Write a blob's content to a new file, which shares no byte with the store that a writer could reach.

        What was written is digested; when it is not what was stored, it is `Damaged`, and no file stays.
        """
        with target.open("xb+") as file:
            try:
                self._fetch_to(file, location)
            except BaseException:
                target.unlink(missing_ok=True)
                raise

    def _fetch_to(self, file: BinaryIO, location: Location) -> None:
        if location.size < SMALL:
            file.write(self.read_checked(location))
        elif local := self.local_path(location):
            with self._open_blob(local, location) as source:
                digest, _ = copy_and_digest(source.fileno(), file.fileno(), location.size)
            _check(digest, location)
        else:
            hasher = blake3()
            for piece in self.stream(location):
                hasher.update(piece)
                file.write(piece)
            _check(Digest(PREFIX + hasher.hexdigest()), location)

    def adopted_from(self, location: Location) -> Sequence[Pin]:
        """Say where the bytes of an adopted blob lie; nowhere else than in the store for all others."""
        return () if self._is_there(location) else self._pins(location)

    def _pins(self, location: Location) -> Sequence[Pin]:
        if location.pack or location.size < SMALL:
            return ()
        return self._adopted.pins(location.digest)

    def _is_there(self, location: Location) -> bool:
        try:
            self.objects.size_of(key_of(location))
        except Missing:
            return False
        return True

    def local_path(self, location: Location) -> Path | None:
        """Give the file that holds a blob alone, when the store is a folder and has it."""
        if self.objects.root is None or location.pack:
            return None
        path = self.objects.root / blob_key(location.digest)
        return path if path.exists() or not self._pins(location) else None

    def exists(self, location: Location) -> bool:
        """Say whether the object that should hold a blob is there."""
        return self._is_there(location) or bool(self._pins(location))

    def digest(self, location: Location) -> Digest:
        """Read a blob's content again and digest it."""
        hasher = blake3()
        for piece in self.stream(location):
            hasher.update(piece)
        return Digest(PREFIX + hasher.hexdigest())

    def locations(self) -> Iterator[Location]:
        """List every blob that the store holds, from its names and the packs' indexes."""
        for key, size in self.objects.list_keys(BLOBS):
            yield Location(digest_of_key(key), size)
        for key, size in self.objects.list_keys(PACKS):
            yield from self.pack_index(key, size)
        yield from self.adopted()

    def adopted(self) -> Iterator[Location]:
        """List every blob that was adopted, from the names of the store's notes."""
        for key, _ in self.objects.list_keys(ADOPTED):
            yield Location(*blob_of_pin(key), adopted=True)

    def forget_adopted(self, digest: Digest, before: float) -> None:
        """Remove the notes that say where a blob was adopted from, if nobody wrote them since; the bytes stay."""
        for key, _ in self.objects.list_keys(pins_below(digest)):
            self.objects.remove(key, before)

    def pack_index(self, key: str, size: int) -> list[Location]:
        """Say where blobs lie in a pack of `size` bytes, from the index at its end; a broken one is `Damaged`."""
        footer = self.objects.read_range(key, max(0, size - FOOTER.size), FOOTER.size)
        end = size - FOOTER.size
        length = index_size(footer, key)
        if length > end:
            raise Damaged("pack-damaged", f"{key} is shorter than its index; restore it from a copy.", key=key)
        return read_index(self.objects.read_range(key, end - length, length), digest_of_key(key))

    def close(self) -> None:
        """Let go of open files."""
        self.objects.close()

    def _open_blob(self, path: Path, location: Location) -> BinaryIO:
        try:
            return path.open("rb")
        except FileNotFoundError as error:
            raise Damaged(
                "blob-missing",
                f"{path} is gone from the store; restore it from a copy.",
                digest=location.digest,
            ) from error


def _cut_off(location: Location) -> Damaged:
    return Damaged(
        "blob-damaged",
        f"{key_of(location)}, where {location.digest} lies, is shorter than it was written; restore it from a copy.",
        digest=location.digest,
    )


def _check(found: Digest, location: Location) -> None:
    if found != location.digest:
        raise Damaged(
            "blob-damaged",
            f"The stored bytes of {location.digest} are not what was written; restore them from a copy. "
            f"`aliquot admin verify` says what else is damaged.",
            digest=location.digest,
        )
