"""What taking in needs to know, what was decided on each landing, and what came of it all."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from aliquot.blobs import Store
from aliquot.datasets.commit import Committed
from aliquot.db import Catalogue
from aliquot.intake.bucket import Bucket
from aliquot.intake.describe import Given
from aliquot.intake.folder import Folder
from aliquot.intake.judge import Judgement, Rule
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.model.digest import Digest
from aliquot.model.finding import Finding
from aliquot.model.reference import DEFAULT_PROJECT

NO_DIGESTS: Mapping[str, Digest] = {}


class Resubmission(NamedTuple):
    """What a person corrected and gave again: the quarantine row that it replaces, and why."""

    id: int
    because: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What waits in quarantine: its id there, the path of its (first) file, its findings, all of them counted."""

    id: int
    path: str
    findings: tuple[Finding, ...]
    counts: dict[str, int]


class Entered(NamedTuple):
    """What one transaction of taking in writes: a version, None where no dataset changes, and what it refuses.

    `added` and `unchanged` count files.
    """

    version: Committed | None
    added: int
    unchanged: int
    quarantined: Sequence[Refusal]


Beside = Callable[[Connection, Entered], None]
"""Joins each transaction in which something is taken in, as its last part."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What taking in needs to know.

    `source` is the name on the receipts. With `by_hand`, every file is judged and committed anew, whatever earlier
    receipts say, since a person asked for it. `rivals` are the other sources that deliver into a dataset, by its name.
    `place` is the bucket from which the files are fetched first. `given` is what that person said of the files, and
    `resubmits` what they stand for.
    """

    catalogue: Catalogue
    store: Store
    source: str
    rules: Sequence[Rule]
    who: str
    by_hand: bool = False
    place: Bucket | None = None
    rivals: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    project: str = DEFAULT_PROJECT
    """The project of what is refused, and of the datasets that it makes."""
    within: Mapping[str, str] = field(default_factory=dict[str, str])
    """The project of each dataset for which a person's right to fill it was found."""
    given: Given | None = None
    resubmits: Resubmission | None = None
    adopting: Folder | Bucket | None = None
    """Where large files are left, and only noted; None where all are copied."""
    hashed: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    """Digests by path of files that nobody else can reach, taken when their bytes came."""
    beside: Beside | None = None

    @property
    def watched(self) -> bool:
        """Say whether files are read where others may write: what nobody named has to be the file that was listed."""
        return not self.by_hand and self.place is None

    def notes(self, judgement: Judgement) -> dict[str, Any]:
        """Give what a receipt keeps of a judgement."""
        return judgement.notes() | ({"resubmits": self.resubmits.id} if self.resubmits else {})


class Part(NamedTuple):
    """Bytes that are stored, or will be with the batch: their path in a dataset, digest, and size in bytes."""

    path: str
    digest: Digest
    size: int


class Decided(NamedTuple):
    """A landing whose files are stored as `parts`. Without a judgement they are what the last receipts say already.

    `waiting` is the quarantine row in which the same bytes, or some of them, were put before. Of a table that was
    split, `good` and `refused` are its two halves; of an archive that is unpacked, `members` are its files.
    """

    landing: Landing
    parts: tuple[Part, ...]
    judgement: Judgement | None = None
    waiting: int | None = None
    good: Part | None = None
    refused: Part | None = None
    members: tuple[Part, ...] | None = None

    @property
    def entering(self) -> Sequence[Part]:
        """Give what of it goes into a dataset, if it is accepted."""
        if self.members is not None:
            return self.members
        return (self.good,) if self.good else self.parts

    @property
    def enters(self) -> bool:
        """Say whether something of it goes into a dataset."""
        return self.judgement is not None and (self.judgement.accepted or self.good is not None)


@dataclass(slots=True)
class Taken:
    """What became of landings: versions made, files that they added, files that changed nothing, refusals.

    `changing` are files that moved while they were read, of which nothing was kept; `unreadable` says what could not
    be read at all. Bytes of all that is `safe`, and decisions about it, are in the store and the catalogue.
    """

    versions: list[Committed] = field(default_factory=list[Committed])
    added: int = 0
    unchanged: int = 0
    quarantined: list[Refusal] = field(default_factory=list[Refusal])
    changing: list[File] = field(default_factory=list[File])
    unreadable: list[Finding] = field(default_factory=list[Finding])
    safe: list[File] = field(default_factory=list[File])

    @property
    def bad(self) -> bool:
        """Say whether something was refused, or could not be read."""
        return bool(self.quarantined or self.changing or self.unreadable)
