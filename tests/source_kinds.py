"""Every kind of place that a source can watch, behind one set of verbs."""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import obstore
from obstore.store import MemoryStore, ObjectStore, from_url

from aliquot.intake.bucket import Bucket as BucketPlace
from aliquot.intake.folder import Folder
from aliquot.intake.place import Place

_AT_ONCE = 16


class Kind(Protocol):
    """Puts files where a source looks, as other people's programs do."""

    url: str

    def place(self) -> Place: ...

    def put(self, path: str, data: bytes, mtime: float | None = None) -> None: ...

    def put_many(self, paths: Sequence[str]) -> None: ...

    def get(self, path: str) -> bytes: ...

    def delete(self, path: str) -> None: ...

    def rename(self, path: str, other: str) -> None: ...

    def paths(self) -> set[str]: ...


class FolderKind:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.url = str(root)

    def place(self) -> Place:
        return Folder(self.root)

    def put(self, path: str, data: bytes, mtime: float | None = None) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if mtime is not None:
            os.utime(target, (mtime, mtime))

    def put_many(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.put(path, path.encode())

    def get(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def delete(self, path: str) -> None:
        (self.root / path).unlink()

    def rename(self, path: str, other: str) -> None:
        (self.root / path).rename(self.root / other)

    def paths(self) -> set[str]:
        return {each.relative_to(self.root).as_posix() for each in self.root.rglob("*") if each.is_file()}

    def vanish(self) -> None:
        shutil.rmtree(self.root)

    def come_back(self) -> None:
        self.root.mkdir()


class ObjectsKind:
    """A bucket. Objects have the time at which they were written, whatever a file's time was before."""

    def __init__(
        self,
        url: str,
        disk: Path,
        objects: ObjectStore | None = None,
        settings: Any = None,
        seed: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self._seed = seed
        self.url = url
        self.disk = disk
        self.settings = settings or {}
        self.objects = objects or from_url(url, config=self.settings, client_options={"allow_http": True})
        self._own = objects

    def place(self) -> Place:
        return BucketPlace(self.url, self.settings, self.disk, self._own)

    def put(self, path: str, data: bytes, mtime: float | None = None) -> None:
        obstore.put(self.objects, path, data, use_multipart=False)

    def put_many(self, paths: Sequence[str]) -> None:
        if self._seed:
            below = urlparse(self.url).path.strip("/")
            self._seed([f"{below}/{path}" for path in paths])
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda path: self.put(path, path.encode()), paths))

    def get(self, path: str) -> bytes:
        return bytes(obstore.get(self.objects, path).bytes())

    def delete(self, path: str) -> None:
        obstore.delete(self.objects, path)

    def rename(self, path: str, other: str) -> None:
        obstore.rename(self.objects, path, other)

    def paths(self) -> set[str]:
        return {str(each["path"]) for page in obstore.list(self.objects) for each in page}


def memory(disk: Path) -> ObjectsKind:
    """A bucket in memory, which is what gs:// looks like to us: the client is the same."""
    return ObjectsKind("gs://lab/incoming", disk, MemoryStore())
