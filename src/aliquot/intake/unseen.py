"""Deliveries into which nobody looks: many files that a person gives to a dataset whose types are not asked for.

All that is ever held of such a file is its path, digest and size. Whatever needs a decision of its own, a name that no
dataset can hold, a path that clashes, a file that waits in quarantine, goes the way of all others (`take`).
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from sqlalchemy import Connection, select

from aliquot.blobs import Batch
from aliquot.blobs.pack import SMALL
from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, Draft, commit
from aliquot.datasets.delta import NewEntry, Origin
from aliquot.db.tables import receipt
from aliquot.intake.decided import Entered, Intake, Taken
from aliquot.intake.delivery import MANY, PATH
from aliquot.intake.receipts import NewReceipt, write
from aliquot.intake.reconcile import one_at_a_time, pasts
from aliquot.intake.scan import File
from aliquot.intake.take import BATCH_BYTES, BATCH_FILES, not_stored
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import AliquotError, Conflict, Invalid


def deliveries(files: Sequence[File]) -> Iterator[Sequence[File]]:
    """Cut files into what is committed together."""
    sizes = list(accumulate([file.size for file in files], initial=0))
    start = 0
    while start < len(files):
        full = bisect_left(sizes, sizes[start] + BATCH_BYTES, start)
        end = min(max(full, start + 1), start + BATCH_FILES, len(files))
        yield files[start:end]
        start = end


def take_unseen(intake: Intake, files: Sequence[File], taken: Taken) -> bool:
    """Take files into the dataset of the one rule as one version with one receipt; false, and no version, if not so.

    A file that is not the same when it is read as when it was listed is told in `taken`, and nothing is kept of it.
    """
    if len(files) < MANY or intake.hashed or any(file.fault for file in files) or _came_before(intake, files):
        return False
    now = time.time()
    batch = intake.store.batch(places.known_in(intake.catalogue), places.moved_in(intake.catalogue))
    digests = _store(batch, files)
    origin = Origin(intake.source, now, together=True)
    entries = [
        NewEntry(file.path, digest, file.size, origin)
        for file, digest in zip(files, digests, strict=True)
        if not isinstance(digest, AliquotError)
    ]
    where = batch.flush()
    if len(entries) < MANY:
        return False
    try:
        _commit(intake, entries, origin, where, taken)
    except Invalid as error:
        if error.code not in {"path-clash", "path-refused"}:
            raise
        return False
    for file, digest in zip(files, digests, strict=True):
        if isinstance(digest, AliquotError):
            not_stored((file,), file, digest, taken)
        else:
            taken.safe.append(file)
    return True


def _came_before(intake: Intake, files: Sequence[File]) -> bool:
    """Say whether any of the paths has receipts of its own."""
    with intake.catalogue.read() as connection:
        alone = select(receipt.c.id).where(receipt.c.source == intake.source, receipt.c.path != PATH).limit(1)
        if connection.execute(alone).first() is None:
            return False
        return bool(pasts(connection, intake.source, [file.path for file in files]))


def _store(batch: Batch, files: Sequence[File]) -> list[Digest | AliquotError]:
    small = [(file.absolute, file.size, file.mtime_ns) for file in files if file.size < SMALL]
    added = batch.add_files(small)
    if len(added) == len(files):
        return added
    rest = iter(added)
    return [next(rest) if file.size < SMALL else _store_large(batch, file) for file in files]


def _store_large(batch: Batch, file: File) -> Digest | AliquotError:
    try:
        return batch.add_file(file.absolute, (file.size, file.mtime_ns)).digest
    except (Conflict, Invalid) as error:
        return error


def _commit(intake: Intake, adds: Sequence[NewEntry], origin: Origin, where: Sequence[Location], taken: Taken) -> None:
    stamp, now = time.time_ns(), time.time()
    into, seen = intake.rules[0].into, origin.arrived_at

    def receipts(connection: Connection, draft: Draft) -> Mapping[str, int]:
        one_at_a_time(connection, intake.source)
        places.record(connection, where)
        fresh = {each.path for each in draft.adds}
        rows: list[NewReceipt] = []
        if fresh:
            assert draft.delta is not None
            size = sum([each.size for each in draft.adds])
            rows.append(
                NewReceipt(PATH, size, stamp, draft.delta.digest, seen, seen, "accepted", None, into, files=len(fresh))
            )
        if len(fresh) < len(adds):
            rows += [
                NewReceipt(each.path, each.size, stamp, each.digest, seen, seen, "unchanged", None, into, each.path)
                for each in adds
                if each.path not in fresh
            ]
        ids = write(connection, intake.source, intake.who, now, rows, draft.number)
        return dict.fromkeys(fresh, ids[0]) if fresh else {}

    provenance = {"intake": intake.source, "who": intake.who}
    within = intake.within.get(into)
    change = Change(
        into, adds, provenance=provenance, project=within or intake.project, within=within, receipts=receipts
    )

    def beside(connection: Connection, done: Committed) -> None:
        if intake.beside:
            intake.beside(connection, Entered(done, done.added, len(adds) - done.added, ()))

    done = commit(intake.catalogue, intake.store, change, beside)
    taken.added += done.added
    taken.unchanged += len(adds) - done.added
    if done.new:
        taken.versions.append(done)
