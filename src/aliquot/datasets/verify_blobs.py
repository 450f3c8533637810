"""Reading every blob that the catalogue names again, each once, in the order in which they lie."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select

from aliquot.blobs import Store
from aliquot.blobs.layout import PACKS, key_of, pack_key
from aliquot.datasets import places
from aliquot.datasets.damage import Damage, Kind, Progress
from aliquot.datasets.verify_uses import bundled_files, uses_of
from aliquot.db import Catalogue
from aliquot.db.rows import chunks
from aliquot.db.tables import attempt, blob, entry, held_file, output, version
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest, digest_bytes
from aliquot.model.errors import Damaged, Missing, Unavailable

_PAGE = 1_000
_NAMES: tuple[ColumnElement[Any], ...] = (
    entry.c.digest,
    version.c.delta,
    held_file.c.digest,
    output.c.digest,
    attempt.c.stdout,
    attempt.c.stderr,
)
"""Columns that name blobs, beside the bundles of definitions. Those of datasets come first."""
_OF_DATASETS = 2


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
    """Reads the blobs of one dataset (`dataset_id`) or all that there are, and says what is damaged."""

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
        """Give the condition for a blob to be read: it is there, and belongs to what is looked at."""
        there = blob.c.swept_at.is_(None)
        if self._dataset_id is None:
            return there
        # Looked for by the digest: by the dataset, SQLite would go through all files of that for each blob.
        of_dataset = entry.c.dataset_id + 0 == self._dataset_id
        as_file = select(entry.c.id).where(entry.c.digest == blob.c.digest, of_dataset)
        as_delta = select(version.c.delta).where(version.c.dataset_id == self._dataset_id)
        return there & (as_file.exists() | blob.c.digest.in_(as_delta))

    def _unplaced(self) -> Iterator[Damage]:
        """Find digests of files, deltas, outputs, logs and bundles that the catalogue has no place for.

        Of what was swept, a row tells still.
        """
        told: set[str] = set()
        for column in _NAMES if self._dataset_id is None else _NAMES[:_OF_DATASETS]:
            for page in self._without_place(column):
                yield from self._lost(page, told)
        if self._dataset_id is None:
            with self._catalogue.read() as connection:
                digests = sorted({digest for _, digest in bundled_files(connection) if digest != EMPTY})
                placed = places.find(connection, [Digest(digest) for digest in digests])
            yield from self._lost([digest for digest in digests if digest not in placed], told)

    def _without_place(self, column: ColumnElement[Any]) -> Iterator[list[str]]:
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
                query = query.where(column.table.c.dataset_id == self._dataset_id)
            with self._catalogue.read() as connection:
                digests = list(connection.execute(query).scalars())
            yield digests
            if len(digests) < _PAGE:
                return
            after = digests[-1]

    def _lost(self, digests: Iterable[str], told: set[str]) -> Iterator[Damage]:
        for digest in digests:
            if digest not in told:
                told.add(digest)
                place = f"the catalogue's table blob, {digest}"
                yield self._damage(Kind.PLACE, digest, place, "The catalogue does not know where these bytes lie.")

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
                    pins = self._store.adopted_from(each)
                    place = pins[-1].url if pins else key_of(each)
                    yield self._damage(Kind.BLOB, each.digest, place, wrong, advise=not pins)
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
                return f"The file has not the {location.size} bytes that were written."
            return "" if self._store.digest(location) == location.digest else "Its bytes have changed."
        except Missing:
            return self._wrong_elsewhere(location)
        except Damaged as error:
            return error.message

    def _wrong_elsewhere(self, location: Location) -> str:
        """Read a blob again that the store has not got, where it was adopted from."""
        if not self._store.adopted_from(location):
            return "It is gone from the store."
        try:
            self._store.digest(location)
        except (Damaged, Unavailable) as error:
            return error.message
        return ""

    def _in_pack(self, pack: Digest, count: int) -> Iterator[Damage]:
        key = pack_key(pack)
        try:
            content = self._store.objects.read_object(key)
        except Missing:
            for each in self._rows_of(pack):
                if self._still_at(each):
                    self.progress.read(each)
                    yield self._damage(Kind.BLOB, each.digest, _place(each), "Its pack is gone.")
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
            message = "The pack has changed, though no blob in it that was read. Restore it from a copy of the store."
            yield Damage(Kind.PACK, (), 0, key, message)

    def _changed(self, each: Location, size: int) -> Damage:
        cut = each.offset + each.size > size
        what = "Its pack is cut off before its end." if cut else "Its bytes have changed."
        return self._damage(Kind.BLOB, each.digest, _place(each), what)

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
            advise=False,
        )

    def _rows_of(self, pack: Digest) -> list[Location]:
        with self._catalogue.read() as connection:
            query = select(blob).where(blob.c.pack == pack, self._used()).order_by(blob.c.offset)
            return [_location(row) for row in connection.execute(query)]

    def _still_at(self, location: Location) -> bool:
        """Say whether the catalogue still says so: packs are rewritten beside a verification."""
        with self._catalogue.read() as connection:
            return places.find(connection, [location.digest]).get(location.digest) == location

    def _damage(self, kind: Kind, digest: str, place: str, message: str, *, advise: bool = True) -> Damage:
        with self._catalogue.read() as connection:
            uses = uses_of(connection, digest, self._dataset_id)
        if advise:
            # A batch compares what is there already, except for packs in a bucket.
            heals = uses.arrived and (self._store.objects.root is not None or not place.startswith(PACKS))
            again = ", or take the file in again by hand" if heals else ""
            message += f" Restore it from a copy of the store{again}."
        return Damage(kind, uses.names, uses.touched, place, message, digest)


def _location(row: Any) -> Location:
    return Location(Digest(row.digest), row.size, Digest(row.pack) if row.pack else None, row.offset)


def _place(location: Location) -> str:
    return f"{key_of(location)}, {location.size} bytes from {location.offset}"
