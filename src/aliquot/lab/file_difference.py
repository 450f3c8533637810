"""Where two contents of one file part ways, for a person."""

import difflib
from collections.abc import Iterator

_LARGEST_TEXT = 1 << 20
_MOST_LINES = 20


def first_difference(before: Iterator[bytes], after: Iterator[bytes]) -> int | None:
    """Give the first byte at which two contents differ, or None; memory holds a piece of each."""
    at = 0
    one = other = b""
    while True:
        one, other = one or next(before, b""), other or next(after, b"")
        both = min(len(one), len(other))
        if both == 0:
            return at if one or other else None
        if one[:both] != other[:both]:
            return at + next(i for i in range(both) if one[i] != other[i])
        at += both
        one, other = one[both:], other[both:]


def line_difference(before: bytes, after: bytes) -> str:
    """Write the first lines that differ, as a unified diff without context; empty when either is not a short text."""
    if max(len(before), len(after)) > _LARGEST_TEXT or b"\0" in before or b"\0" in after:
        return ""
    try:
        texts = [each.decode().splitlines() for each in (before, after)]
    except UnicodeDecodeError:
        return ""
    lines = [line.rstrip("\n") for line in difflib.unified_diff(texts[0], texts[1], n=0)][2:]
    more = [f"… and {len(lines) - _MOST_LINES:,} more lines"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])
