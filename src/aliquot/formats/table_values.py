"""What the text of a cell means: one exact reader for each field type of Table Schema v2."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from aliquot.formats.table_dates import any_date, any_datetime, any_time, duration
from aliquot.formats.table_geo import geojson, geopoint, topojson
from aliquot.model.errors import Invalid
from aliquot.model.table_schema import Field

Reader = Callable[[str], Any]
"""Turns the text of a cell into a value; `ValueError` for text that is none of the type."""

INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|NaN|[+-]?INF")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
TIME = re.compile(_CLOCK)
DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T" + _CLOCK)
_YEAR = re.compile(r"-?(?:[0-9]{4}|[1-9][0-9]{4,8})")
_YEARMONTH = re.compile(r"(-?[0-9]{4,9})-(0[1-9]|1[0-2])")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9-]*"
)
_AROUND_NUMBER = re.compile(r"^[^-+.\d]*|[^\d.]*$")
_DEFAULT_PATTERNS = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "datetime": "%Y-%m-%dT%H:%M:%SZ"}
_ITEM_TYPES = {"string", "integer", "boolean", "number", "datetime", "date", "time"}
_FORMATS = {
    "string": {"default", "email", "uri", "binary", "uuid"},
    "geopoint": {"default", "array", "object"},
    "geojson": {"default", "topojson"},
}
_TYPE_NAMES = {
    "any": "a value", "array": "a JSON array", "boolean": "true or false", "date": "a date",
    "datetime": "a date and time",
    "duration": "an ISO 8601 duration", "geojson": "a GeoJSON object", "geopoint": "a point (longitude, latitude)",
    "integer": "a whole number", "list": "a list", "number": "a number", "object": "a JSON object", "string": "text",
    "time": "a time of day", "year": "a year", "yearmonth": "a year and month (YYYY-MM)",
}  # fmt: skip


def reader(field: Field) -> Reader:
    """Give the reader of a field's cells; `Invalid` for a format that its type does not have."""
    form = field.format or "default"
    allowed = _FORMATS.get(field.type)
    if allowed is not None and form not in allowed:
        raise Invalid(
            "unknown-format",
            f"field {field.name!r} has the format {form!r}; the type {field.type} has {', '.join(sorted(allowed))}",
            field=field.name,
        )
    simple = _SIMPLE.get((field.type, form))
    return simple if simple is not None else _built(field, form)


def expected(field: Field) -> str:
    """Say in words what a field's cells should be, such as `a date (YYYY-MM-DD)`."""
    words = _TYPE_NAMES[field.type]
    form = field.format or "default"
    if field.type in _DEFAULT_PATTERNS:
        shape = {"date": "YYYY-MM-DD", "time": "hh:mm:ss", "datetime": "YYYY-MM-DDThh:mm:ss"}[field.type]
        return words if form == "any" else f"{words} ({shape if form == 'default' else form})"
    if field.type == "string" and form != "default":
        return {"email": "an e-mail address", "uri": "a URI", "binary": "base64 text", "uuid": "a UUID"}[form]
    if field.type == "boolean":
        return f"{words} ({', '.join([*field.true_values, *field.false_values])})"
    if field.type == "list" and field.item_type:
        return f"a list of {field.item_type} values"
    return words


def _built(field: Field, form: str) -> Reader:
    match field.type:
        case "integer" | "number":
            return _numeric(field)
        case "boolean":
            return _boolean(field)
        case "list":
            return _list(field)
        case "date":
            return lambda text: _strptime(text, form).date()
        case "time":
            return lambda text: _aware_time(_strptime(text, form).timetz())
        case "datetime":
            return lambda text: _aware(_strptime(text, form))
        case _:
            return _SIMPLE[field.type, "default"]


def _text(text: str) -> str:
    return text


def _matching(pattern: re.Pattern[str]) -> Reader:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(text)
        return text

    return read


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    return text


def _numeric(field: Field) -> Reader:
    whole = field.type == "integer"

    def read(text: str) -> int | Decimal:
        text = text.strip()
        if field.group_char:
            text = text.replace(field.group_char, "")
        if not field.bare_number:
            text = _bare(text, whole=whole)
        if not whole and field.decimal_char != ".":
            if "." in text:
                raise ValueError(text)
            text = text.replace(field.decimal_char, ".")
        return _integer(text) if whole else _decimal(text)

    return read


def _bare(text: str, *, whole: bool) -> str:
    if whole:
        return re.sub(r"^[^-+\d]*|\D*$", "", text)
    return text if text in {"NaN", "INF", "-INF", "+INF"} else _AROUND_NUMBER.sub("", text)


def _integer(text: str) -> int:
    if INTEGER.fullmatch(text) is None:
        raise ValueError(text)
    # Python refuses to read more digits than this at once; the value is needed for comparisons only.
    return int(text) if len(text) < 4000 else int(Decimal(text))


def _decimal(text: str) -> Decimal:
    if NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    return Decimal(text)


def _boolean(field: Field) -> Reader:
    values = dict.fromkeys(field.true_values, True) | dict.fromkeys(field.false_values, False)

    def read(text: str) -> bool:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return read


def _list(field: Field) -> Reader:
    kind = field.item_type or "string"
    if kind not in _ITEM_TYPES:
        raise Invalid(
            "unknown-item-type",
            f"field {field.name!r} has the itemType {kind!r}; a list has items of {', '.join(sorted(_ITEM_TYPES))}",
            field=field.name,
        )
    item = reader(Field.model_validate({"name": field.name, "type": kind}))
    return lambda text: [item(part) for part in text.split(field.delimiter)]


def _date(text: str) -> date:
    if DATE.fullmatch(text) is None:
        raise ValueError(text)
    return date.fromisoformat(text)


def _datetime(text: str) -> datetime:
    if DATETIME.fullmatch(text) is None:
        raise ValueError(text)
    return _aware(datetime.fromisoformat(_microseconds(text)))


def _time(text: str) -> time:
    if TIME.fullmatch(text) is None:
        raise ValueError(text)
    return _aware_time(time.fromisoformat(_microseconds(text)))


def _microseconds(text: str) -> str:
    # Python knows six digits of a second and no more.
    return re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)


def _strptime(text: str, pattern: str) -> datetime:
    return datetime.strptime(text, pattern)  # noqa: DTZ007  # a table's dates carry a zone only where its pattern does


def _aware(value: datetime) -> datetime:
    # A moment without a zone is taken as UTC, so that any two of them compare.
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _aware_time(value: time) -> time:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _year(text: str) -> int:
    if _YEAR.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


def _yearmonth(text: str) -> tuple[int, int]:
    match = _YEARMONTH.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]), int(match[2])


def _json(kind: type) -> Reader:
    def read(text: str) -> Any:
        try:
            value = json.loads(text)
        except RecursionError as error:
            raise ValueError(text) from error
        if not isinstance(value, kind):
            raise ValueError(text)  # noqa: TRY004  # the caller knows one error for every cell that cannot be read
        return value

    return read


def finite(value: Any) -> bool:
    """Say whether a value can be compared with a bound; a number that is NaN cannot."""
    return not (isinstance(value, Decimal) and math.isnan(value))


_SIMPLE: dict[tuple[str, str], Reader] = {
    ("any", "default"): _text,
    ("string", "default"): _text,
    ("string", "email"): _matching(_EMAIL),
    ("string", "uri"): _matching(_URI),
    ("string", "uuid"): _matching(_UUID),
    ("string", "binary"): _base64,
    ("date", "default"): _date,
    ("date", "any"): any_date,
    ("datetime", "default"): _datetime,
    ("datetime", "any"): lambda text: _aware(any_datetime(text)),
    ("time", "default"): _time,
    ("time", "any"): lambda text: _aware_time(any_time(text)),
    ("year", "default"): _year,
    ("yearmonth", "default"): _yearmonth,
    ("duration", "default"): duration,
    ("array", "default"): _json(list),
    ("object", "default"): _json(dict),
    ("geopoint", "default"): geopoint,
    ("geopoint", "array"): lambda text: geopoint(text, "array"),
    ("geopoint", "object"): lambda text: geopoint(text, "object"),
    ("geojson", "default"): geojson,
    ("geojson", "topojson"): topojson,
}
