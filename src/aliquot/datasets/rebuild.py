"""Rebuilding a lost catalogue from the store alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from aliquot.blobs import Store
from aliquot.blobs.layout import BLOBS, PACKS, digest_of_key, version_key
from aliquot.datasets import places
from aliquot.datasets.commit import measure_entries, write_entries
from aliquot.datasets.delta import Header, NewEntry, stream_delta, version_digest
from aliquot.datasets.names import VersionName, named, read_name
from aliquot.datasets.receipts import receipts_of
from aliquot.db import Catalogue
from aliquot.db.tables import blob, dataset, entry, quarantine, receipt, run, version
from aliquot.model.blob import Location
from aliquot.model.errors import Conflict, Damaged, Missing

_PART = 500
_LOST = (
    "Runs, tasks and their results are not in the store: files keep in their versions' deltas where they came from.",
    "Tags, quarantine and definitions are in the catalogue alone: a backup has them, and `aliquot apply` the last.",
)


@dataclass(slots=True)
class RebuildReport:
    """What was given back. `broken_packs` are keys of packs whose index cannot be read; `lost` says what is gone."""

    datasets: int = 0
    versions: int = 0
    files: int = 0
    blobs: int = 0
    receipts: int = 0
    broken_packs: list[str] = field(default_factory=list[str])
    lost: tuple[str, ...] = _LOST

    def document(self) -> dict[str, Any]:
        """Give the report as the values that `--json` and the API print."""
        return asdict(self)


def rebuild(store: Store, catalogue: Catalogue) -> RebuildReport:
    """Fill an empty catalogue with what the store says: datasets, versions, files, receipts, and where bytes lie.

    All in one transaction: the chain of digests is proved on the way, and a version that does not follow is
    `Damaged`. A catalogue that holds something is `Conflict`.
    """
    report = RebuildReport()
    with catalogue.write() as connection:
        _require_empty(connection)
        _place(connection, store, report)
        for name, rows in groupby(named(store), key=lambda each: each[0]):
            _dataset(connection, store, name, [number for _, number in rows], report)
            report.datasets += 1
    measure_entries(catalogue, report.files)
    return report


def _require_empty(connection: Connection) -> None:
    tables: Sequence[Table] = (dataset, version, entry, blob, receipt, run, quarantine)
    for table in tables:
        if connection.execute(select(1).select_from(table).limit(1)).first() is not None:
            raise Conflict(
                "catalogue-not-empty",
                f"The catalogue has rows in its table {table.name}; rebuild into a new, empty one.",
                table=table.name,
            )


def _place(connection: Connection, store: Store, report: RebuildReport) -> None:
    def locations() -> Iterator[Location]:
        for key, size in store.objects.list_keys(BLOBS):
            yield Location(digest_of_key(key), size)
        for key, size in store.objects.list_keys(PACKS):
            try:
                yield from store.pack_index(key, size)
            except Damaged:
                report.broken_packs.append(key)
        yield from store.adopted()

    for part in _parts(locations(), 5_000):
        places.record(connection, part)
    report.blobs = connection.execute(select(func.count()).select_from(blob)).scalar_one()


def _dataset(connection: Connection, store: Store, name: str, numbers: list[int], report: RebuildReport) -> None:
    parent = ""
    files = size = 0
    dataset_id = 0
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            raise Damaged(
                "name-missing",
                f"The store does not name {name}@{expected}, but later versions; restore "
                f"{version_key(name, expected)} from a copy.",
                dataset=name,
                version=expected,
            )
        said = _said(store, name, number)
        if number == 1:
            made = insert(dataset).values(name=name, head=0, created_at=said.created_at).returning(dataset.c.id)
            dataset_id = connection.execute(made).scalar_one()
        header, location = _proved(connection, store, said, parent)
        counts = _Writer(connection, dataset_id, said, report).write(store, location)
        files += counts.added - counts.replaced - counts.removed
        size += counts.bytes
        row = _version_row(said, header, counts)
        connection.execute(insert(version).values(dataset_id=dataset_id, **row, files=files, bytes=size))
        parent = said.digest
        report.versions += 1
    connection.execute(update(dataset).where(dataset.c.id == dataset_id).values(head=len(numbers)))


def _version_row(said: VersionName, header: Header, counts: "_Counts") -> dict[str, Any]:
    return {
        "number": said.number,
        "digest": said.digest,
        "parent": header.parent,
        "delta": said.delta,
        "provenance": dict(header.provenance),
        "added": counts.added,
        "removed": counts.removed,
        "parked": header.parked,
        "run_id": None,
        "created_at": said.created_at,
        "named": True,
    }


def _said(store: Store, name: str, number: int) -> VersionName:
    try:
        return read_name(store, name, number)
    except Missing as error:
        raise _broken(name, number, "its name is gone from the store") from error


def _proved(connection: Connection, store: Store, said: VersionName, parent: str) -> tuple[Header, Location]:
    """Prove that a version is what its digest says, before any of it is believed."""
    location = places.find(connection, [said.delta]).get(said.delta)
    if location is None:
        raise _broken(said.dataset, said.number, f"its delta {said.delta} is gone from the store")
    if store.digest(location) != said.delta:
        raise _broken(said.dataset, said.number, f"its delta {said.delta} has changed")
    header, _ = stream_delta(store.stream(location), said.delta)
    if (header.dataset, header.number, header.parent) != (said.dataset, said.number, parent):
        raise _broken(said.dataset, said.number, f"its delta is that of {header.dataset}@{header.number}")
    if version_digest(parent, said.delta, header.provenance) != said.digest:
        raise _broken(said.dataset, said.number, "its digest does not follow from the version before and its delta")
    return header, location


@dataclass(slots=True)
class _Counts:
    added: int = 0
    removed: int = 0
    replaced: int = 0
    bytes: int = 0


class _Writer:
    """Writes the rows of one version's files."""

    def __init__(self, connection: Connection, dataset_id: int, said: VersionName, report: RebuildReport) -> None:
        self._connection = connection
        self._id = dataset_id
        self._said = said
        self._report = report
        self._counts = _Counts()

    def write(self, store: Store, location: Location) -> _Counts:
        """Write the rows of a delta, a part at a time."""
        _, changes = stream_delta(store.stream(location), location.digest)
        for part in _parts(changes, _PART):
            adds = [each for each in part if isinstance(each, NewEntry)]
            removes = [each for each in part if isinstance(each, str)]
            ending = self._count(adds, removes)
            adds, receipts = receipts_of(self._connection, self._said, adds)
            self._report.receipts += receipts
            self._report.files += len(adds)
            write_entries(self._connection, self._id, self._said.number, adds, ending)
        return self._counts

    def _count(self, adds: Sequence[NewEntry], removes: Sequence[str]) -> list[str]:
        """Count what a part changes, and give the paths of rows that end with it."""
        live: Mapping[str, int] = {}
        if self._said.number > 1:
            query = select(entry.c.path, entry.c.size).where(
                entry.c.dataset_id == self._id,
                entry.c.path.in_([*removes, *(each.path for each in adds)]),
                entry.c.removed.is_(None),
            )
            live = {row.path: row.size for row in self._connection.execute(query)}
        for path in removes:
            if path not in live:
                raise _broken(self._said.dataset, self._said.number, f"it removes {path}, which was not there")
        self._counts.added += len(adds)
        self._counts.removed += len(removes)
        self._counts.replaced += sum(each.path in live for each in adds)
        self._counts.bytes += sum(each.size for each in adds) - sum(live.values())
        return list(live)


def _parts(values: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while part := list(islice(values, size)):
        yield part


def _broken(name: str, number: int, what: str) -> Damaged:
    return Damaged(
        "chain-broken",
        f"{name}@{number} cannot be rebuilt: {what}; restore the store from a copy.",
        dataset=name,
        version=number,
    )
