"""Mistakes in the files that people write, each at its place."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from aliquot.model.errors import Invalid

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and indexes, from the outside in."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: the file below the lab's folder, line and column from 1, the field, and what to do about it.

    `field` is empty where the mistake is the file's own and no field's.
    """

    file: str
    line: int
    column: int
    field: str
    text: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.text}"

    def document(self) -> dict[str, object]:
        """Give the problem as a JSON object."""
        return asdict(self)


def dotted(path: Path) -> str:
    """Write a path for a person: `sources.billing.accept[0].type`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def refuse(problems: Iterable[Problem]) -> None:
    """Raise `Invalid` with all the problems, one a line, if there are any."""
    ordered = sorted(set(problems))
    if not ordered:
        return
    what = "one mistake; correct it" if len(ordered) == 1 else f"{len(ordered)} mistakes; correct them"
    lines = "\n".join(str(problem) for problem in ordered)
    raise Invalid(
        "definition-invalid",
        f"The definitions have {what} here:\n{lines}",
        problems=[problem.document() for problem in ordered],
    )


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Give the known name that this one may have meant."""
    choices = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), choices, n=1, cutoff=cutoff)
    return choices[found[0]] if found else None


def instead(name: str, known: Sequence[str]) -> str:
    """Give the rest of a sentence about an unknown name: what may have been meant, or what there is."""
    if guess := nearest(name, known):
        return f"; did you mean {guess!r}?"
    if not known:
        return "; there is none"
    few = ", ".join(repr(each) for each in known[:12])
    return f"; there is {few}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")


def sentence_end(rest: str) -> str:
    """End a sentence about an unknown name: with a point, unless it is a question."""
    return rest if rest.endswith("?") else f"{rest}."
