"""Taking settled landings in: stored, judged, and committed in batches with their receipts."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from aliquot.blobs import Batch
from aliquot.datasets import places
from aliquot.formats.table_split import split_table
from aliquot.intake.adopt import read_far, unread
from aliquot.intake.aside import held_by
from aliquot.intake.decided import Decided, Intake, Part, Taken
from aliquot.intake.describe import judged_with
from aliquot.intake.enter import enter
from aliquot.intake.held_open import held_open
from aliquot.intake.judge import Judgement, judge
from aliquot.intake.reconcile import TAKEN, Past, pasts
from aliquot.intake.referred import Referred
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.intake.storing import Stored, require_rest, store_all
from aliquot.intake.unpacked import store_members
from aliquot.model.errors import Conflict
from aliquot.model.finding import Finding

BATCH_FILES = 50_000
BATCH_BYTES = 16 * 2**30
"""What is committed together at most: a version for each of many files would start a run for each."""
FETCHED = (10_000, 4 * 2**30)
"""The same of what has to be fetched first: so much lies on the disk meanwhile, and is fetched again after a crash."""


class _LookedInto(NamedTuple):
    """What was found in a landing's files; of one that was parted or unpacked, what came of it."""

    judgement: Judgement
    good: Part | None
    refused: Part | None
    members: tuple[Part, ...] | None


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
    stored = store_all(intake, landings, batch, taken)
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

    def decide(self, stored: Sequence[Stored]) -> list[Stored]:
        """Decide on landings, and give those that are put off."""
        put_off: list[Stored] = []
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

    def _decide(self, stored: Stored) -> Decided | None:
        landing, parts, quick = stored
        last = [self.before[part.path][-1] if part.path in self.before else None for part in parts]
        known = all(_same_again(part, past) for part, past in zip(parts, last, strict=True))
        # What is said of a file may have changed, though its bytes have not.
        if known and not self.intake.by_hand and not landing.beside:
            return Decided(landing, parts)
        # What is resubmitted has a decision of its own.
        waiting = None if self.intake.resubmits else _waits_in(parts, last, self.held)
        if quick is not None:
            return Decided(landing, parts, quick, waiting)
        with self._held(landing) as held:
            looked = self._look_into(held)
        if looked is None:
            return None
        # What was judged must be what was stored: the file has to be the same one, untouched, from then till now.
        for file in (*landing.files, *[each.file for each in landing.beside]):
            require_rest(file, self.intake.hashed)
        return Decided(landing, parts, looked.judgement, waiting, looked.good, looked.refused, looked.members)

    @contextmanager
    def _held(self, landing: Landing) -> Generator[Landing]:
        if not self.intake.watched:
            yield landing
            return
        with held_open(landing.files, self.folder, [each.file for each in landing.beside]) as held:
            beside = tuple(each._replace(file=file) for each, file in zip(landing.beside, held.beside, strict=True))
            yield landing._replace(files=tuple(held.files), beside=beside)

    def _look_into(self, landing: Landing) -> _LookedInto | None:
        judgement = judge(landing, self.intake.rules, self.referred)
        if judgement is None:
            return None
        judgement = judged_with(judgement, landing.beside, self.intake.given)
        good = refused = members = None
        first = landing.files[0]
        if judgement.divisible:
            good, refused, judgement = _split(first, judgement, self.batch, self.folder)
        if judgement.accepted and judgement.type and judgement.type.unpack:
            members = store_members(Path(first.absolute), first.path, self.batch, self.folder)
        return _LookedInto(judgement, good, refused, members)


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
