"""Taking settled landings in: stored, judged, and committed in batches with their receipts."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from aliquot.blobs import Batch
from aliquot.blobs.pack import SMALL
from aliquot.datasets import places
from aliquot.formats.table_split import split_table
from aliquot.intake.adopt import adopt, adopts, read_far, unread
from aliquot.intake.aside import held_by
from aliquot.intake.decided import Decided, Intake, Part, Taken
from aliquot.intake.describe import judged_with
from aliquot.intake.dispose import is_as_listed
from aliquot.intake.enter import enter
from aliquot.intake.judge import Judgement, at_a_glance, judge
from aliquot.intake.reconcile import TAKEN, Past, pasts
from aliquot.intake.referred import Referred
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.intake.unpacked import store_members
from aliquot.model.errors import AliquotError, Conflict, Invalid
from aliquot.model.finding import Finding

BATCH_FILES = 50_000
BATCH_BYTES = 16 * 2**30
"""What is committed together at most: a version for each of many files would start a run for each."""
FETCHED = (10_000, 4 * 2**30)
"""The same of what has to be fetched first: so much lies on the disk meanwhile, and is fetched again after a crash."""


class _Stored(NamedTuple):
    landing: Landing
    parts: tuple[Part, ...]
    rest: tuple["_Rest", ...]
    quick: Judgement | None


class _Rest(NamedTuple):
    """What a file on disk was like when its bytes had been read."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def take(intake: Intake, landings: Sequence[Landing], taken: Taken | None = None) -> Taken:
    """Take landings in: a version for each dataset and batch, a row in quarantine for each landing that is refused.

    Nothing is lost when it ends halfway: what has no receipt by then is taken in the next time. A store or catalogue
    that cannot be used is `Unavailable`. What came of it is added to `taken`.
    """
    taken = Taken() if taken is None else taken

    def lose(landing: Landing, finding: Finding | None) -> None:
        if finding is None:
            taken.changing += landing.files
        else:
            taken.unreadable.append(finding)

    far, near = unread(intake, landings)
    limits = (BATCH_FILES, BATCH_BYTES) if intake.place is None else FETCHED
    for part, distant in zip_longest(_batches(near, *limits), _batches(far, BATCH_FILES, BATCH_BYTES), fillvalue=()):
        if intake.place is None:
            _take(intake, part, taken)
            continue
        with intake.place.at_hand(part, lose) as here:
            read = read_far(intake, distant, lose) if distant else {}
            there = [each for each in distant if each.files[0].path in read]
            _take(replace(intake, hashed=read), [*here, *there], taken)
    return taken


def _batches(landings: Sequence[Landing], most: int, most_bytes: int) -> Iterator[list[Landing]]:
    batch: list[Landing] = []
    files = size = 0
    for landing in landings:
        batch.append(landing)
        for file in landing.files:
            files += 1
            size += file.size
        if files >= most or size >= most_bytes:
            yield batch
            batch, files, size = [], 0, 0
    if batch:
        yield batch


def _take(intake: Intake, landings: Sequence[Landing], taken: Taken) -> None:
    batch = intake.store.batch(places.known_in(intake.catalogue), places.moved_in(intake.catalogue))
    stored = _store_all(intake, landings, batch, taken)
    with intake.catalogue.read() as connection:
        before = pasts(connection, intake.source, (part.path for each in stored for part in each.parts))
        held = held_by(connection, before)
    with TemporaryDirectory(prefix="aliquot-intake-") as folder:
        round_ = _Round(intake, batch, before, held, Path(folder), taken)
        referring = round_.decide(stored)
        where = {each.digest: each for each in batch.flush()}
        enter(intake, round_.decided, where, taken)
        if referring:
            # What they refer to may just have come with them.
            last = replace(round_, decided=[], referred=Referred(intake.catalogue, intake.store, Path(folder)))
            last.decide(referring)
            enter(intake, last.decided, where | {each.digest: each for each in batch.flush()}, taken)


@dataclass(frozen=True, slots=True)
class _Round:
    """Landings that are decided on together. Without `referred`, tables that point to other datasets are put off."""

    intake: Intake
    batch: Batch
    before: Mapping[str, Sequence[Past]]
    held: Mapping[int, Collection[str]]
    folder: Path
    taken: Taken
    referred: Referred | None = None
    decided: list[Decided] = field(default_factory=list[Decided])

    def decide(self, stored: Sequence[_Stored]) -> list[_Stored]:
        """Decide on landings, and give those that are put off."""
        put_off: list[_Stored] = []
        for each in stored:
            if each.quick is not None and each.parts[0].path not in self.before:
                self.decided.append(Decided(each.landing, each.parts, each.quick))
                continue
            try:
                decided = self._decide(each)
            except Conflict:
                self.taken.changing += each.landing.files
                continue
            if decided is None:
                put_off.append(each)
            else:
                self.decided.append(decided)
        return put_off

    def _decide(self, stored: _Stored) -> Decided | None:
        landing, parts, rest, quick = stored
        last = [self.before[part.path][-1] if part.path in self.before else None for part in parts]
        known = all(_same_again(part, past) for part, past in zip(parts, last, strict=True))
        # What is said of a file may have changed, though its bytes have not.
        if known and not self.intake.by_hand and not landing.beside:
            return Decided(landing, parts)
        # What is resubmitted has a decision of its own.
        waiting = None if self.intake.resubmits else _waits_in(parts, last, self.held)
        if quick is not None:
            return Decided(landing, parts, quick, waiting)
        judgement = judge(landing, self.intake.rules, self.referred)
        if judgement is None:
            return None
        judgement = judged_with(judgement, landing.beside, self.intake.given)
        good = refused = None
        if judgement.divisible:
            good, refused, judgement = _split(landing.files[0], judgement, self.batch, self.folder)
        members = None
        if judgement.accepted and judgement.type and judgement.type.unpack:
            first = landing.files[0]
            members = store_members(Path(first.absolute), first.path, self.batch, self.folder)
        # What was judged must be what was stored: the file has to be the same one, untouched, from then till now.
        if tuple(_resting(file, self.intake.hashed) for file in landing.files) != rest:
            raise _moved(landing.files[0])
        for each in landing.beside:
            _resting(each.file, self.intake.hashed)
        return Decided(landing, parts, judgement, waiting, good, refused, members)


def _store_all(intake: Intake, landings: Sequence[Landing], batch: Batch, taken: Taken) -> list[_Stored]:
    quick = [at_a_glance(landing, intake.rules) for landing in landings]
    # A small file is read in one go, and looked at by the batch itself: thousands of them are one call.
    small = [
        judgement is not None and each.files[0].size < SMALL for each, judgement in zip(landings, quick, strict=True)
    ]
    files = [each.files[0] for each, is_small in zip(landings, small, strict=True) if is_small]
    # What somebody names is read wherever it leads; what is found in a folder has to be the file that was listed.
    listed = not intake.by_hand and intake.place is None
    digests = iter(
        batch.add_files([(file.absolute, file.size, file.mtime_ns, file.changed_ns if listed else 0) for file in files])
    )
    stored: list[_Stored] = []
    for landing, judgement, is_small in zip(landings, quick, small, strict=True):
        if not is_small:
            if each := _store(intake, landing, judgement, batch, taken):
                stored.append(each)
            continue
        digest, file = next(digests), landing.files[0]
        if isinstance(digest, AliquotError):
            not_stored(landing.files, file, digest, taken)
        else:
            stored.append(_Stored(landing, (Part(file.path, digest, file.size),), (), judgement))
    return stored


def _store(intake: Intake, landing: Landing, quick: Judgement | None, batch: Batch, taken: Taken) -> _Stored | None:
    parts: list[Part] = []
    rest: list[_Rest] = []
    for file in landing.files:
        try:
            if adopts(intake, file):
                blob = adopt(intake, file, batch)
            else:
                known = intake.hashed.get(file.path)
                blob = batch.add_file(file.absolute, (file.size, file.mtime_ns, 0 if known else file.changed_ns), known)
            if file.absolute:
                rest.append(_resting(file, intake.hashed))
        except (Conflict, Invalid) as error:
            not_stored(landing.files, file, error, taken)
            return None
        parts.append(Part(file.path, blob.digest, blob.size))
    return _Stored(landing, tuple(parts), tuple(rest), quick)


def not_stored(files: Sequence[File], file: File, error: AliquotError, taken: Taken) -> None:
    """Tell that files that belong together were not taken in, for what became of one of them."""
    if isinstance(error, Conflict):
        taken.changing += files
    else:
        taken.unreadable.append(Finding(error.code, f"The file cannot be read: {error.message}", file=file.path))


def _same_again(part: Part, past: Past | None) -> bool:
    return past is not None and past.digest == part.digest and past.decision in TAKEN


def _waits_in(parts: Sequence[Part], last: Sequence[Past | None], held: Mapping[int, Collection[str]]) -> int | None:
    """Find the quarantine row that holds these very bytes, or some of them, since they came the last time."""
    rows = {
        past.quarantine_id
        for part, past in zip(parts, last, strict=True)
        if past and past.decision == "quarantined" and past.digest == part.digest
    }
    id_ = rows.pop() if len(rows) == 1 else None
    digests = {part.digest for part in parts}
    return id_ if id_ is not None and digests.issuperset(held.get(id_, digests)) else None


def _split(file: File, judgement: Judgement, batch: Batch, folder: Path) -> tuple[Part | None, Part | None, Judgement]:
    """Store a table's good and refused rows apart; a table with no good row, or no bad one, stays whole."""
    assert judgement.report is not None
    good, refused = folder / "good", folder / "refused"
    kept, left = split_table(Path(file.absolute), judgement.report, good, refused)
    if not kept or not left:
        return None, None, judgement
    first, second = batch.add_file(good), batch.add_file(refused)
    stem, dot, ending = file.path.rpartition(".")
    aside = f"{stem}.refused.{ending}" if dot and "/" not in ending else f"{file.path}.refused"
    return (
        Part(file.path, first.digest, first.size),
        Part(aside, second.digest, second.size),
        judgement.with_facts({"split": {"good_rows": kept, "refused_rows": left}}),
    )


def _resting(file: File, hashed: Collection[str]) -> _Rest:
    """Refuse a file that has changed since it was listed."""
    try:
        now = os.stat(file.absolute)  # noqa: PTH116  # asked of each file: a Path costs more than the answer
    except OSError as error:
        raise _moved(file) from error
    # One of a known digest gets a second name in the store, which sets the time of its change and not its bytes.
    if not is_as_listed(file._replace(changed_ns=0) if file.path in hashed else file, now):
        raise _moved(file)
    return _Rest(now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


def _moved(file: File) -> Conflict:
    text = f"{file.path} changed while it was taken in; it is taken when it rests."
    return Conflict("file-changed", text, path=file.path)
