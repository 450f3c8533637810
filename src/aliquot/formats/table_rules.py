"""What a column's cells must meet, judged one cell at a time: exact, and in words for a person."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

import jsonschema_rs

from aliquot.formats.table_dates import duration_seconds
from aliquot.formats.table_values import NUMBER, Reader, expected, finite, reader
from aliquot.model.errors import Invalid
from aliquot.model.pattern import compiled
from aliquot.model.table_schema import Field, TableSchema

_ORDERED = {"integer", "number", "date", "time", "datetime", "duration", "year", "yearmonth"}
_COLLECTIONS = {"array", "object", "list"}
_SHOWN = 60
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a cell: a code, the rule that it breaks, and the end of a sentence about it."""

    code: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class _Check:
    """One constraint: its name, a test of (text, value), and the end of a sentence for cells that fail."""

    rule: str
    holds: Callable[[str, Any], bool]
    text: str


class ColumnRules:
    """The rules of one field; `Invalid` when its schema contradicts itself.

    `missing` holds the texts that stand for no value.
    """

    def __init__(self, field: Field, schema: TableSchema) -> None:
        self.field = field
        self.missing = frozenset(schema.missing_values if field.missing_values is None else field.missing_values)
        self.read: Reader = reader(field)
        self._checks = _checks(field, self.read)
        self._expected = expected(field)
        self._point = ", with a point before decimals" if (field.type, field.decimal_char) == ("number", ".") else ""
        self.judge = lru_cache(maxsize=4096)(self._judge)

    def _judge(self, text: str | None) -> tuple[Flaw, ...]:
        """Say what is wrong with a cell; `None` is a cell that its row lacks."""
        if text is None or text in self.missing:
            if not self.field.constraints.required:
                return ()
            return (Flaw("constraint-error", "required", "is empty, but a value is required"),)
        try:
            value = self.read(text)
        except (ValueError, ArithmeticError):
            rule = f"{self.field.type}/{self.field.format or 'default'}"
            hint = self._point if _DECIMAL_COMMA.fullmatch(text) else ""
            return (Flaw("type-error", rule, f"is {shown(text)}, but should be {self._expected}{hint}"),)
        return tuple(
            Flaw("constraint-error", check.rule, f"is {shown(text)}, but {check.text}")
            for check in self._checks
            if not check.holds(text, value)
        )

    def refuses(self, text: str) -> bool:
        """Say whether a text is no good value, leaving aside that it may stand for a missing one."""
        try:
            value = self.read(text)
        except (ValueError, ArithmeticError):
            return True
        return any(not check.holds(text, value) for check in self._checks)

    def canonical(self, text: str | None) -> str | None:
        """Give one text for all texts of equal value, or `None` for a missing or unreadable cell."""
        if text is None or text in self.missing:
            return None
        try:
            return canonical_text(self.read(text))
        except (ValueError, ArithmeticError):
            return None

    def bound(self, name: str) -> Any:
        """Give the value of a bound such as `minimum`, or `None` where there is none."""
        value = getattr(self.field.constraints, name)
        return None if value is None else _constant(self.field, self.read, name, value)


def require_usable(schema: TableSchema) -> None:
    """Raise `Invalid` for a schema whose formats or constraints cannot be applied to their fields' types."""
    for field in schema.fields:
        ColumnRules(field, schema)


def shown(text: str) -> str:
    """Show a cell's text within a sentence: numbers bare, all else in quotation marks, on one line, cut when long."""
    text = kept(text, _SHOWN).replace("\r", "").replace("\n", "⏎")
    return text if NUMBER.fullmatch(text) else f'"{text}"'


def kept(text: str, most: int = 200) -> str:
    """Cut a cell's text to what a finding keeps; NULs, which databases refuse, become a visible sign."""
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("\0", "␀")


def canonical_text(value: Any) -> str:
    """Give one text for all values that are equal."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        plain = value.normalize() if value else Decimal(0)
        return format(plain, "f") if -40 < plain.adjusted() < 40 else str(plain)
    if isinstance(value, datetime):
        return str(value.timestamp())
    if isinstance(value, list | tuple):
        return "[" + "\x1f".join(canonical_text(part) for part in cast("list[Any]", value)) + "]"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return "{" + "\x1f".join(f"{name}={canonical_text(pairs[name])}" for name in sorted(pairs)) + "}"
    return str(value)


def _checks(field: Field, read: Reader) -> list[_Check]:
    constraints = field.constraints
    checks = [*_bounds(field, read), *_lengths(field)]
    if constraints.pattern is not None:
        pattern = _pattern(field, constraints.pattern)
        checks.append(
            _Check("pattern", lambda text, _: pattern.fullmatch(text) is not None,
                   f"must match the pattern {constraints.pattern}")
        )  # fmt: skip
    if constraints.enum is not None:
        checks.append(_one_of(field, read, "enum", constraints.enum))
    if field.categories is not None:
        values = [_category(value) for value in field.categories]
        checks.append(_one_of(field, read, "categories", values))
    if constraints.json_schema is not None:
        checks.append(_json_schema(field, constraints.json_schema))
    return checks


def _bounds(field: Field, read: Reader) -> list[_Check]:
    found: list[_Check] = []
    tests: dict[str, tuple[str, str, Callable[[Any, Any], bool]]] = {
        "minimum": ("minimum", "must be at least", lambda value, limit: value >= limit),
        "maximum": ("maximum", "must be at most", lambda value, limit: value <= limit),
        "exclusive_minimum": ("exclusiveMinimum", "must be more than", lambda value, limit: value > limit),
        "exclusive_maximum": ("exclusiveMaximum", "must be less than", lambda value, limit: value < limit),
    }
    for name, (rule, words, holds) in tests.items():
        given = getattr(field.constraints, name)
        if given is None:
            continue
        if field.type not in _ORDERED:
            raise Invalid(
                "constraint-not-for-type",
                f"field {field.name!r} is of the type {field.type}, whose values have no order: remove {rule}",
                field=field.name,
            )
        limit = _comparable(field, _constant(field, read, rule, given))
        found.append(_Check(rule, _compares(field, limit, holds), f"{words} {given}"))
    return found


def _compares(field: Field, limit: Any, holds: Callable[[Any, Any], bool]) -> Callable[[str, Any], bool]:
    return lambda _, value: finite(value) and holds(_comparable(field, value), limit)


def _comparable(field: Field, value: Any) -> Any:
    return duration_seconds(value) if field.type == "duration" else value


def _lengths(field: Field) -> list[_Check]:
    constraints = field.constraints
    counted = field.type in _COLLECTIONS
    what = "entries" if counted else "characters"

    def size(text: str, value: Any) -> int:
        return len(value) if counted else len(text)

    found: list[_Check] = []
    low, high = constraints.min_length, constraints.max_length
    if low is not None:
        words = f"must have at least {low} {what}"
        found.append(_Check("minLength", lambda text, value: size(text, value) >= low, words))
    if high is not None:
        words = f"must have at most {high} {what}"
        found.append(_Check("maxLength", lambda text, value: size(text, value) <= high, words))
    return found


def _pattern(field: Field, pattern: str) -> re.Pattern[str]:
    try:
        return compiled(pattern)
    except re.error as error:
        raise Invalid(
            "constraint-value",
            f"field {field.name!r} has the pattern {pattern!r}, which is not a regular expression: {error}",
            field=field.name,
        ) from error


def _one_of(field: Field, read: Reader, rule: str, given: list[Any]) -> _Check:
    values = [canonical_text(_constant(field, read, rule, value)) for value in given]
    allowed = frozenset(values)
    listed = ", ".join(str(value) for value in given[:12]) + (", …" if len(given) > 12 else "")
    return _Check(rule, lambda _, value: canonical_text(value) in allowed, f"must be one of {listed}")


def _category(value: Any) -> Any:
    if isinstance(value, dict):
        pair = cast("dict[str, Any]", value)
        return pair.get("value", pair)
    return value


def _json_schema(field: Field, schema: dict[str, Any]) -> _Check:
    try:
        validator = jsonschema_rs.validator_for(schema)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise Invalid(
            "constraint-value", f"field {field.name!r} has a jsonSchema that is none: {error}", field=field.name
        ) from error
    return _Check(
        "jsonSchema",
        lambda _, value: validator.is_valid(_plain(value)),
        "does not fit the JSON Schema of its field",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [_plain(part) for part in cast("list[Any]", value)]
    return value if isinstance(value, str | int | float | bool | dict) else str(value)


def _constant(field: Field, read: Reader, rule: str, value: Any) -> Any:
    """Read a value out of the schema, which may be written as text or as the value itself."""
    if field.type in {"string", "any"}:
        return value if isinstance(value, str) else str(value)
    try:
        if isinstance(value, str):
            return read(value)
        if field.type in {"integer", "number", "year"} and isinstance(value, int | float | Decimal):
            return Decimal(str(value))
        if field.type in {"date", "datetime", "time"} and isinstance(value, date | datetime):
            return read(value.isoformat())
    except (ValueError, ArithmeticError) as error:
        raise Invalid(
            "constraint-value",
            f"field {field.name!r} has {rule} {value!r}, which cannot be read as {expected(field)}",
            field=field.name,
        ) from error
    return value
