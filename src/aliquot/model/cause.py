"""The causes of failure in words that a person at the bench understands."""

from collections.abc import Mapping
from dataclasses import dataclass

from aliquot.model.task import Cause


@dataclass(frozen=True, slots=True)
class CauseWords:
    """A cause for people: its name, the same for several, what has happened, and what to do."""

    one: str
    several: str
    happened: str
    advice: str

    def counted(self, number: int) -> str:
        """Write so many failures by this cause: `2 user errors`."""
        return f"{number:,} {self.one if number == 1 else self.several}"


CAUSES: dict[Cause, CauseWords] = {
    Cause.USER: CauseWords(
        "user error",
        "user errors",
        "the command, or what it was given, is wrong",
        "read its last lines, then correct the file, the script or the command",
    ),
    Cause.OOM: CauseWords(
        "out of memory",
        "out of memory",
        "the command needed more memory than it may use",
        "raise resources.memory, or let retry.memory_growth do it",
    ),
    Cause.TIMEOUT: CauseWords(
        "timeout",
        "timeouts",
        "the command ran longer than it may",
        "raise resources.time, or let retry.time_growth do it",
    ),
    Cause.LOST: CauseWords(
        "lost",
        "lost",
        "the machine or the process that ran the command is gone",
        "it is tried again by itself; if it goes on, look at the machine",
    ),
    Cause.REFUSED: CauseWords(
        "refused",
        "refused",
        "the command was not let begin: its image, a quota or a login stood in the way",
        "do what the message says, then retry",
    ),
    Cause.OURS: CauseWords(
        "fault of Aliquot or its machine",
        "faults of Aliquot or its machine",
        "Aliquot, its disk or its store failed, not the command",
        "look at the disk and the store, then retry; report it when neither is to blame",
    ),
    Cause.CANCELED: CauseWords("canceled", "canceled", "a person or a rule has ended it", "start it again"),
}
"""The words for each cause, in the order in which they are told."""


def cause_words(cause: str | None) -> str:
    """Give a cause's name for people; empty without one."""
    return CAUSES[Cause(cause)].one if cause else ""


def counted_causes(counts: Mapping[str, int]) -> str:
    """Write how many failed by which cause: `2 user errors, 1 out of memory`."""
    return ", ".join(words.counted(counts[cause]) for cause, words in CAUSES.items() if counts.get(cause))
