"""Amounts as people write them: `2s`, `1h`, `4GiB`, `5%`."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


def _amount(text: str, units: dict[str, float] | dict[str, int], what: str, example: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not {what}; write a number and one of {', '.join(units)}, like {example}")
    return float(match[1]) * units[match[2]]


def seconds(value: object) -> float:
    """Read a span of time such as `500ms`, `2s`, `1h`; a bare number means seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected a span of time, like 2s, 10m or 1h")  # noqa: TRY004  # pydantic reads ValueError
    return float(value) if not isinstance(value, str) else _amount(value, _SECONDS, "a span of time", "90s or 1h")


def size(value: object) -> int:
    """Read an amount of bytes such as `4GiB` or `500MB`; a bare number means bytes."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected an amount of bytes, like 512MiB or 4GiB")  # noqa: TRY004  # as above
    return value if isinstance(value, int) else int(_amount(value, _BYTES, "an amount of bytes", "512MiB or 4GiB"))


Seconds = Annotated[
    float, BeforeValidator(seconds), WithJsonSchema({"type": ["string", "number"], "examples": ["2s", "1h"]})
]
"""A span of time, in seconds."""

Bytes = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["512MiB", "4GiB"]}),
]
"""An amount of memory or disk, in bytes."""


def in_words(amount: float) -> str:
    """Write an amount of bytes for a person: `1.2 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError


def time_in_words(amount: float) -> str:
    """Write a span of seconds as people write it, in the largest unit that keeps it whole: `6h`, `90s`, `1.5s`."""
    for unit in ("d", "h", "m"):
        if amount >= _SECONDS[unit] and amount % _SECONDS[unit] == 0:
            return f"{amount / _SECONDS[unit]:.0f}{unit}"
    return f"{amount:g}s"
