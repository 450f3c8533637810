"""What one stretch of the daemon's work did."""

from dataclasses import asdict, dataclass, field
from typing import Any

from aliquot.model.state import State


@dataclass(frozen=True, slots=True)
class Waits:
    """Why a file is not taken yet: in a word (quiet, marker, set, count, changed or unreadable), and in a sentence."""

    kind: str
    why: str


@dataclass(slots=True)
class SourceCount:
    """What came through one source. `waiting` says, by path, why a file is not taken yet."""

    taken: int = 0
    unchanged: int = 0
    quarantined: int = 0
    waiting: dict[str, Waits] = field(default_factory=dict[str, Waits])
    problem: str = ""


@dataclass(slots=True)
class RunCount:
    """How a run ended, and how many of its datums ran, were skipped and are parked, and why."""

    run: int
    pipeline: str
    state: str
    message: str
    ran: int
    skipped: int
    parked: int
    causes: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class HeldRun:
    """A run that has not ended: it is paused, or waits for others to end."""

    run: int
    pipeline: str
    state: str
    message: str


@dataclass(slots=True)
class LoadCount:
    """What became of a load into the hub."""

    run: int
    table: str
    state: str
    rows: int
    message: str


@dataclass(slots=True)
class Summary:
    """What was done: arrivals by source, versions, runs, loads."""

    sources: dict[str, SourceCount] = field(default_factory=dict[str, SourceCount])
    versions: list[str] = field(default_factory=list[str])
    runs: list[RunCount] = field(default_factory=list[RunCount])
    held_runs: list[HeldRun] = field(default_factory=list[HeldRun])
    loads: list[LoadCount] = field(default_factory=list[LoadCount])
    held_loads: list[LoadCount] = field(default_factory=list[LoadCount])
    """Loads that wait for a hub that is out of reach, and those that failed before and still have to be done again."""

    @property
    def failed(self) -> bool:
        """Say whether anything went wrong: a file refused, a source out of reach, a datum, run or load failed."""
        return (
            any(each.quarantined or each.problem for each in self.sources.values())
            or any(each.state != State.COMPLETE or each.parked for each in self.runs)
            or any(each.state != "DONE" for each in self.loads)
            or bool(self.held_loads)
        )

    def document(self) -> dict[str, Any]:
        """Give the summary as JSON."""
        return {**asdict(self), "failed": self.failed}
