"""One source, looked at again and again: what has settled is taken in, and nothing twice."""

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.awaited import Awaited
from aliquot.intake.bucket import Bucket
from aliquot.intake.clearing import Clearing
from aliquot.intake.decided import Intake, Taken
from aliquot.intake.held_open import held_open
from aliquot.intake.judge import Rule, companions_of
from aliquot.intake.known import Known
from aliquot.intake.place import Place, place_of
from aliquot.intake.reconcile import taken
from aliquot.intake.scan import File
from aliquot.intake.settle import Clock, Landing, Pending, Settling
from aliquot.intake.since import Since, since_of
from aliquot.intake.take import take
from aliquot.intake.ties import Gathered, gather
from aliquot.model.collector import seldom
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Settled, Source

MOST_NEW = 100_000
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
        self._ties = self._settling.ties
        self._known = Known(self._ask)
        self._clearing = Clearing(self._ties)
        self._called: set[str] = set()
        self._safe: set[File] = set()
        self._troubled: set[str] = set()
        self._since: Since | None = None
        self.most = MOST_NEW
        """New files that one look deals with at most, where those that wait for others are not counted."""

    @seldom()
    def look(self, now: Clock | None = None) -> Look:
        """List the source and take in what has settled; one that cannot be listed is `Unavailable`.

        Of what is new, at most so many files are looked at: memory stays flat, and the next look goes on. Of what
        is known, only that is held without which something new cannot be judged.
        """
        now = now or Clock(time.monotonic(), time.time())
        if self._since is None:
            self._since = since_of(self._catalogue, self.name, self._source, self.place)
        listing = _Listing(self.place, self._source.ignore)
        unfinished = self._awaited.unfinished() if self._awaited else set[str]()
        # A marker that comes for what was given up is news; others only matter when there is a file for them.
        self._called = {path for each in unfinished for path in self._ties.markers_of(File(each, "", 0, 0))}
        new, more = self._fresh(listing)
        related = self._related(new, unfinished, more=more)
        files = sorted([*new, *related.files.values()])
        landings = self._settled(files, now, related, unfinished)
        result = take(self._intake, landings)
        for file in result.changing:
            self._settling.unsettle(file.path)
        self._troubled = {each.file for each in result.unreadable if each.file}
        findings = [*listing.findings, *result.unreadable]
        if self._source.after != "keep":
            still = {file.path for file in new} | related.fresh
            stay = {file.path for each in landings if each.gave_up for file in each.files}
            findings += self._clear(files, result.safe, still, stay, more=more)
        return Look(result, self._pending(result, now), tuple(findings), listing.count, more)

    def _fresh(self, listing: "_Listing") -> tuple[list[File], bool]:
        """Give the files that are new, by path, and whether there are more of them than are looked at now."""
        found: dict[str, File] = {}
        room = self.most
        keeps = self._source.after == "keep"
        parts = self._known.fresh(listing.pages()) if keeps else listing.pages()
        there: set[File] = set()
        assert self._since is not None
        for part in parts:
            for file in part:
                if not keeps and file in self._safe:
                    # What is to be moved away is only known once this process has read it: nothing is ever deleted
                    # for its name and time alone.
                    there.add(file)
                elif self._since.holds(file) and not self._is_idle_marker(file):
                    waits = file.path in self._troubled or file.path in self._settling.waiting
                    room -= not waits and file.path not in found
                    found[file.path] = file
            if room <= 0:
                return _in_order(found), True
        self._safe &= there
        return _in_order(found), False

    def _related(self, new: Sequence[File], unfinished: Collection[str], *, more: bool) -> Gathered:
        """Find the files that matter to new ones; where there are more, those that wait among them, too."""
        if not new or not self._ties.any:
            return Gathered()
        held = set[str]()
        if more:
            held = {*self._settling.waiting, *(self._awaited.paths if self._awaited else ())}

        def pages() -> Iterator[list[File]]:
            return self.place.pages(self._source.ignore, lambda _: None)

        return gather(self._ties, new, pages, self._new, unfinished, held)

    def _new(self, files: Sequence[File]) -> list[File]:
        """Give those of some files that are new."""
        assert self._since is not None
        known = self._ask(files) if self._source.after == "keep" else self._safe
        return [each for each in files if each not in known and self._since.holds(each)
                and not self._ties.is_marker(each.path)]  # fmt: skip

    def _is_idle_marker(self, file: File) -> bool:
        return self._ties.is_marker(file.path) and file.path not in self._called

    def _settled(
        self, files: Sequence[File], now: Clock, related: Gathered, unfinished: Collection[str]
    ) -> list[Landing]:
        known = related.files.keys() - related.fresh
        since = self._awaited.since(files) if self._awaited else dict[str, float]()
        landings = self._settling.see(files, now, known, unfinished, since, related.counts)
        if self._awaited:
            self._awaited.note(files, self._settling.awaited)
        return landings

    @contextmanager
    def _laid_out(self, file: File) -> Generator[Path | None]:
        """Give the place on disk of a file of the source, as long as it lasts; None where it cannot be had.

        One in a folder that has changed since it was listed is `Conflict`.
        """
        if not isinstance(self.place, Bucket):
            with TemporaryDirectory(prefix="aliquot-intake-") as folder, held_open((file,), Path(folder)) as held:
                yield Path(held.files[0].absolute)
            return
        with self.place.at_hand([Landing((file,), 0.0, 0.0)], lambda *_: None) as here:
            yield Path(here[0].files[0].absolute) if here else None

    def _ask(self, files: Sequence[File]) -> set[File]:
        """Give those of some files that are no news; of what came before the source began, there is no receipt."""
        assert self._since is not None
        idle = {file for file in files if not self._since.holds(file) or self._is_idle_marker(file)}
        return idle | taken(self._catalogue, self.name, [file for file in files if file not in idle] if idle else files)

    def _clear(
        self, files: Sequence[File], taken_now: Sequence[File], still: set[str], stay: Collection[str], *, more: bool
    ) -> list[Finding]:
        """Move away what is safe, but for what waits at the source for others, or is needed there by others."""
        assert self._source.after != "keep"
        safe = {file._replace(absolute="") if self.place.is_bucket else file for file in taken_now}
        due = self._clearing.due(
            files,
            {file for file in safe if file.path not in stay},
            still - {file.path for file in safe},
            more=more,
        )
        cleared = self.place.clear(self._source.after, due) if due else []
        # What could not be moved away is not taken again; of what is gone, the same may come again.
        failed = {each.file for each in cleared}
        self._safe |= {file for file in safe if file.path in stay or file.path in failed}
        self._safe |= {file for file in self._clearing.kept if not self._ties.is_marker(file.path)}
        return cleared

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
