"""Sweeping: the only way in which stored bytes ever go.

What nothing names is marked first, in the catalogue. After the grace time, the next sweep looks again, notes in one
transaction that the bytes are gone, and only then removes them. Whoever stores a marked blob meanwhile, or one that was
removed, takes it back (`places.record`); an object that was written or found again within the grace time stays.
Killed at any moment, it leaves at worst objects that no row tells of, and the next sweep finds those.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import Connection, delete, select, update

from aliquot.blobs import Store
from aliquot.blobs.layout import ADOPTED, BLOBS, blob_key, blob_of_pin, digest_of_key
from aliquot.datasets import kept
from aliquot.datasets.names import behind_store, named
from aliquot.datasets.previews import forget_gone
from aliquot.datasets.sweep_packs import sweep_packs
from aliquot.datasets.sweep_report import Beside, Reason, SweepReport, nothing_beside
from aliquot.datasets.verify_uses import bundled_files
from aliquot.db import Catalogue
from aliquot.db.rows import among, chunks
from aliquot.db.tables import attempt, blob, dataset, output, preview, run, task
from aliquot.model.digest import Digest
from aliquot.model.lab_config import Retention

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class _Doomed:
    digest: str
    size: int
    pack: str | None
    doomed_at: float | None
    reason: Reason
    adopted: bool

    @property
    def frees(self) -> int:
        """Say by how many bytes the store shrinks: what was adopted does not lie in it."""
        return 0 if self.adopted else self.size


def sweep(
    catalogue: Catalogue, store: Store, retention: Retention, *, dry_run: bool, now: float | None = None,
    beside: Beside = nothing_beside,
) -> SweepReport:  # fmt: skip
    """Mark what nothing names, and remove what was marked a grace time ago; with `dry_run`, only say what would go.

    `beside` joins each transaction that changes something, and one before each removal of what no row tells of.

    `Conflict` when the store names versions that the catalogue does not know: it is older than the store, and what
    it does not name may be needed.
    """
    began = time.time() if now is None else now
    report = SweepReport(dry_run)
    _require_whole(catalogue, store)
    before = began - retention.grace
    doomed, back = _find(catalogue, retention, began)
    due: list[_Doomed] = []
    for each in doomed:
        goes_now = each.doomed_at is not None and each.doomed_at <= before
        report.shares[each.reason].add(each.frees, now=goes_now)
        if goes_now:
            due.append(each)
    report.kept = len(back)
    if not dry_run:
        _take_back(catalogue, back, beside)
        _mark(catalogue, [each for each in doomed if each.doomed_at is None], began, beside)
        _remove(catalogue, store, retention, due, began, report, beside)
        catalogue.repeat(forget_gone)
    going = [(each.pack, each.size) for each in due if each.pack]
    sweep_packs(catalogue, store, began, before, going, report, beside)
    _remove_unknown(catalogue, store, before, report, {each.digest for each in due}, beside)
    _remove_drafts(catalogue, store, before, report, beside)
    return report


def sweepable(catalogue: Catalogue, retention: Retention) -> int:
    """Sum the bytes of blobs that nothing needs, marked or not, from the catalogue alone."""
    return sum(each.frees for each in _find(catalogue, retention, time.time())[0])


def _require_whole(catalogue: Catalogue, store: Store) -> None:
    """Refuse to sweep with a catalogue that is older than the store."""
    with catalogue.read() as connection:
        heads = {row.name: row.head for row in connection.execute(select(dataset.c.name, dataset.c.head))}
    for name, number in named(store):
        if number > heads.get(name, 0):
            with catalogue.read() as connection:
                head = connection.execute(select(dataset.c.head).where(dataset.c.name == name)).scalar()
            if number > (head or 0):
                raise behind_store(name, number)


def _find(catalogue: Catalogue, retention: Retention, now: float) -> tuple[list[_Doomed], list[str]]:
    """Find what nothing names, with the reason for each, and what is marked though something names it again."""
    with catalogue.read() as connection:
        bundled = sorted({digest for _, digest in bundled_files(connection)})
        rows = connection.execute(kept.unnamed(connection, retention, now, bundled)).all()
        reasons = _reasons(connection, [row.digest for row in rows], kept.steps(connection, retention, now).last)
        marked = select(blob.c.digest).where(blob.c.doomed_at.isnot(None), blob.c.swept_at.is_(None))
        back = set(connection.execute(marked).scalars()) - {row.digest for row in rows}
    doomed = [
        _Doomed(row.digest, row.size, row.pack, row.doomed_at, reasons.get(row.digest, Reason.UNNAMED), row.adopted)
        for row in rows
    ]
    return doomed, sorted(back)


def _reasons(connection: Connection, digests: Sequence[str], last: Sequence[str]) -> Mapping[str, Reason]:
    found: dict[str, Reason] = {}
    results = set(last)
    for part in chunks(list(digests), 5_000):
        shown = select(preview.c.digest).distinct().where(among(connection, preview.c.digest, part))
        found |= dict.fromkeys(connection.execute(shown).scalars(), Reason.PREVIEW)
        for column in (attempt.c.stdout, attempt.c.stderr):
            logs = select(column).distinct().where(among(connection, column, part))
            found |= dict.fromkeys(connection.execute(logs).scalars(), Reason.LOG)
        query = (
            select(output.c.digest, run.c.definition_id, task.c.step)
            .distinct()
            .select_from(output.outerjoin(task, task.c.key == output.c.key).outerjoin(run, run.c.id == task.c.run_id))
            .where(among(connection, output.c.digest, part))
        )
        for digest, definition_id, step in connection.execute(query):
            if f"{definition_id}/{step}" in results:
                found[digest] = Reason.OUTPUT
            elif found.get(digest) is not Reason.OUTPUT:
                found[digest] = Reason.INTERMEDIATE
    return found


def _take_back(catalogue: Catalogue, digests: Sequence[str], beside: Beside) -> None:
    def work(connection: Connection, part: Sequence[str]) -> None:
        here = (among(connection, blob.c.digest, part), blob.c.swept_at.is_(None))
        count = connection.execute(update(blob).where(*here).values(doomed_at=None)).rowcount
        if count:
            beside(connection, {"taken back": count})

    for part in chunks(list(digests), _AT_ONCE):
        catalogue.repeat(lambda connection, part=part: work(connection, part))


def _mark(catalogue: Catalogue, doomed: Sequence[_Doomed], now: float, beside: Beside) -> None:
    def work(connection: Connection, part: Sequence[_Doomed]) -> None:
        here = (among(connection, blob.c.digest, [each.digest for each in part]), blob.c.doomed_at.is_(None))
        count = connection.execute(update(blob).where(*here).values(doomed_at=now)).rowcount
        if count:
            beside(connection, {"marked": count, "bytes": sum(each.frees for each in part)})

    for part in chunks(list(doomed), _AT_ONCE):
        catalogue.repeat(lambda connection, part=part: work(connection, part))


def _remove(
    catalogue: Catalogue, store: Store, retention: Retention, due: Sequence[_Doomed], now: float, report: SweepReport,
    beside: Beside,
) -> None:  # fmt: skip
    before = now - retention.grace
    for part in chunks(list(due), _AT_ONCE):

        def note(connection: Connection, part: Sequence[_Doomed] = part) -> set[str]:
            gone = _note_gone(connection, retention, [each.digest for each in part], now)
            if gone:
                size = sum(each.size for each in part if each.digest in gone)
                beside(connection, {"removed": len(gone), "bytes": size})
            return gone

        gone = catalogue.repeat(note)
        report.kept += len(part) - len(gone)
        for each in part:
            if each.digest not in gone or each.pack:
                continue
            if each.adopted:
                store.forget_adopted(Digest(each.digest), before)
            if store.objects.remove(blob_key(Digest(each.digest)), before):
                report.freed += each.frees


def _note_gone(connection: Connection, retention: Retention, digests: Sequence[str], now: float) -> set[str]:
    """Note that blobs are gone, before they are: those that are still marked, and that nothing has come to name.

    What a key or an attempt names keeps its row, which says so; the rest is forgotten.
    """
    wanted = kept.wanted_again(connection, kept.steps(connection, retention, now), retention, now)
    gone = connection.execute(
        update(blob)
        .where(
            among(connection, blob.c.digest, digests),
            blob.c.doomed_at <= now - retention.grace,
            blob.c.swept_at.is_(None),
            ~wanted,
        )
        .values(swept_at=time.time())
        .returning(blob.c.digest)
    )
    swept = set(gone.scalars())
    if swept:
        named_by: set[str] = set()
        for column in (output.c.digest, attempt.c.stdout, attempt.c.stderr):
            named_by |= set(
                connection.execute(select(column).where(among(connection, column, sorted(swept)))).scalars()
            )
        forgotten = sorted(swept - named_by)
        connection.execute(delete(blob).where(among(connection, blob.c.digest, forgotten), blob.c.swept_at.isnot(None)))
    return swept


def _remove_unknown(
    catalogue: Catalogue, store: Store, before: float, report: SweepReport, counted: Collection[str], beside: Beside
) -> None:
    """Remove objects that hold or note one blob each, and that no row says to be its place."""
    for page in chain(store.objects.walk(BLOBS), store.objects.walk(ADOPTED)):
        old = [each for each in page if each.written_at < before]
        digests = {each.key: str(_digest_of(each.key)) for each in old}
        with catalogue.read() as connection:
            wanted = among(connection, blob.c.digest, sorted(digests.values()))
            found = select(blob.c.digest).where(wanted, blob.c.pack.is_(None), blob.c.swept_at.is_(None))
            known = set(connection.execute(found).scalars())
        unknown = [each for each in old if digests[each.key] not in known and digests[each.key] not in counted]
        for each in unknown:
            report.shares[Reason.UNKNOWN].add(each.size, now=True)
        if report.dry_run or not unknown:
            continue
        told = {"unknown": len(unknown), "bytes": sum(each.size for each in unknown)}
        catalogue.repeat(lambda connection, told=told: beside(connection, told))
        for each in unknown:
            if store.objects.remove(each.key, before):
                report.freed += each.size


def _digest_of(key: str) -> Digest:
    return blob_of_pin(key)[0] if key.startswith(ADOPTED) else digest_of_key(key)


def _remove_drafts(catalogue: Catalogue, store: Store, before: float, report: SweepReport, beside: Beside) -> None:
    drafts = list(store.objects.drafts(before))
    for _, size in drafts:
        report.shares[Reason.DRAFT].add(size, now=True)
    if report.dry_run or not drafts:
        return
    told = {"drafts": len(drafts), "bytes": sum(size for _, size in drafts)}
    catalogue.repeat(lambda connection: beside(connection, told))
    for path, size in drafts:
        path.unlink(missing_ok=True)
        report.freed += size
