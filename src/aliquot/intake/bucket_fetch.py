"""Fetching objects to disk: many at once, large ones in pieces, memory flat."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import obstore
from blake3 import blake3
from obstore.store import ObjectStore

from aliquot.blobs.bucket_client import is_refusal
from aliquot.intake.bucket_errors import out_of_reach
from aliquot.intake.folder import Lose
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Unavailable
from aliquot.model.finding import Finding

if TYPE_CHECKING:
    from obstore import GetResult

T = TypeVar("T")

PIECE = 32 * 2**20
"""Bytes of a large object that are asked for at once: what fails costs no more than that."""
CHUNK = 2**20
AT_ONCE = 16

_Mark = tuple[str, str, int]
"""What is known of an object: path, version, and when it was put, for all that are empty have one version."""

_KEPT_OF_NAME = 40
_FORGIVING = 2


class _Piece(NamedTuple):
    file: File
    target: str
    start: int
    length: int


class Fetcher:
    """Fetches objects of one bucket. What is fetched is the very object that was listed, or nothing."""

    def __init__(self, objects: ObjectStore, url: str) -> None:
        self._objects = objects
        self._url = url
        self._missed: dict[_Mark, int] = {}
        self._placeholders: set[_Mark] = set()
        self._may_read = False
        self._versions: dict[tuple[str, str], str] = {}

    def is_placeholder(self, path: str, version: str, mtime_ns: int) -> bool:
        """Say whether an empty object was found to be the mark of a folder, and no file."""
        return (path, version, mtime_ns) in self._placeholders

    def object_version(self, file: File) -> str:
        """Give the version that the bucket kept of an object when it was last read; empty where it keeps none."""
        return self._versions.get((file.path, file.version), "")

    def digests(self, landings: Sequence[Landing], lose: Lose) -> dict[File, Digest]:
        """Digest the objects of landings as they come, without a disk; what cannot be had is told to `lose`."""
        with ThreadPoolExecutor(AT_ONCE, "digest") as pool:
            results = pool.map(self._try_digest, _files(landings))
            read = dict(zip(_files(landings), results, strict=True))
        failed = {file: each for file, each in read.items() if isinstance(each, BaseException)}
        self._require_some(failed, len(read))
        for landing in landings:
            for file in landing.files:
                if file in failed:
                    lose(landing, self._verdict(file, failed[file]))
        return {file: each for file, each in read.items() if not isinstance(each, BaseException)}

    def _require_some(self, failed: Mapping[File, BaseException], among: int) -> None:
        """See that the bucket answers, and does not refuse everything, or has not so far."""
        for error in failed.values():
            if not (is_refusal(error) or isinstance(error, _Moved)):
                raise out_of_reach(self._url, error, "read") from error
        refused = [error for error in failed.values() if is_refusal(error)]
        self._may_read = self._may_read or len(refused) < among
        if refused and not self._may_read:
            raise out_of_reach(self._url, refused[0], "read") from refused[0]

    def fetch(self, landings: Sequence[Landing], folder: Path, lose: Lose) -> list[Landing]:
        """Give the landings with their files in `folder`, which have the objects' size and time."""
        self._versions.clear()
        places = {file: self._place(number, file, folder) for number, file in enumerate(_files(landings))}
        _require_room(folder, sum(file.size for file in places))
        failed = self._fetch_all([piece for file, place in places.items() for piece in _pieces(file, place)])
        self._require_some(failed, len(places))
        here: list[Landing] = []
        for landing in landings:
            needed = _needed(landing)
            wrong = next((file for file in needed if file in failed), None)
            if wrong is not None:
                lose(landing, self._verdict(wrong, failed[wrong]))
                continue
            for file in needed:
                os.utime(places[file], ns=(file.mtime_ns, file.mtime_ns))
            beside = tuple(each._replace(file=_at(each.file, places[each.file])) for each in landing.beside)
            here.append(landing._replace(files=tuple(_at(file, places[file]) for file in landing.files), beside=beside))
        return here

    def _place(self, number: int, file: File, folder: Path) -> str:
        # The end of the name stays, for what goes by a file's ending.
        return f"{folder}/{number}-{file.name[-_KEPT_OF_NAME:]}"

    def _fetch_all(self, pieces: Sequence[_Piece]) -> dict[File, BaseException]:
        failed: dict[File, BaseException] = {}
        with ThreadPoolExecutor(AT_ONCE, "fetch") as pool:
            for piece, error in zip(pieces, pool.map(self._try, pieces), strict=True):
                if error is not None:
                    failed.setdefault(piece.file, error)
        return failed

    def _try(self, piece: _Piece) -> BaseException | None:
        done = self._tried(lambda: self._fetch_piece(piece))
        return done if isinstance(done, BaseException) else None

    def _try_digest(self, file: File) -> Digest | BaseException:
        return self._tried(lambda: self._digest(file))

    def _tried(self, work: Callable[[], T]) -> T | BaseException:
        try:
            return work()
        except (FileNotFoundError, obstore.exceptions.PreconditionError) as error:
            return _Moved(str(error))
        except (_Moved, OSError, obstore.exceptions.BaseError) as error:
            return error

    def _ask(self, file: File, asked: tuple[int, int] | None) -> "GetResult":
        """Ask for an object, or a range of its bytes, if it is still what was listed."""
        options: Any = {"if_match": f'"{file.version}"'} if file.version else {}
        if asked:
            options["range"] = asked
        answer = obstore.get(self._objects, file.path[1:], options=options)
        if answer.meta["size"] != file.size:
            raise _Moved(file.path)
        if version := answer.meta.get("version"):
            self._versions[file.path, file.version] = "" if version == "null" else version
        return answer

    def _digest(self, file: File) -> Digest:
        hasher = blake3()
        size = 0
        for part in self._ask(file, None).stream(min_chunk_size=CHUNK):
            hasher.update(part)
            size += len(part)
        if size != file.size:
            raise _Moved(file.path)
        return Digest(PREFIX + hasher.hexdigest())

    def _fetch_piece(self, piece: _Piece) -> None:
        answer = self._ask(piece.file, (piece.start, piece.start + piece.length) if piece.length else None)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        writing = os.open(piece.target, flags, 0o600)
        try:
            at = piece.start
            for part in answer.stream(min_chunk_size=CHUNK):
                at += _write(writing, memoryview(part), at)
        finally:
            os.close(writing)
        if at - piece.start != piece.length:
            raise _Moved(piece.file.path)

    def _verdict(self, file: File, error: BaseException) -> Finding | None:
        """Say what is wrong with an object that could not be fetched; None: it has changed, or is gone."""
        if is_refusal(error):
            text = "The credentials may list the object, but not read it."
            return Finding("object-unreadable", text, file=file.path)
        mark = (file.path, file.version, file.mtime_ns)
        missed = self._missed[mark] = self._missed.get(mark, 0) + 1
        if missed < _FORGIVING:
            return None
        if file.size == 0:
            self._placeholders.add(mark)
            return None
        text = "The object is listed, but cannot be read under its name, which perhaps ends in '/'; rename it."
        return Finding("object-unreadable", text, file=file.path)


def version_of(meta: Mapping[str, Any]) -> str:
    """Give an object's version: its ETag, which changes with the content; some clouds list it without its quotes."""
    return str(meta["e_tag"] or meta["version"] or "").strip('"')


class _Moved(Exception):
    """The object is not there any more as it was listed."""


def _files(landings: Sequence[Landing]) -> dict[File, None]:
    return dict.fromkeys(file for landing in landings for file in _needed(landing))


def _needed(landing: Landing) -> list[File]:
    """List the files of a landing, with those that say something of them."""
    return [*landing.files, *(each.file for each in landing.beside)]


def _pieces(file: File, place: str) -> list[_Piece]:
    starts = range(0, max(1, file.size), PIECE)
    return [_Piece(file, place, start, min(PIECE, file.size - start)) for start in starts]


def _at(file: File, place: str) -> File:
    return file._replace(absolute=place)


def _write(writing: int, data: memoryview, at: int) -> int:
    done = 0
    while done < len(data):
        done += os.pwrite(writing, data[done:], at + done)
    return done


def _require_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        sentence = f"{size} bytes that have arrived do not fit on the disk of {folder.parent}, which has {free} free."
        raise Unavailable("spool-full", sentence, needed=size, free=free)
