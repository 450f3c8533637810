"""One source, looked at again and again: what has settled is taken in, and nothing twice."""

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.awaited import Awaited
from aliquot.intake.bucket import Bucket
from aliquot.intake.decided import Intake, Taken
from aliquot.intake.judge import Rule, companions_of
from aliquot.intake.known import Known
from aliquot.intake.place import Place, place_of
from aliquot.intake.reconcile import taken
from aliquot.intake.scan import File
from aliquot.intake.settle import Clock, Landing, Pending, Settling
from aliquot.intake.since import Since, since_of
from aliquot.intake.take import take
from aliquot.model.collector import seldom
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Settled, Source

MOST_NEW = 100_000
"""New files that one look deals with at most, where each stands for itself."""
NOTHING_APPLIED = "Nothing is applied yet; run `aliquot apply`."


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a source did: what was taken in, what still waits and why, and what else there is to say."""

    taken: Taken = field(default_factory=Taken)
    pending: tuple[Pending, ...] = ()
    findings: tuple[Finding, ...] = ()
    listed: int = 0
    """How many files there are, as far as was looked."""
    more: bool = False
    """Whether more has arrived than was looked at."""

    @property
    def next_at(self) -> float | None:
        """Say when something could settle by the clock alone, in its ticks; None: nothing will unless a file comes."""
        return min((each.until for each in self.pending if each.until is not None), default=None)


class SourceIntake:
    """Takes in what arrives at one source. Any number of processes may do so at once; one call at a time in each."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        name: str,
        source: Source,
        types: Mapping[str, FileType],
        lab: Path,
        who: str = "daemon",
        rivals: Mapping[str, Collection[str]] | None = None,
        place: Place | None = None,
    ) -> None:
        self.name = name
        self.place: Place = place or place_of(source, lab)
        self._source = source
        self._catalogue = catalogue
        rules = _rules(name, source, types)
        bucket = self.place if isinstance(self.place, Bucket) else None
        self._intake = Intake(
            catalogue, store, name, rules, who, rivals=rivals or {}, place=bucket, project=source.project,
            adopting=self.place if source.adopt else None,
        )  # fmt: skip
        sets = [rule.type.set for rule in rules if rule.type]
        companions = companions_of(rules, source.settled.manifest, self._laid_out)
        self._settling = Settling(_settled(source, self.place), sets, companions)
        self._awaited = Awaited(catalogue, name) if source.settled.give_up is not None else None
        self._known = Known(self._ask)
        self._safe: set[File] = set()
        self._troubled: set[str] = set()
        self._since: Since | None = None

    @seldom()
    def look(self, now: Clock | None = None) -> Look:
        """List the source and take in what has settled; one that cannot be listed is `Unavailable`.

        Of what is new, at most `MOST_NEW` files are looked at: memory stays flat, and the next look goes on.
        """
        now = now or Clock(time.monotonic(), time.time())
        if self._since is None:
            self._since = since_of(self._catalogue, self.name, self._source, self.place)
        listing = _Listing(self.place, self._source.ignore)
        fresh, more = self._fresh(listing, self._since)
        unfinished = self._awaited.unfinished() if self._awaited else set[str]()
        files, taken_as_they_are = self._with_companions(fresh, unfinished)
        landings = self._settled(files, now, taken_as_they_are, unfinished)
        result = take(self._intake, landings)
        for file in result.changing:
            self._settling.unsettle(file.path)
        self._troubled = {each.file for each in result.unreadable if each.file}
        findings = [*listing.findings, *result.unreadable]
        if self._source.after != "keep":
            safe = {file._replace(absolute="") if self.place.is_bucket else file for file in result.safe}
            cleared = self._clear(files, safe) if safe else []
            findings += cleared
            # What could not be moved away is not taken again; of what is gone, the same may come again.
            left = {each.file for each in cleared}
            self._safe |= {file for file in safe if file.path in left}
        return Look(result, self._pending(result, now), tuple(findings), listing.count, more)

    def _fresh(self, listing: "_Listing", since: Since) -> tuple[list[File], bool]:
        """Give the files that are new, by path, and whether there are more of them than are looked at now."""
        found: dict[str, File] = {}
        room = MOST_NEW
        keeps = self._source.after == "keep"
        parts = self._known.fresh(listing.pages()) if keeps else listing.pages()
        there: set[File] = set()
        for part in parts:
            for file in part:
                if not keeps and file in self._safe:
                    # What is to be moved away is only known once this process has read it: nothing is ever deleted
                    # for its name and time alone.
                    there.add(file)
                elif since.holds(file):
                    room -= file.path not in self._troubled and file.path not in found
                    found[file.path] = file
            if room <= 0 and self._settling.companions(()) is None:
                return _in_order(found), True
        self._safe &= there
        return _in_order(found), False

    def _with_companions(self, fresh: list[File], unfinished: Collection[str]) -> tuple[list[File], set[str]]:
        """Give the new files with the known ones that matter to them, and the paths of these."""
        matters = self._settling.companions(fresh)
        if matters is None or not fresh:
            return fresh, set()
        new = {file.path for file in fresh}
        pages = self.place.pages(self._source.ignore, lambda _: None)
        others = {
            file.path: file
            for page in pages
            for file in page
            if file.path not in new and (file.path in unfinished or matters(file))
        }
        return sorted([*fresh, *others.values()]), set(others)

    def _settled(
        self, files: Sequence[File], now: Clock, known: Collection[str], unfinished: Collection[str]
    ) -> list[Landing]:
        if self._awaited is None:
            return self._settling.see(files, now, known)
        landings = self._settling.see(files, now, known, unfinished, self._awaited.since(files))
        self._awaited.note(files, self._settling.awaited)
        return landings

    @contextmanager
    def _laid_out(self, file: File) -> Generator[Path | None]:
        """Give the place on disk of a file of the source, as long as it lasts; None where it cannot be had."""
        if not isinstance(self.place, Bucket):
            yield Path(file.absolute)
            return
        with self.place.at_hand([Landing((file,), 0.0, 0.0)], lambda *_: None) as here:
            yield Path(here[0].files[0].absolute) if here else None

    def _ask(self, files: Sequence[File]) -> set[File]:
        return taken(self._catalogue, self.name, files)

    def _clear(self, files: Sequence[File], safe: set[File]) -> list[Finding]:
        """Move away what is safe, with the markers that no other file needs."""
        left = [file for file in self._settling.data(files) if file not in safe]
        needed = {path for file in left for path in self._settling.markers_of(file)}
        served = {path for file in safe for path in self._settling.markers_of(file)} - needed
        markers = [file for file in files if file.path in served]
        assert self._source.after != "keep"
        return self.place.clear(self._source.after, [*sorted(safe), *markers])

    def _pending(self, result: Taken, now: Clock) -> tuple[Pending, ...]:
        until = now.ticks + self._source.settled.quiet
        moving = [Pending(file.path, "changed", "changed while it was read", until) for file in result.changing]
        unread = [Pending(each.file or "", "unreadable", f"waits: {each.text}") for each in result.unreadable]
        return (*self._settling.pending, *moving, *unread)


class _Listing:
    """One listing of a source: counts what it sees, and keeps what there is to say."""

    def __init__(self, place: Place, ignore: Sequence[str]) -> None:
        self._place = place
        self._ignore = ignore
        self.count = 0
        self.findings: list[Finding] = []

    def pages(self) -> Iterator[list[File]]:
        for page in self._place.pages(self._ignore, self.findings.append):
            self.count += len(page)
            yield page


def _settled(source: Source, place: Place) -> Settled:
    """Give the rule by which files settle. An object is there with its whole content or not at all."""
    if place.is_bucket and "quiet" not in source.settled.model_fields_set:
        return source.settled.model_copy(update={"quiet": 0.0})
    return source.settled


def _in_order(found: Mapping[str, File]) -> list[File]:
    return [found[path] for path in sorted(found)]


def _rules(name: str, source: Source, types: Mapping[str, FileType]) -> list[Rule]:
    for rule in source.accept:
        if not types:
            raise Invalid("nothing-applied", NOTHING_APPLIED, source=name)
        if rule.type not in types:
            sentence = (
                f"The source {name} accepts {rule.type!r}, but no such file type is applied; add it to types/ and run "
                "`aliquot apply`."
            )
            raise Invalid("source-type-missing", sentence, source=name, type=rule.type)
    return [Rule(rule.into, types[rule.type]) for rule in source.accept]
