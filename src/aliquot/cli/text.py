"""Words for people: names that cannot steer a terminal, times, sizes, digests, counts."""

import json
from pathlib import Path
from typing import Any

from aliquot.model.words import ago, count, local, moment, span

__all__ = ["ago", "as_json", "count", "digest", "folder", "local", "moment", "plain", "plain_lines", "size", "span"]

_JOINERS = "\u200c\u200d"
"""Characters without a width of their own that words of some scripts need."""


def plain(text: str) -> str:
    r"""Write a name so that it is one line and nothing but text: what would move the cursor or hide is escaped.

    Control characters, line ends, and characters that turn the direction of writing come out as `\n`, `\x1b`, `\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _JOINERS else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return repr(char)[1:-1]


def folder(path: Path) -> str:
    """Name a folder within a sentence: `.` would be lost before its full stop."""
    return "this folder" if path == Path() else plain(str(path))


def plain_lines(text: str) -> str:
    """Write a text of several lines, such as a log: line ends and tabs stay, all else is as `plain` writes it."""
    return "\n".join(
        "\t".join(plain(part) for part in line.split("\t")) for line in text.replace("\r\n", "\n").split("\n")
    )


def as_json(document: Any) -> str:
    """Write JSON for people and programs: whole, indented, and without a character that could steer a terminal."""
    # JSON lets the one control character beyond the first 32, DEL, stand as it is.
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")
    if text.isascii():
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def size(amount: float | None) -> str:
    """Write an amount of bytes: `1.2 GiB`."""
    from aliquot.model.quantity import in_words

    return "" if amount is None else in_words(amount)


def digest(text: str) -> str:
    """Write the first digits of a digest; anything else stays as it is."""
    from aliquot.model.digest import PREFIX, short

    return short(text) if text.startswith(PREFIX) else plain(text)
