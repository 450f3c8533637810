"""Packs: removed when nothing in them is needed, rewritten when most is not."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, func, select, update

from aliquot.blobs import Store
from aliquot.blobs.layout import PACKS, digest_of_key
from aliquot.blobs.objects import Stored
from aliquot.blobs.pack import FULL
from aliquot.datasets.sweep_report import Beside, Reason, SweepReport, nothing_beside
from aliquot.db import Catalogue
from aliquot.db.rows import insert_missing
from aliquot.db.tables import blob, emptied_pack
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Damaged

_MOSTLY_DEAD = 0.5
_INDEX_ROW = 90
"""About what one blob takes in a pack's index."""


def sweep_packs(
    catalogue: Catalogue,
    store: Store,
    now: float,
    before: float,
    going: Iterable[tuple[str, int]],
    report: SweepReport,
    beside: Beside = nothing_beside,
) -> None:
    """Remove packs in which nothing is needed, and copy what is needed out of those that are mostly dead.

    A pack whose blobs were copied stays for the grace time: somebody may be reading it by the place that he was told.
    `going` are the packs and sizes of the blobs that this sweep removes, which are counted already. `beside` joins each
    transaction that changes something, and one before the removal of packs that no row tells of.
    """
    view = _View(catalogue, going, dry_run=report.dry_run)
    tight: list[Stored] = []
    for page in store.objects.walk(PACKS):
        for each in page:
            pack = digest_of_key(each.key)
            count, size = view.live.get(pack, (0, 0))
            counted = view.going.get(pack, (0, 0))[1]
            if not count:
                goes = view.emptied.get(pack, 0.0) < before and each.written_at < before
                if not goes and pack not in view.emptied:
                    continue
                report.shares[Reason.PACK if pack in view.told else Reason.UNKNOWN].add(each.size - counted, now=goes)
                if goes and not report.dry_run:
                    if pack not in view.told:
                        told = {"unknown": 1, "bytes": each.size}
                        catalogue.repeat(lambda connection, told=told: beside(connection, told))
                    _remove(catalogue, store, each, before, report)
            elif each.written_at < before:
                dead = each.size - size - _INDEX_ROW * count
                if dead > _MOSTLY_DEAD * each.size:
                    report.shares[Reason.PACK].add(dead - counted, now=False)
                    tight.append(each)
    if not report.dry_run:
        _rewrite(catalogue, store, tight, now, report, beside)


class _View:
    """What the catalogue says of packs: what is needed in each, what goes, which were emptied, which it tells of."""

    def __init__(self, catalogue: Catalogue, going: Iterable[tuple[str, int]], *, dry_run: bool) -> None:
        with catalogue.read() as connection:
            self.live = _live(connection)
            self.emptied = {row.pack: row.emptied_at for row in connection.execute(select(emptied_pack))}
            swept = select(blob.c.pack).distinct().where(blob.c.pack.isnot(None), blob.c.swept_at.isnot(None))
            self.told = {*connection.execute(swept).scalars(), *self.emptied}
        self.going: dict[str, tuple[int, int]] = {}
        for pack, size in going:
            count, total = self.going.get(pack, (0, 0))
            self.going[pack] = (count + 1, total + size)
        self.told |= self.going.keys()
        if dry_run:
            for pack, (count, size) in self.going.items():
                live, total = self.live[pack]
                self.live[pack] = (live - count, total - size)


def _live(connection: Connection) -> dict[str, tuple[int, int]]:
    """Count what is needed in each pack: blobs and their bytes."""
    query = (
        select(blob.c.pack, func.count().label("n"), func.sum(blob.c.size).label("size"))
        .where(blob.c.pack.isnot(None), blob.c.swept_at.is_(None))
        .group_by(blob.c.pack)
    )
    return {row.pack: (int(row.n), int(row.size)) for row in connection.execute(query)}


def _remove(catalogue: Catalogue, store: Store, each: Stored, before: float, report: SweepReport) -> None:
    pack = digest_of_key(each.key)
    with catalogue.read() as connection:
        lives = select(blob.c.digest).where(blob.c.pack == pack, blob.c.swept_at.is_(None)).limit(1)
        needed = connection.execute(lives).first() is not None
    # A writer who has just come to the same pack has found it again, which `remove` sees.
    if not needed and store.objects.remove(each.key, before):
        report.freed += each.size
    catalogue.repeat(lambda connection: connection.execute(delete(emptied_pack).where(emptied_pack.c.pack == pack)))


def _rewrite(
    catalogue: Catalogue, store: Store, packs: Sequence[Stored], now: float, report: SweepReport, beside: Beside
) -> None:
    waiting: list[tuple[Location, bytes]] = []
    emptied: list[Digest] = []
    size = 0
    for each in packs:
        pack = digest_of_key(each.key)
        with catalogue.read() as connection:
            rows = connection.execute(
                select(blob).where(blob.c.pack == pack, blob.c.swept_at.is_(None)).order_by(blob.c.offset)
            ).all()
        places = [Location(Digest(row.digest), row.size, pack, row.offset) for row in rows]
        try:
            found = [(place, store.read_checked(place)) for place in places]
        except Damaged:
            report.damaged.append(each.key)
            continue
        waiting += found
        emptied.append(pack)
        size += sum(place.size for place in places)
        if size >= FULL:
            _move(catalogue, store, waiting, emptied, now, beside)
            waiting, emptied, size = [], [], 0
    if emptied:
        _move(catalogue, store, waiting, emptied, now, beside)


def _move(
    catalogue: Catalogue, store: Store, found: Sequence[tuple[Location, bytes]], emptied: Sequence[Digest], now: float,
    beside: Beside,
) -> None:  # fmt: skip
    """Store blobs again, then say that they lie there, and that nobody shall be sent to their old packs any more."""
    batch = store.batch()
    for _, data in found:
        batch.add_bytes(data)
    new = {place.digest: place for place in batch.flush()}

    def note(connection: Connection) -> None:
        for old, _ in found:
            there = new[old.digest]
            connection.execute(
                update(blob)
                .where(blob.c.digest == old.digest, blob.c.pack == old.pack, blob.c.offset == old.offset)
                .values(pack=there.pack, offset=there.offset)
            )
        packs = {*emptied, *(each.pack for each in new.values())}
        connection.execute(delete(emptied_pack).where(emptied_pack.c.pack.in_(packs)))
        insert_missing(connection, emptied_pack, [{"pack": pack, "emptied_at": now} for pack in emptied])
        beside(connection, {"moved": len(found), "bytes": sum(place.size for place, _ in found)})

    catalogue.repeat(note)
