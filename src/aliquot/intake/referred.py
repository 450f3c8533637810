"""The datasets to which foreign keys of arriving tables point, as their newest versions have them."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.read import Version, entries, resolve
from aliquot.db import Catalogue
from aliquot.model.blob import Location
from aliquot.model.errors import Missing
from aliquot.model.file_type import FileType
from aliquot.model.reference import LATEST, Reference

if TYPE_CHECKING:
    from aliquot.formats.table_references import ReferencedTable

_PAGE = 1000


class Referred:
    """Newest versions of datasets, each looked up once; `folder` holds copies of their files while these are read."""

    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        self._catalogue = catalogue
        self._store = store
        self._folder = folder
        self._known: dict[str, ReferencedTable | None] = {}

    def tables(self, file_type: FileType) -> Mapping[str, "ReferencedTable"]:
        """Give the tables to which a file type's foreign keys point; datasets without a file are left out."""
        for name in file_type.refers_to:
            if name not in self._known:
                self._known[name] = self._look_up(name)
        return {name: table for name in file_type.refers_to if (table := self._known[name]) is not None}

    def _look_up(self, name: str) -> "ReferencedTable | None":
        from aliquot.formats.table_references import ReferencedTable

        try:
            with self._catalogue.read() as connection:
                newest = resolve(connection, Reference(name, LATEST))
        except Missing:
            return None
        if not newest.files:
            return None
        return ReferencedTable(str(newest), lambda: self._files(newest), self._folder / f"keys-{name}")

    def _files(self, newest: Version) -> Iterator[tuple[str, AbstractContextManager[Path]]]:
        after = ""
        while True:
            with self._catalogue.read() as connection:
                page = list(entries(connection, newest, after=after, limit=_PAGE))
                where = places.require(connection, [each.digest for each in page])
            for each in page:
                if not each.size:
                    continue
                yield each.path, self._copy(where[each.digest])
            if len(page) < _PAGE:
                return
            after = page[-1].path

    @contextmanager
    def _copy(self, location: Location) -> Generator[Path]:
        target = self._folder / "referred"
        self._store.fetch(location, target)
        try:
            yield target
        finally:
            target.unlink()
