"""Blobs that were adopted: the store keeps a note of where they lie, and the bytes stay there.

Nothing here ever writes to or removes anything from where they lie.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from errno import ELOOP
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

import obstore
from blake3 import blake3
from obstore.store import ObjectStore

from aliquot.blobs.bucket_client import first_line, is_refusal, is_without_bucket, open_bucket
from aliquot.blobs.copying import CHUNK
from aliquot.blobs.layout import pins_below
from aliquot.blobs.objects import Objects
from aliquot.model.blob import Location, Pin, pin_from_json
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import AliquotError, Damaged, Unavailable

_REMEMBERED = 4_096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
T = TypeVar("T")


class Adopted:
    """Reads adopted blobs where they lie. Safe to use from several threads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._pins: OrderedDict[Digest, Sequence[Pin]] = OrderedDict()
        self._clients: dict[tuple[str, tuple[tuple[str, str], ...]], ObjectStore] = {}

    def pins(self, digest: Digest, *, anew: bool = False) -> Sequence[Pin]:
        """Say where an adopted blob lies, the newest notes last; nowhere when it was never adopted."""
        with self._lock:
            known = self._pins.get(digest)
        if known and not anew:
            return known
        notes = [self._objects.read_object(key) for key, _ in self._objects.list_keys(pins_below(digest))]
        try:
            found = [pin_from_json(note) for note in notes]
        except (ValueError, TypeError) as error:
            sentence = f"The store's note of where {digest} was adopted from cannot be read; restore it from a copy."
            raise Damaged("adopted-note-damaged", sentence, digest=digest) from error
        with self._lock:
            if found:
                self._pins[digest] = found
            while len(self._pins) > _REMEMBERED:
                self._pins.popitem(last=False)
        return found

    def read_range(self, location: Location, start: int, length: int) -> bytes:
        """Give some bytes. They are those of the very object or file that was adopted; no digest proves a part."""
        return self._from_any(location.digest, lambda pin: self._read(pin, start, length))

    def stream(self, location: Location) -> Iterator[bytes]:
        """Give the whole content in pieces of about 1 MiB; when its digest is another in the end, it is `Damaged`."""
        pin, pieces = self._from_any(location.digest, self._begin)
        hasher = blake3()
        for piece in pieces:
            hasher.update(piece)
            yield piece
        if PREFIX + hasher.hexdigest() != location.digest:
            raise _changed(pin, location.digest)

    def _from_any(self, digest: Digest, attempt: Callable[[Pin], T]) -> T:
        """Try every place at which the bytes were seen; they may have been noted elsewhere since we looked."""
        errors: list[AliquotError] = []
        for anew in (False, True):
            for pin in reversed(self.pins(digest, anew=anew)):
                try:
                    return attempt(pin)
                except _Replaced:
                    errors.append(_changed(pin, digest))
                except _Gone:
                    errors.append(_gone(pin, digest))
                except Unavailable as error:
                    errors.append(error)
        raise next((each for each in errors if isinstance(each, Unavailable)), errors[0])

    def _begin(self, pin: Pin) -> tuple[Pin, Iterator[bytes]]:
        """Open what is pinned. That it is there, and the same, has been seen when this returns."""
        if pin.is_object:
            answer = self._get(pin, {})
            return pin, _told(pin, answer.stream(min_chunk_size=CHUNK))
        file = _open_file(pin)
        return pin, _pieces(file, pin)

    def _read(self, pin: Pin, start: int, length: int) -> bytes:
        if pin.is_object:
            with _telling(pin):
                return bytes(self._get(pin, {"range": (start, start + length)}).bytes())
        file = _open_file(pin)
        try:
            with _telling(pin):
                return os.pread(file, length, start)
        finally:
            os.close(file)

    def _get(self, pin: Pin, options: Any) -> Any:
        if pin.version:
            options["version"] = pin.version
        elif pin.etag:
            options["if_match"] = f'"{pin.etag}"'
        with _telling(pin):
            try:
                answer = obstore.get(self._client(pin), pin.path[1:], options=options)
            except obstore.exceptions.PreconditionError:
                # Azure says the same of what is gone as of what was replaced.
                obstore.head(self._client(pin), pin.path[1:])
                raise
        if answer.meta["size"] != pin.size:
            raise _Replaced
        return answer

    def _client(self, pin: Pin) -> ObjectStore:
        key = (pin.place, tuple(sorted(pin.settings.items())))
        with self._lock:
            if key not in self._clients:
                self._clients[key] = open_bucket(pin.place, pin.settings)
            return self._clients[key]


class _Replaced(Exception):
    """Something else lies there now."""


class _Gone(Exception):
    """Nothing lies there any more."""


@contextmanager
def _telling(pin: Pin) -> Generator[None]:
    """Tell what is lost from what cannot be had at the moment."""
    try:
        yield
    except (obstore.exceptions.PreconditionError, obstore.exceptions.NotModifiedError) as error:
        raise _Replaced from error
    except FileNotFoundError as error:
        if is_without_bucket(error):
            raise _out_of_reach(pin, f"there is no bucket at {pin.place} at the moment") from error
        raise _Gone from error
    except (OSError, ValueError, obstore.exceptions.BaseError) as error:
        why = "the credentials may not read it, or have expired" if is_refusal(error) else first_line(error)
        raise _out_of_reach(pin, why) from error


def _told(pin: Pin, pieces: Iterator[Any]) -> Iterator[bytes]:
    while True:
        with _telling(pin):
            piece = next(pieces, None)
        if piece is None:
            return
        yield bytes(piece)


def _open_file(pin: Pin) -> int:
    with _telling(pin):
        try:
            file = _open_below(pin.place, pin.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            if not Path(pin.place).is_dir() or not any(os.scandir(pin.place)):
                raise _out_of_reach(pin, f"{pin.place} is not there or empty; mount it") from error
            raise _Gone from error
        except OSError as error:
            if error.errno == ELOOP:
                raise _Replaced from error
            raise
    status = os.fstat(file)
    if not S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (pin.size, pin.mtime_ns):
        os.close(file)
        raise _Replaced
    return file


def _open_below(place: str, path: str) -> int:
    """Open a file by the very folders and the file that were listed, and by no link that somebody has put there since.

    A link could lead to what the lab may read and they may not; size and time, anybody can set.
    """
    *folders, name = path.removeprefix("/").split("/")
    here = os.open(place, _FOLDER)
    try:
        for each in folders:
            inner = os.open(each, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        # Not to wait for a writer, should a pipe lie there now.
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


def _pieces(file: int, pin: Pin) -> Iterator[bytes]:
    try:
        while True:
            with _telling(pin):
                piece = os.read(file, CHUNK)
            if not piece:
                return
            yield piece
    finally:
        os.close(file)


def _changed(pin: Pin, digest: Digest) -> Damaged:
    sentence = (
        f"{pin.url} was adopted, not copied, and is not the same any more: it was replaced or changed there, and the "
        f"{pin.size} bytes of {digest} are lost to the lab. Put the file back there as it was, from a backup or an "
        "older version of the object; the source's next look finds it again. What came in its place is a new version."
    )
    return Damaged("adopted-changed", sentence, digest=digest, place=pin.url)


def _gone(pin: Pin, digest: Digest) -> Damaged:
    sentence = (
        f"{pin.url} was adopted, not copied, and is gone from there: the {pin.size} bytes of {digest} are lost to the "
        "lab. Put the file back there, or anywhere else that a source with `adopt: true` watches; its next look finds "
        "it again."
    )
    return Damaged("adopted-gone", sentence, digest=digest, place=pin.url)


def _out_of_reach(pin: Pin, why: str) -> Unavailable:
    sentence = (
        f"{pin.url}, which was adopted and not copied, cannot be read: {why}. Nothing is lost by that; mend it, then "
        "try again. Whatever reads an adopted file needs the right to read its bucket, from its own environment."
    )
    return Unavailable("adopted-unavailable", sentence, place=pin.url)
