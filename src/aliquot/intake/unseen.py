"""Deliveries into which nobody looks: many files that a person gives to a dataset whose types are not asked for.

All that is ever held of such a file is its path, digest and size. Whatever needs a decision of its own, a name that no
dataset can hold, a path that clashes, a file that waits in quarantine, goes the way of all others (`take`).
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, select, update

from aliquot.blobs import Batch
from aliquot.blobs.pack import SMALL
from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, Draft, commit
from aliquot.datasets.delta import NewEntry, Origin
from aliquot.datasets.growing import Growing, commit_growing
from aliquot.db.tables import receipt
from aliquot.intake.arriving import Arriving
from aliquot.intake.decided import Entered, Intake, Taken
from aliquot.intake.delivery import MANY, PATH
from aliquot.intake.receipts import NewReceipt, write
from aliquot.intake.reconcile import one_at_a_time, pasts
from aliquot.intake.scan import File
from aliquot.intake.storing import not_stored
from aliquot.intake.take import BATCH_BYTES, BATCH_FILES
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest
from aliquot.model.errors import AliquotError, Conflict, Invalid

_DECIDED_ALONE = {"path-clash", "path-refused"}
_UNTIL_THEN = EMPTY
"""The digest on a receipt until that of the delta is known, at the end of the same transaction."""


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
    if len(files) < MANY or intake.hashed or any(file.fault for file in files):
        return False
    if _came_before(intake, [file.path for file in files]):
        return False
    delivery = _Delivery.of(intake)
    digests = _store(delivery.batch, files)
    entries = [
        NewEntry(file.path, digest, file.size, delivery.origin)
        for file, digest in zip(files, digests, strict=True)
        if not isinstance(digest, AliquotError)
    ]
    if not delivery.commit(entries, taken):
        return False
    for file, digest in zip(files, digests, strict=True):
        if isinstance(digest, AliquotError):
            not_stored((file,), file, digest, taken)
        else:
            taken.safe.append(file)
    return True


def take_arriving(
    intake: Intake, folder: Path, listing: Iterator[str], readers: int, before_ns: int, taken: Taken
) -> list[str]:
    """Take files of a folder as `take_unseen` does, by their places in it: they are read while these are listed.

    What was written at `before_ns` or later is looked at twice. Nobody will move the files away, so that none is told
    to be safe. Gives all places back when there is no version.
    """
    delivery = _Delivery.of(intake)
    with delivery.batch.readers(readers) as processes:
        arriving = Arriving(delivery.batch, processes, folder, listing, before_ns, delivery.origin)
        done = arriving.readable and delivery.commit_arriving(arriving, taken)
    if not done:
        return arriving.places
    for file, error in arriving.lost:
        not_stored((file,), file, error, taken)
    return []


def _came_before(intake: Intake, paths: Sequence[str]) -> bool:
    """Say whether any of the paths has receipts of its own."""
    with intake.catalogue.read() as connection:
        return _has_others(connection, intake) and bool(pasts(connection, intake.source, paths))


def _has_others(connection: Connection, intake: Intake) -> bool:
    """Say whether there are receipts of other files than whole deliveries."""
    alone = select(receipt.c.id).where(receipt.c.source == intake.source, receipt.c.path != PATH).limit(1)
    return connection.execute(alone).first() is not None


def _store(batch: Batch, files: Sequence[File]) -> list[Digest | AliquotError]:
    small = [(file.absolute, file.size, file.mtime_ns, 0) for file in files if file.size < SMALL]
    added = batch.add_files(small)
    if len(added) == len(files):
        return added
    rest = iter(added)
    return [next(rest) if file.size < SMALL else _store_large(batch, file) for file in files]


def _store_large(batch: Batch, file: File) -> Digest | AliquotError:
    try:
        return batch.add_file(file.absolute, (file.size, file.mtime_ns, 0)).digest
    except (Conflict, Invalid) as error:
        return error


@dataclass(frozen=True, slots=True)
class _Delivery:
    """Files that come together, on their way into a version with one receipt."""

    intake: Intake
    batch: Batch
    origin: Origin
    stamp: int
    where: list[Location] = field(default_factory=list[Location])
    early: list[Location] = field(default_factory=list[Location])
    """Where what was written early lies: the first rows of a version that grows tell of it."""
    moves: list[tuple[Location, Location]] = field(default_factory=list[tuple[Location, Location]])
    """Where blobs lie now that were damaged where they lay; noted with the version, whose transaction may be open."""

    @classmethod
    def of(cls, intake: Intake) -> Self:
        moves: list[tuple[Location, Location]] = []
        batch = intake.store.batch(places.known_in(intake.catalogue), moves.extend)
        origin = Origin(intake.source, time.time(), together=True)
        return cls(intake, batch, origin, time.time_ns(), moves=moves)

    def commit(self, entries: Sequence[NewEntry], taken: Taken) -> bool:
        """Commit entries; false, and nothing done, when they are few, or need decisions of their own."""
        done = None
        try:
            if len(entries) >= MANY:
                beside = self._beside(len(entries))
                done = commit(self.intake.catalogue, self.intake.store, self._change(entries), beside)
        except BaseException as error:
            if not isinstance(error, Invalid) or error.code not in _DECIDED_ALONE:
                # What comes of the rest of the writing is of no more use: it must not stand for what went wrong.
                with suppress(Exception):
                    self._flush()
                raise
        # Nobody else is told where they lie when there is no version; but nothing is left to be done behind.
        self._flush()
        if done is None:
            return False
        self._tell(done, len(entries), taken)
        return True

    def commit_arriving(self, arriving: Arriving, taken: Taken) -> bool:
        """Commit what arrives, as `commit` does: a first version's rows are written before the last files are there."""
        while not arriving.soon_all and arriving.more():
            pass
        with self.intake.catalogue.read() as connection:
            others = _has_others(connection, self.intake)
        # To a bucket packs take longer than rows do: nobody shall wait for the catalogue meanwhile.
        grows = self.intake.store.objects.root is not None and len(arriving.entries) >= MANY and not others
        if grows and (done := self._grow(arriving)):
            self._tell(done, done.added, taken)
            return True
        while arriving.more():
            pass
        if others and _came_before(self.intake, [each.path for each in arriving.entries]):
            self._flush()
            return False
        return self.commit(arriving.entries, taken)

    def _grow(self, arriving: Arriving) -> Committed | None:
        growing = Growing(
            self._change(tuple(arriving.entries)), arriving.more, self._begun, self._meanwhile, self._ended
        )
        try:
            return commit_growing(self.intake.catalogue, self.intake.store, growing, self._beside(None))
        except Invalid as error:
            if error.code not in _DECIDED_ALONE:
                raise
            return None

    def _change(self, entries: Sequence[NewEntry]) -> Change:
        into, within = self._into, self.intake.within.get(self._into)
        provenance = {"intake": self.intake.source, "who": self.intake.who}
        project = within or self.intake.project
        return Change(
            into, entries, provenance=provenance, project=project, within=within, receipts=self._receipts,
            stored=self._flush,
        )  # fmt: skip

    @property
    def _into(self) -> str:
        return self.intake.rules[0].into

    def _flush(self) -> None:
        self.where.extend(self.batch.flush())

    def _beside(self, count: int | None) -> Callable[[Connection, Committed], None] | None:
        """Give what joins the transaction in which so many files are committed; None: all of them are added."""
        also = self.intake.beside
        if also is None:
            return None

        def beside(connection: Connection, done: Committed) -> None:
            also(connection, Entered(done, done.added, 0 if count is None else count - done.added, ()))

        return beside

    def _tell(self, done: Committed, count: int, taken: Taken) -> None:
        taken.added += done.added
        taken.unchanged += count - done.added
        if done.new:
            taken.versions.append(done)

    def _receipts(self, connection: Connection, draft: Draft) -> Mapping[str, int]:
        one_at_a_time(connection, self.intake.source)
        places.record(connection, [*self.early, *self.where])
        places.move(connection, self.moves)
        fresh = {each.path for each in draft.adds}
        rows: list[NewReceipt] = []
        if fresh:
            assert draft.delta is not None
            rows.append(self._receipt(draft.delta.digest, draft.adds))
        seen, into = self.origin.arrived_at, self._into
        if len(fresh) < len(draft.change.adds):
            rows += [
                NewReceipt(path, size, self.stamp, digest, seen, seen, "unchanged", None, into, path)
                for path, digest, size, *_ in draft.change.adds
                if path not in fresh
            ]
        ids = write(connection, self.intake.source, self.intake.who, time.time(), rows, draft.number)
        return dict.fromkeys(fresh, ids[0]) if fresh else {}

    def _begun(self, connection: Connection) -> int:
        one_at_a_time(connection, self.intake.source)
        said = [self._receipt(_UNTIL_THEN, ())]
        return write(connection, self.intake.source, self.intake.who, time.time(), said, 1)[0]

    def _meanwhile(self, connection: Connection) -> None:
        written = self.batch.written()
        self.early.extend(written)
        places.record(connection, written)

    def _ended(self, connection: Connection, receipt_id: int, draft: Draft) -> None:
        assert draft.delta is not None
        places.record(connection, self.where)
        places.move(connection, self.moves)
        said = self._receipt(draft.delta.digest, draft.adds)
        values = {"digest": said.digest, "size": said.size, "files": said.files}
        connection.execute(update(receipt).where(receipt.c.id == receipt_id).values(values))

    def _receipt(self, delta: Digest, adds: Sequence[NewEntry]) -> NewReceipt:
        seen, size = self.origin.arrived_at, sum([each.size for each in adds])
        return NewReceipt(PATH, size, self.stamp, delta, seen, seen, "accepted", None, self._into, files=len(adds))
