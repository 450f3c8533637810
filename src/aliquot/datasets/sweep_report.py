"""What a sweep removes, marks and rewrites, by reason."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

Beside = Callable[[Connection, Mapping[str, int]], None]
"""Joins each transaction in which a sweep changes something, and is told what: how many, and their bytes."""


class Reason(StrEnum):
    """Why bytes may go."""

    OUTPUT = "output"
    INTERMEDIATE = "intermediate"
    LOG = "log"
    PREVIEW = "preview"
    UNNAMED = "unnamed"
    UNKNOWN = "unknown"
    PACK = "pack"
    DRAFT = "draft"


WORDS: dict[Reason, str] = {
    Reason.OUTPUT: "outputs of runs past retention, not published",
    Reason.INTERMEDIATE: "intermediate files that no step reads any more",
    Reason.LOG: "logs past retention",
    Reason.PREVIEW: "previews that nobody looked at lately, or whose file is gone",
    Reason.UNNAMED: "blobs that nothing names",
    Reason.UNKNOWN: "objects that the catalogue does not know, or knows elsewhere",
    Reason.PACK: "dead bytes in packs that are mostly dead",
    Reason.DRAFT: "temporary files of writers that were killed",
}
"""What each reason means, for people."""


@dataclass(slots=True)
class Share:
    """How much goes now and how much after the grace time: blobs, objects or files, and their bytes."""

    now: int = 0
    now_bytes: int = 0
    later: int = 0
    later_bytes: int = 0

    def add(self, size: int, *, now: bool) -> None:
        """Count one."""
        if now:
            self.now += 1
            self.now_bytes += size
        else:
            self.later += 1
            self.later_bytes += size


def nothing_beside(_connection: Connection, _done: Mapping[str, int]) -> None:
    """Join a sweep's transactions without doing anything."""


@dataclass(slots=True)
class SweepReport:
    """What a sweep did, or would do (`dry_run`), by reason.

    `freed` are the bytes by which the store shrank. Blobs in packs give their bytes back when their pack is mostly
    dead and has been rewritten. `kept` counts those taken back, because something names them again; `damaged` are
    packs that were left as they are, since not all that is in them can be read.
    """

    dry_run: bool
    shares: dict[Reason, Share] = field(default_factory=lambda: {reason: Share() for reason in Reason})
    freed: int = 0
    kept: int = 0
    damaged: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> Share:
        """Sum over all reasons."""
        every = self.shares.values()
        return Share(
            sum(each.now for each in every),
            sum(each.now_bytes for each in every),
            sum(each.later for each in every),
            sum(each.later_bytes for each in every),
        )

    def document(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "dry_run": self.dry_run,
            "reasons": {str(reason): asdict(share) for reason, share in self.shares.items()},
            "total": asdict(self.total),
            "freed": self.freed,
            "kept": self.kept,
            "damaged": self.damaged,
        }
