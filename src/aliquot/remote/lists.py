"""Lists over several pages, cut to the number of lines that was asked for."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

UNCOUNTED = -1
"""How many lines there are, where there are more than were asked for."""


def at_most(lines: Iterator[T], limit: int | None) -> tuple[list[T], int]:
    """Give the first lines, and how many there are: `UNCOUNTED` where more follow."""
    if limit is None:
        found = list(lines)
        return found, len(found)
    found = list(islice(lines, limit + 1))
    return found[:limit], UNCOUNTED if len(found) > limit else len(found)
