"""Files of runs and versions from Python: as paths of local copies, as open files, as tables."""

import io
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from aliquot.datasets import places
from aliquot.lab.lab import Lab
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid, Missing

if TYPE_CHECKING:
    import polars as pl

    from aliquot.model.table_schema import TableSchema


class Stored(Protocol):
    """What is known of a stored file: its path with a leading `/`, its digest and its size in bytes."""

    @property
    def path(self) -> str:
        """Give the path."""
        ...

    @property
    def digest(self) -> Digest:
        """Give the digest of the content."""
        ...

    @property
    def size(self) -> int:
        """Give the size in bytes."""
        ...


class Checkout:
    """Local copies of stored files, in a folder that is removed when nothing refers to them any more."""

    def __init__(self, fetch: Callable[[Stored, Path], None], read: Callable[[Stored], bytes]) -> None:
        """Take what writes a file's content to a path, and what gives it as bytes; both prove it by its digest."""
        self._fetch = fetch
        self._read = read
        self._folder: Path | None = None

    def path(self, file: Stored) -> Path:
        """Give a copy of the file under its own name; one that was made before is given again."""
        folder = self._folder
        if folder is None:
            folder = self._folder = Path(tempfile.mkdtemp(prefix="aliquot-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        target = folder / file.digest.removeprefix("blake3:")[:16] / file.path.removeprefix("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(file, target)
        return target

    def read(self, file: Stored) -> bytes:
        """Give the file's content, proved by its digest."""
        return self._read(file)


def checkout_of(parts: Lab) -> Checkout:
    """Make copies of files in a lab's own store."""

    def location(file: Stored) -> Location:
        with parts.catalogue.read() as connection:
            return places.require(connection, [file.digest])[file.digest]

    return Checkout(
        lambda file, target: parts.store.fetch(location(file), target),
        lambda file: parts.store.read_checked(location(file)),
    )


class File:
    """A stored file: its bytes never change; what is opened or given as a path is a copy."""

    def __init__(self, checkout: Checkout, stored: Stored) -> None:
        self._checkout = checkout
        self._stored = stored

    def __repr__(self) -> str:
        return f"<File {self.name}, {self.size} bytes>"

    @property
    def name(self) -> str:
        """Give the path of the file in its output or version, with a leading `/`."""
        return self._stored.path

    @property
    def digest(self) -> Digest:
        """Give the digest of the content."""
        return self._stored.digest

    @property
    def size(self) -> int:
        """Give the size in bytes."""
        return self._stored.size

    def path(self) -> Path:
        """Give a local copy, which lives as long as the files it was asked from."""
        return self._checkout.path(self._stored)

    def read(self) -> bytes:
        """Give the content."""
        return self._checkout.read(self._stored)

    def open(self) -> BinaryIO:
        """Open the content to be read."""
        return io.BytesIO(self.read())

    def table(self, schema: "TableSchema | None" = None) -> "pl.DataFrame":
        """Read the file as a polars table; `schema` gives the columns, or they are guessed. Needs the extra tables."""
        from aliquot.formats.table_polars import require_polars

        require_polars()
        from aliquot.formats.table_read import read_table

        return read_table(self.path(), schema)


class FileSet(Mapping[str, File]):
    """The files of an output or a version by path; a `/` in front may be left out."""

    def __init__(self, checkout: Checkout, files: Mapping[str, Stored]) -> None:
        self._checkout = checkout
        self._files = files

    def __repr__(self) -> str:
        return f"<FileSet of {len(self)} files>"

    def __getitem__(self, path: str) -> File:
        file = self._files.get(path if path.startswith("/") else f"/{path}")
        if file is None:
            few = ", ".join(list(self._files)[:5]) or "none"
            raise Missing("file-missing", f"There is no file {path!r} here; there is: {few}.", path=path)
        return File(self._checkout, file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and (path if path.startswith("/") else f"/{path}") in self._files

    def paths(self) -> list[Path]:
        """Give local copies of all of them."""
        return [each.path() for each in self.values()]

    def table(self, schema: "TableSchema | None" = None) -> "pl.DataFrame":
        """Read all of them as one polars table, the rows of each after those of the one before."""
        from aliquot.formats.table_polars import require_polars

        require_polars()
        import polars as pl

        tables = {file.name: file.table(schema) for file in self.values()}
        _require_alike(tables)
        return pl.concat(tables.values(), how="vertical_relaxed")


def _require_alike(tables: Mapping[str, "pl.DataFrame"]) -> None:
    """Refuse tables whose columns are not called the same."""
    first = next(iter(tables), "")
    for path, table in tables.items():
        if table.columns != tables[first].columns:
            sentence = (
                f"{path} has the columns {', '.join(table.columns)}; {first} has {', '.join(tables[first].columns)}: "
                "they are no one table. Choose files that are alike, or read them one by one."
            )
            raise Invalid("tables-unlike", sentence, path=path)
