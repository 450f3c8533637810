"""Holding the catalogue's versions and files against the deltas and names in the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from aliquot.blobs import Store
from aliquot.blobs.layout import version_key
from aliquot.datasets import places
from aliquot.datasets.damage import Damage, Kind
from aliquot.datasets.delta import Header, stream_delta, version_digest
from aliquot.datasets.names import VersionName, named, read_name
from aliquot.datasets.verify_entries import EntryReader, Sums
from aliquot.db import Catalogue
from aliquot.db.tables import dataset, entry, version
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Damaged, Missing

_REBUILD = "Restore the catalogue from a backup, or rebuild it with `aliquot admin rebuild`."
_EXAMPLES = 20


@dataclass(slots=True)
class _Chain:
    """What is known of the version before: its digest, and its totals as far as they can be trusted."""

    parent: str = ""
    files: int | None = 0
    bytes: int = 0
    trusted: bool = True


class ChainReader:
    """Reads the versions of one dataset from the first on, and says what does not follow from what was stored."""

    def __init__(self, catalogue: Catalogue, store: Store, name: str, dataset_id: int) -> None:
        self._catalogue = catalogue
        self._store = store
        self._name = name
        self._id = dataset_id
        # Names are written after rows: listed before the rows are read, none of them may lack its row.
        self._listed = {number for _, number in named(store, name)}
        self.versions = 0
        self.files = 0

    def damages(self) -> Iterator[Damage]:
        """Follow the chain, and give what is damaged as it is found."""
        with self._catalogue.read() as connection:
            head = int(connection.execute(select(dataset.c.head).where(dataset.c.id == self._id)).scalar_one())
        chain = _Chain()
        for number in range(1, head + 1):
            self._listed.discard(number)
            with self._catalogue.read() as connection:
                row = self._row(connection, number)
                if row is None:
                    following = self._row(connection, number + 1)
                    chain = _Chain(following.parent if following else "", None, trusted=chain.trusted)
            if row is None:
                yield self._damage(Kind.VERSION, number, f"The catalogue lacks the version's row. {_REBUILD}")
                continue
            self.versions += 1
            yield from self._version(row, chain)
        yield from self._beyond()

    def _row(self, connection: Connection, number: int) -> Row[Any] | None:
        query = select(version).where(version.c.dataset_id == self._id, version.c.number == number)
        return connection.execute(query).first()

    def _version(self, row: Row[Any], chain: _Chain) -> Iterator[Damage]:
        """Check one version, and leave in `chain` what the next one follows from."""
        name, wrong_name = self._named(row)
        header, reader = self._delta(row)
        if reader:
            for each in reader.wrong():
                chain.trusted = False
                references = tuple(f"{self._name}@{row.number}:{path}" for path in each.paths)
                place = f"the catalogue's table entry, dataset {self._id}"
                yield Damage(Kind.ENTRY, references, each.count, place, f"{each.sentence} {_REBUILD}")
        wrong, truth = self._wrong_fields(row, header, name, chain.parent)
        wrong += _wrong_sums(row, reader.sums if reader else None, chain)
        if wrong:
            fields = ", ".join(dict.fromkeys(wrong))
            yield self._damage(
                Kind.VERSION, row.number, f"The version's row is not what was committed: {fields}. {_REBUILD}"
            )
        elif name and (name.digest, name.delta) != (row.digest, row.delta):
            wrong_name = "It says something else than the chain of versions."
        if wrong_name:
            advice = "Restore it from a copy of the store; the catalogue still knows what it said."
            yield self._damage(Kind.NAME, row.number, f"{wrong_name} {advice}", version_key(self._name, row.number))
        chain.parent = truth

    def _named(self, row: Row[Any]) -> tuple[VersionName | None, str]:
        """Give what the store says of a version, or what is wrong with that."""
        try:
            return read_name(self._store, self._name, row.number), ""
        except Missing:
            # A version whose row does not claim a name yet gets it with the next commit.
            return None, "The store does not name the version." if row.named else ""
        except Damaged as error:
            return None, error.message

    def _delta(self, row: Row[Any]) -> tuple[Header | None, EntryReader | None]:
        """Compare a version's rows with its delta; a delta that cannot be read is damage among the blobs."""
        with self._catalogue.read() as connection:
            location = places.find(connection, [Digest(row.delta)]).get(Digest(row.delta))
        try:
            if location is None or self._store.digest(location) != row.delta:
                return None, None
            header, changes = stream_delta(self._store.stream(location), row.delta)
            if (header.dataset, header.number) != (self._name, row.number):
                return header, None
            reader = EntryReader(self._catalogue, self._id, row.number)
            reader.read(changes)
            if reader.has_extra():
                reader.find_extra(self._changes(location))
        except Damaged:
            return None, None
        self.files += reader.sums.added
        return header, reader

    def _changes(self, location: Location) -> Iterator[Any]:
        return stream_delta(self._store.stream(location), location.digest)[1]

    def _wrong_fields(
        self, row: Row[Any], header: Header | None, name: VersionName | None, parent: str
    ) -> tuple[list[str], str]:
        """Give the fields of a row that cannot be right, and the digest on which the next version was built."""
        wrong = ["parent"] if row.parent != parent else []
        if name and name.created_at != row.created_at:
            wrong.append("created_at")
        delta = Digest(row.delta)
        if header is None and name and name.delta != delta:
            delta = name.delta
        if header and (header.dataset, header.number, header.parent) != (self._name, row.number, parent):
            return [*wrong, "delta"], name.digest if name else row.digest
        if header and dict(header.provenance) != row.provenance:
            wrong.append("provenance")
        if header and header.parked != row.parked:
            wrong.append("parked")
        computed = version_digest(parent, delta, header.provenance if header else row.provenance)
        if delta != row.delta and computed == _name_digest(name):
            return [*wrong, "delta"], computed
        if computed == row.digest:
            return wrong, computed
        return [*wrong, "digest"], _name_digest(name) or computed

    def _beyond(self) -> Iterator[Damage]:
        """Find what the catalogue and the store hold outside the line from the first version to the newest."""
        of = version.c.dataset_id == self._id
        with self._catalogue.read() as connection:
            head = connection.execute(select(dataset.c.head).where(dataset.c.id == self._id)).scalar_one()
            rows = connection.execute(select(version.c.number).where(of, version.c.number > head)).scalars().all()
            stray = connection.execute(
                select(entry.c.path, entry.c.added)
                .where(
                    entry.c.dataset_id == self._id,
                    or_(
                        entry.c.added > head,
                        entry.c.removed > head,
                        entry.c.added < 1,
                        entry.c.removed <= entry.c.added,
                    ),
                )
                .order_by(entry.c.path)
                .limit(_EXAMPLES)
            ).all()
        for number in rows:
            yield self._damage(
                Kind.VERSION, number, f"The dataset's row says that {head} is the newest version. {_REBUILD}"
            )
        if stray:
            references = tuple(f"{self._name}@{row.added}:{row.path}" for row in stray)
            yield Damage(
                Kind.ENTRY,
                references,
                len(stray),
                f"the catalogue's table entry, dataset {self._id}",
                f"Rows of files begin or end outside the versions 1 to {head}. {_REBUILD}",
            )
        for number in sorted(self._listed - set(rows)):
            message = "The store names a version that the catalogue lacks: the catalogue is older than the store."
            yield self._damage(Kind.NAME, number, f"{message} {_REBUILD}", version_key(self._name, number))

    def _damage(self, kind: Kind, number: int, message: str, place: str = "") -> Damage:
        return Damage(
            kind,
            (f"{self._name}@{number}",),
            1,
            place or f"the catalogue's table version, dataset {self._id}, number {number}",
            message,
        )


def _name_digest(name: VersionName | None) -> str:
    """Give the digest that the store's name has for a version, if there is one."""
    return name.digest if name else ""


def _wrong_sums(row: Row[Any], sums: Sums | None, chain: _Chain) -> list[str]:
    """Give the totals of a row that do not follow from its delta, and carry the right ones on."""
    if sums is None or not chain.trusted:
        chain.files, chain.bytes = row.files, row.bytes
        return []
    wrong = [
        field for field, right in (("added", sums.added), ("removed", sums.removed)) if getattr(row, field) != right
    ]
    if chain.files is None:
        chain.files, chain.bytes = row.files, row.bytes
        return wrong
    chain.files += sums.added - sums.replaced - sums.removed
    chain.bytes += sums.bytes
    return [
        *wrong,
        *(field for field, right in (("files", chain.files), ("bytes", chain.bytes)) if getattr(row, field) != right),
    ]
