"""Values that must not be shown: how they are carried, found again, and taken out of texts."""

import hmac
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import quote, quote_plus

HIDDEN = "[secret]"
_SHORTEST_LINE = 8
"""A line of a secret of many lines is hidden by itself from this length on: shorter ones are ordinary words."""


class Secret:
    """A text that no log, page or traceback shows: `repr` and `str` hide it, pickling refuses it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text itself, to the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down; keep its reference instead")


def reveal(value: object) -> object:
    """Give a value of the same shape with every secret as its text."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: reveal(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
    if isinstance(value, list):
        return [reveal(each) for each in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
    return value


def secrets_in(value: object) -> list[Secret]:
    """Find the secrets in a value, so that what is printed later can be redacted."""
    if isinstance(value, Secret):
        return [value]
    if isinstance(value, dict):
        return [found for each in value.values() for found in secrets_in(each)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
    if isinstance(value, list):
        return [found for each in value for found in secrets_in(each)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
    return []


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Put `[secret]` in the place of every secret, as it is, as a URL writes it, and line by line."""
    forms: set[str] = set()
    for secret in secrets:
        value = secret.reveal()
        lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE]
        for each in (value, *lines):
            forms |= {each, quote(each), quote(each, safe=""), quote_plus(each)}
    for form in sorted(forms - {""}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text
