"""Words for people: names that cannot steer a terminal, times, sizes, digests, counts."""

import json
import time
from datetime import datetime
from typing import Any

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


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: `1 file`, `1,204 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def digest(text: str) -> str:
    """Write the first digits of a digest; anything else stays as it is."""
    from aliquot.model.digest import PREFIX, short

    return short(text) if text.startswith(PREFIX) else plain(text)


def span(seconds: float | None) -> str:
    """Write a span of time: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return ""
    # Between two looks at a clock that was set back meanwhile, less than nothing has passed.
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(at: float | None, now: float | None = None) -> str:
    """Write a time as near as a person thinks of it: `just now`, `3 min ago`, `2 h ago`, then local date and time."""
    if at is None:
        return ""
    passed = (time.time() if now is None else now) - at
    if passed < -60 or passed >= 86_400:
        return local(at)
    if passed < 5:
        return "just now"
    if passed < 60:
        return f"{passed:.0f} s ago"
    return f"{passed / 60:.0f} min ago" if passed < 3570 else f"{passed / 3600:.0f} h ago"


def local(at: float) -> str:
    """Write a time in the zone of this machine, to the minute."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def moment(at: float | None) -> str:
    """Write a time in full and as it is thought of: `2026-03-01 10:45 (3 min ago)`."""
    if at is None:
        return ""
    near = ago(at)
    return near if near == local(at) else f"{local(at)} ({near})"
