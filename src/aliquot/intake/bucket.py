"""A bucket as a source: listed, fetched to disk for the checks, and cleared."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import obstore
from obstore.store import ObjectStore

from aliquot.blobs.bucket_client import first_line, open_bucket
from aliquot.intake.bucket_clear import clear
from aliquot.intake.bucket_errors import out_of_reach
from aliquot.intake.bucket_fetch import Fetcher, version_of
from aliquot.intake.folder import Lose
from aliquot.intake.scan import File, ignored_by
from aliquot.intake.settle import Landing
from aliquot.intake.spool import spool
from aliquot.model.blob import Pin
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid
from aliquot.model.finding import Finding

_PAGE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Bucket:
    """Objects in a bucket, below a prefix. `settings` are the client's own, such as `aws_endpoint`."""

    is_bucket = True

    def __init__(self, url: str, settings: Mapping[str, str], disk: Path, objects: ObjectStore | None = None) -> None:
        self.url = url.rstrip("/")
        self._settings = settings
        self._disk = disk
        self._objects = objects or _open(self.url, settings)
        self._fetcher = Fetcher(self._objects, self.url)

    def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
        """List the objects, a page at a time; one that no file can be is told, and the others go on."""
        passed = _passed_over(ignore)
        try:
            for page in self._list(tell):
                yield [file for each in page if (file := self._file(each, passed))]
        except (OSError, obstore.exceptions.BaseError) as error:
            raise out_of_reach(self.url, error, "list") from error

    @contextmanager
    def at_hand(self, landings: Sequence[Landing], lose: Lose) -> Generator[list[Landing]]:
        """Give the landings with their bytes on disk, as long as it lasts; what cannot be had is told to `lose`."""
        with spool(self._disk) as folder:
            yield self._fetcher.fetch(landings, folder, lose)

    def clear(self, after: Literal["archive", "delete"], files: Sequence[File]) -> list[Finding]:
        """Archive or delete objects whose bytes are safe."""
        return clear(self._objects, after, files)

    def pin(self, file: File) -> Pin:
        """Say where an object lies that was just read, and how it can be told that it is the same one still."""
        version = self._fetcher.object_version(file)
        return Pin(self.url, file.path, file.size, file.version, version, settings=dict(self._settings))

    def digests(self, landings: Sequence[Landing], lose: Lose) -> dict[File, Digest]:
        """Read objects, many at once, without a disk; what cannot be had is told to `lose`, and left out."""
        return self._fetcher.digests(landings, lose)

    def _list(self, tell: Callable[[Finding], None]) -> Iterator[Sequence[Any]]:
        last = ""
        try:
            for page in obstore.list(self._objects, chunk_size=_PAGE):
                yield page
                last = str(page[-1]["path"]) if page else last
        except obstore.exceptions.InvalidPathError as error:
            # The client refuses a whole page for one key.
            from aliquot.intake.bucket_keys import list_around

            yield from list_around(self.url, self._settings, error, tell, last)

    def _file(self, meta: Mapping[str, Any], passed: Callable[[str], bool]) -> File | None:
        key = meta["path"]
        path = f"/{key}"
        version = version_of(meta)
        size = meta["size"]
        mtime_ns = (meta["last_modified"] - _EPOCH) // timedelta(microseconds=1) * 1000
        # Consoles mark a folder by an empty object whose name ends in '/', which the client strips.
        if not key or passed(path) or (size == 0 and self._fetcher.is_placeholder(path, version, mtime_ns)):
            return None
        return File(path, "", size, mtime_ns, "", version)


def _open(url: str, settings: Mapping[str, str]) -> ObjectStore:
    try:
        return open_bucket(url, settings)
    except (ValueError, obstore.exceptions.BaseError) as error:
        sentence = (
            f"The bucket {url} cannot be opened: {first_line(error)} Correct the source's `watch` or `settings`, or "
            "the environment's credentials."
        )
        raise Invalid("source-settings-refused", sentence, watch=url) from error


def _passed_over(ignore: Sequence[str]) -> Callable[[str], bool]:
    """Give what says whether a path, or a folder on the way to it, is hidden or ignored."""
    ignored = ignored_by(ignore)

    def one(path: str) -> bool:
        name = path.rpartition("/")[2]
        return name.startswith(".") or (ignored is not None and ignored(name, path))

    @lru_cache(maxsize=1024)
    def folder(path: str) -> bool:
        return bool(path) and (one(path) or folder(path.rpartition("/")[0]))

    return lambda path: one(path) or folder(path.rpartition("/")[0])
