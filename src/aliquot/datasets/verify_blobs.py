"""Reading every blob of the versions again, each once, in the order in which they lie."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from aliquot.blobs import Store
from aliquot.blobs.layout import key_of, pack_key
from aliquot.datasets import places
from aliquot.datasets.damage import Damage, Kind, Progress
from aliquot.db import Catalogue
from aliquot.db.rows import chunks
from aliquot.db.tables import blob, dataset, entry, version
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest, digest_bytes
from aliquot.model.errors import Damaged, Missing

_PAGE = 1_000
_NAMED = 20
_RESTORE = "Restore it from a copy of the store, or take the file in again."


@dataclass(slots=True)
class _Progress:
    tell: Progress | None
    total: int
    blobs: int = 0
    bytes: int = 0

    def read(self, location: Location) -> None:
        self.blobs += 1
        self.bytes += location.size
        if self.tell:
            self.tell(self.bytes, self.total)


class BlobReader:
    """Reads the blobs of one dataset (`dataset_id`) or of all, and says what is damaged."""

    def __init__(self, catalogue: Catalogue, store: Store, dataset_id: int | None, tell: Progress | None) -> None:
        self._catalogue = catalogue
        self._store = store
        self._dataset_id = dataset_id
        with catalogue.read() as connection:
            total = connection.execute(select(func.coalesce(func.sum(blob.c.size), 0)).where(self._used())).scalar_one()
        self.progress = _Progress(tell, int(total))

    def damages(self) -> Iterator[Damage]:
        """Read everything, and give what is damaged as it is found."""
        yield from self._unplaced()
        yield from self._alone()
        with self._catalogue.read() as connection:
            query = (
                select(blob.c.pack, func.count().label("blobs"))
                .where(blob.c.pack.isnot(None), self._used())
                .group_by(blob.c.pack)
                .order_by(blob.c.pack)
            )
            packs = [(Digest(row.pack), int(row.blobs)) for row in connection.execute(query)]
        for pack, count in packs:
            yield from self._in_pack(pack, count)

    def _used(self) -> ColumnElement[bool]:
        """Give the condition for a blob to be part of a version."""
        as_file = select(entry.c.id).where(entry.c.digest == blob.c.digest)
        as_delta = select(version.c.delta)
        if self._dataset_id is not None:
            as_file = as_file.where(entry.c.dataset_id == self._dataset_id)
            as_delta = as_delta.where(version.c.dataset_id == self._dataset_id)
        return as_file.exists() | blob.c.digest.in_(as_delta)

    def _unplaced(self) -> Iterator[Damage]:
        """Find digests of files and deltas that the catalogue has no place for."""
        for column, of in ((entry.c.digest, entry.c.dataset_id), (version.c.delta, version.c.dataset_id)):
            after = ""
            while True:
                query = (
                    select(column)
                    .distinct()
                    .outerjoin(blob, blob.c.digest == column)
                    .where(blob.c.digest.is_(None), column != EMPTY, column > after)
                    .order_by(column)
                    .limit(_PAGE)
                )
                if self._dataset_id is not None:
                    query = query.where(of == self._dataset_id)
                with self._catalogue.read() as connection:
                    digests = list(connection.execute(query).scalars())
                for digest in digests:
                    place = f"the catalogue's table blob, {digest}"
                    yield self._damage(
                        Kind.PLACE, digest, place, "The catalogue does not know where these bytes lie. " + _RESTORE
                    )
                if len(digests) < _PAGE:
                    break
                after = digests[-1]

    def _alone(self) -> Iterator[Damage]:
        after = ""
        while True:
            query = (
                select(blob)
                .where(blob.c.pack.is_(None), blob.c.digest > after, self._used())
                .order_by(blob.c.digest)
                .limit(_PAGE)
            )
            with self._catalogue.read() as connection:
                page = [_location(row) for row in connection.execute(query)]
            for each in page:
                wrong = self._wrong(each)
                if wrong and self._still_at(each):
                    yield self._damage(Kind.BLOB, each.digest, key_of(each), wrong)
            if len(page) < _PAGE:
                return
            after = page[-1].digest

    def _wrong(self, location: Location) -> str:
        """Read a blob that lies alone again, and say what is wrong with it."""
        self.progress.read(location)
        if location.size == 0:
            return ""
        try:
            if self._store.objects.size_of(key_of(location)) != location.size:
                return f"The file has not the {location.size} bytes that were written. {_RESTORE}"
            return "" if self._store.digest(location) == location.digest else f"Its bytes have changed. {_RESTORE}"
        except Missing:
            return f"It is gone from the store. {_RESTORE}"
        except Damaged as error:
            return f"{error.message} {_RESTORE}"

    def _in_pack(self, pack: Digest, count: int) -> Iterator[Damage]:
        key = pack_key(pack)
        try:
            content = self._store.objects.read_object(key)
        except Missing:
            for each in self._rows_of(pack):
                if self._still_at(each):
                    self.progress.read(each)
                    yield self._damage(Kind.BLOB, each.digest, _place(each), f"Its pack is gone. {_RESTORE}")
            return
        whole = digest_bytes(content) == pack
        try:
            index = self._store.pack_index(key, len(content))
        except Damaged:
            index = []
        found: list[Location] = []
        if whole:
            for part in chunks([each.digest for each in index]):
                with self._catalogue.read() as connection:
                    query = select(blob).where(blob.c.digest.in_(part), blob.c.pack == pack, self._used())
                    found += [_location(row) for row in connection.execute(query)]
        if len(found) != count:
            # A row that the index does not list, or no index to go by: ask the catalogue alone.
            found = self._rows_of(pack)
        damaged = False
        for each in sorted(found, key=lambda row: row.offset):
            self.progress.read(each)
            piece = content[each.offset : each.offset + each.size]
            if digest_bytes(piece) == each.digest:
                continue
            if self._still_at(each):
                damaged = True
                yield self._misplaced(each, index) if whole else self._changed(each, len(content))
        if not whole and not damaged:
            yield Damage(Kind.PACK, (), 0, key, f"The pack has changed, though no blob of a version in it. {_RESTORE}")

    def _changed(self, each: Location, size: int) -> Damage:
        cut = each.offset + each.size > size
        what = "Its pack is cut off before its end." if cut else "Its bytes have changed."
        return self._damage(Kind.BLOB, each.digest, _place(each), f"{what} {_RESTORE}")

    def _misplaced(self, each: Location, index: Sequence[Location]) -> Damage:
        true = next((other for other in index if other.digest == each.digest), None)
        what = (
            f"The pack is sound, but the blob lies at {true.offset} with {true.size} bytes: mend the row"
            if true
            else "The pack is sound, but the blob is not in it: mend the row"
        )
        return self._damage(
            Kind.PLACE,
            each.digest,
            f"the catalogue's table blob, {each.digest} ({_place(each)})",
            f"{what}, or rebuild the catalogue with `aliquot admin rebuild`.",
        )

    def _rows_of(self, pack: Digest) -> list[Location]:
        with self._catalogue.read() as connection:
            query = select(blob).where(blob.c.pack == pack, self._used()).order_by(blob.c.offset)
            return [_location(row) for row in connection.execute(query)]

    def _still_at(self, location: Location) -> bool:
        """Say whether the catalogue still says so: packs are rewritten beside a verification."""
        with self._catalogue.read() as connection:
            return places.find(connection, [location.digest]).get(location.digest) == location

    def _damage(self, kind: Kind, digest: str, place: str, message: str) -> Damage:
        with self._catalogue.read() as connection:
            references, touched = _touched(connection, digest, self._dataset_id)
        return Damage(kind, tuple(references), touched, place, message, digest)


def _touched(connection: Connection, digest: str, dataset_id: int | None) -> tuple[list[str], int]:
    """Name the files and deltas that have these bytes: the first of them, and how many."""
    names: list[str] = []
    touched = 0
    deltas = select(dataset.c.name, version.c.number).join(dataset, dataset.c.id == version.c.dataset_id)
    deltas = deltas.where(version.c.delta == digest).order_by(dataset.c.name, version.c.number)
    files = select(dataset.c.name, entry.c.added, entry.c.path).join(dataset, dataset.c.id == entry.c.dataset_id)
    files = files.where(entry.c.digest == digest).order_by(dataset.c.name, entry.c.added, entry.c.path)
    if dataset_id is not None:
        deltas, files = deltas.where(dataset.c.id == dataset_id), files.where(dataset.c.id == dataset_id)
    for query in (deltas, files):
        touched += connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
        for row in connection.execute(query.limit(_NAMED - len(names))):
            names.append(f"{row[0]}@{row[1]}" + (f":{row[2]}" if len(row) > 2 else ""))  # noqa: PERF401 - two queries
    return names, touched


def _location(row: Any) -> Location:
    return Location(Digest(row.digest), row.size, Digest(row.pack) if row.pack else None, row.offset)


def _place(location: Location) -> str:
    return f"{key_of(location)}, {location.size} bytes from {location.offset}"
