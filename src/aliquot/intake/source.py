"""One source, looked at again and again: what has settled is taken in, and nothing twice."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.decided import Intake, Taken
from aliquot.intake.dispose import dispose
from aliquot.intake.judge import Rule
from aliquot.intake.reconcile import taken
from aliquot.intake.scan import File, scan
from aliquot.intake.settle import Clock, Pending, Settling
from aliquot.intake.take import take
from aliquot.model.collector import seldom
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Source

NOTHING_APPLIED = "Nothing is applied yet; run `aliquot apply`."


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a source did: what was taken in, what still waits and why, and what else there is to say."""

    taken: Taken = field(default_factory=Taken)
    pending: tuple[Pending, ...] = ()
    findings: tuple[Finding, ...] = ()

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
    ) -> None:
        self.name = name
        self.root = folder_of(source, lab)
        self._source = source
        rules = _rules(name, source, types)
        self._intake = Intake(catalogue, store, name, rules, who, rivals=rivals or {}, project=source.project)
        self._settling = Settling(source.settled, [rule.type.set for rule in rules if rule.type])
        self._done: set[File] = set()

    @seldom()
    def look(self, now: Clock | None = None) -> Look:
        """List the folder and take in what has settled; a folder that is not there is `Unavailable`."""
        now = now or Clock(time.monotonic(), time.time())
        listing = scan(self.root, self._source.ignore)
        known = self._known(listing.files)
        landings = self._settling.see(listing.files, now, {file.path for file in known})
        result = take(self._intake, landings)
        for file in result.changing:
            self._settling.unsettle(file.path)
        findings = [*listing.findings, *result.unreadable]
        safe = set(result.safe)
        self._done |= safe
        if self._source.after != "keep" and result.safe:
            findings += self._clear(listing.files, safe)
        return Look(result, self._pending(result, now), tuple(findings))

    def _known(self, files: Sequence[File]) -> set[File]:
        """Give the files that have been taken as they are; what has a receipt once has it ever after."""
        self._done.intersection_update(files)
        new = [file for file in files if file not in self._done]
        # A file that is to be moved away is only known once this process has read it: nothing is ever deleted for its
        # name and time alone.
        if new and self._source.after == "keep":
            self._done |= taken(self._intake.catalogue, self.name, new)
        return self._done

    def _clear(self, files: Sequence[File], safe: set[File]) -> list[Finding]:
        """Move away what is safe, with the markers that no other file needs."""
        left = [file for file in self._settling.data(files) if file not in safe]
        needed = {path for file in left for path in self._settling.markers_of(file)}
        served = {path for file in safe for path in self._settling.markers_of(file)} - needed
        markers = [file for file in files if file.path in served]
        assert self._source.after != "keep"
        return dispose(self.root, self._source.after, [*sorted(safe), *markers])

    def _pending(self, result: Taken, now: Clock) -> tuple[Pending, ...]:
        until = now.ticks + self._source.settled.quiet
        moving = [Pending(file.path, "changed", "changed while it was read", until) for file in result.changing]
        unread = [Pending(each.file or "", "unreadable", f"waits: {each.text}") for each in result.unreadable]
        return (*self._settling.pending, *moving, *unread)


def folder_of(source: Source, lab: Path) -> Path:
    """Give the folder that a source watches; relative ones start at the lab. Buckets are `Invalid` here."""
    parts = urlparse(source.watch)
    if parts.scheme not in {"", "file"}:
        raise Invalid(
            "source-not-a-folder",
            f"{source.watch} is no folder, and only folders can be watched; synchronise it into one first.",
            watch=source.watch,
        )
    return lab / (unquote(parts.path) if parts.scheme else source.watch)


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
