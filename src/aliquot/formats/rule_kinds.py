"""The kinds of values that row rules know, and how the cells of each field type become one."""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from aliquot.formats.table_dates import duration_seconds
from aliquot.formats.table_values import reader
from aliquot.model.table_schema import Field

KIND_WORDS = {
    "number": "a number", "text": "text", "boolean": "true or false", "date": "a date", "datetime": "a date and time",
    "time": "a time of day", "yearmonth": "a year and month", "duration": "a duration", "other": "a list or object",
    "null": "no value",
}  # fmt: skip
_KINDS = {
    "integer": "number", "number": "number", "year": "number", "boolean": "boolean", "string": "text", "any": "text",
    "date": "date", "datetime": "datetime", "time": "time", "yearmonth": "yearmonth", "duration": "duration",
}  # fmt: skip
_HUGE = 300
_LONGEST = Context(prec=2 * _HUGE)

Number = Fraction | float


def kind_of(field: Field) -> str:
    """Give the kind of a field's values."""
    return _KINDS.get(field.type, "other")


def number_of(value: Decimal | int) -> Number:
    """Give a number as a fraction, with which arithmetic is exact.

    What no measurement reaches becomes infinite or zero, since `1e999999999` as a fraction would fill the memory.
    """
    value = Decimal(value)
    if not value.is_finite():
        return float(value)
    if not value or value.adjusted() < -_HUGE:
        return Fraction(0)
    if value.adjusted() > _HUGE:
        return float("-inf") if value < 0 else float("inf")
    return Fraction(_LONGEST.plus(value))


def value_of(field: Field) -> Callable[[Any], Any]:
    """Give what turns a cell's value, as the field reads it, into one that rules count and compare with."""
    match kind_of(field):
        case "number":
            return number_of
        case "duration":
            return lambda value: number_of(duration_seconds(value))
        case _:
            return lambda value: value


def read_constant(text: str, kind: str) -> date | datetime | time | tuple[int, int] | Number:
    """Read a text of a rule as a value of a kind, in its default format; `ValueError` for what is none."""
    field = Field.model_validate({"name": "-", "type": kind})
    read = reader(field)
    if kind == "datetime" and "T" not in text:
        # As SQL writes it, and as whole days.
        text = text.replace(" ", "T") if " " in text else f"{text}T00:00:00"
    return value_of(field)(read(text))
