"""Row rules on the values of one row: exact, and with the three truths of SQL."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

from aliquot.formats.rule_kinds import Number
from aliquot.formats.rule_tree import Node

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SIMPLE: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "neg": operator.neg,
    "abs": abs,
    "days": lambda one, other: Fraction((one - other).days),
    "later": lambda day, days: day + timedelta(days=int(days)),
    "earlier": lambda day, days: day - timedelta(days=int(days)),
    "length": lambda text: Fraction(len(text)),
    "lower": str.lower,
    "upper": str.upper,
    "trim": lambda text: text.strip(" "),
    "concat": operator.add,
    **_COMPARED,
}
"""What gives no value as soon as one of its parts has none."""


def truth(node: Node, values: Mapping[str, Any]) -> Any:
    """Give the value of a rule, or of a part of it, for a row; `None` where it cannot be known for want of values."""
    match node.op:
        case "column":
            return values.get(str(node.value))
        case "constant":
            return node.value
        case "and" | "or":
            return _joined(node, values)
        case "not":
            value = truth(node.parts[0], values)
            return None if value is None else not value
        case "missing":
            return truth(node.parts[0], values) is None
        case "coalesce":
            found = (truth(part, values) for part in node.parts)
            return next((value for value in found if value is not None), None)
        case "nullif":
            one, other = (truth(part, values) for part in node.parts)
            return None if one == other else one
        case "case":
            tests, results = node.parts[: node.value], node.parts[node.value :]
            chosen = next((at for at, test in enumerate(tests) if truth(test, values) is True), len(tests))
            return truth(results[chosen], values)
        case _:
            return _simple(node, [truth(part, values) for part in node.parts])


def like(pattern: str) -> str:
    """Give the regular expression that means what a pattern of LIKE means, for Python and Rust alike."""
    special = str.maketrans({letter: "\\" + letter for letter in r"\.+*?()|[]{}^$"} | {"%": ".*", "_": "."})
    return pattern.translate(special)


def _joined(node: Node, values: Mapping[str, Any]) -> bool | None:
    decisive = node.op == "or"
    unknown = False
    for part in node.parts:
        value = truth(part, values)
        if value is decisive:
            return decisive
        unknown = unknown or value is None
    return None if unknown else not decisive


def _simple(node: Node, parts: list[Any]) -> Any:
    if None in parts:
        return None
    if node.op == "like":
        return _pattern(str(node.value)).fullmatch(parts[0]) is not None
    try:
        if node.op in {"/", "%"}:
            return _divided(node.op, *parts)
        return _SIMPLE[node.op](*parts)
    except (ArithmeticError, ValueError):
        # A date beyond the calendar, or a number beyond all: not known.
        return None


def _divided(op: str, one: Number, other: Number) -> Number | None:
    if not other:
        return None
    return one / other if op == "/" else one - other * math.trunc(one / other)


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(like(pattern), re.DOTALL)
