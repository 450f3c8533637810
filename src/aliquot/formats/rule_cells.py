"""Cells as row rules count with them, where their spelling tells at once what they mean."""

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from aliquot.formats.rule_kinds import kind_of
from aliquot.formats.table_rules import ColumnRules
from aliquot.formats.table_sieve import CLOCK, DATE, missing

if TYPE_CHECKING:
    import polars as pl

DAY_ZERO = date(1970, 1, 1).toordinal()
"""The day from which polars counts."""

_DECIMALS = 6
_DIGITS = 9
_SIMPLE_PATTERN = re.compile(r"(?:%[dmYHMS]|[-/. :T])+")


@dataclass(frozen=True, slots=True)
class QuickCell:
    """A cell's value, null for none. Where it is null and `present` is not, it is in doubt; `None`: nowhere.

    Numbers are integers below `bound`, with so many `decimals` too many; dates are days since 1970; years and months,
    and times of day, are texts that sort as they do; everything else is what it is.
    """

    value: "pl.Expr"
    present: "pl.Expr | None" = None
    decimals: int = 0
    bound: int = 0

    @property
    def doubt(self) -> "pl.Expr | None":
        """Say where the value is in doubt."""
        return None if self.present is None else self.present.is_not_null() & self.value.is_null()

    def kept_as(self, name: str) -> "QuickCell":
        """Give the same cell, whose value stands in a column by now."""
        import polars as pl

        return replace(self, value=pl.col(name))


def absent_cell(kind: str) -> QuickCell:
    """Give the cell of a column that the file does not have."""
    import polars as pl

    return QuickCell(pl.lit(None, _dtype(kind)))


def quick_cell(rules: ColumnRules, name: str) -> QuickCell:
    """Give a column's cells, of which the texts stand under `name`."""
    import polars as pl

    cell = pl.col(name)
    present = pl.when(~missing(rules.missing, cell)).then(cell)
    kind = kind_of(rules.field)
    if kind in {"text", "other"}:
        return QuickCell(present)
    if kind == "number":
        return _number(rules, present)
    if kind == "boolean":
        texts = [*rules.field.true_values, *rules.field.false_values]
        truths = [True] * len(rules.field.true_values) + [False] * len(rules.field.false_values)
        value = present.replace_strict(texts, truths, default=None, return_dtype=pl.Boolean)
        return QuickCell(value, present)
    return _moment(rules, present, kind)


def _number(rules: ColumnRules, present: "pl.Expr") -> QuickCell:
    import polars as pl

    field = rules.field
    whole = field.type in {"integer", "year"}
    point = field.decimal_char if field.type == "number" else "."
    pattern = rf"^-?[0-9]{{1,{_DIGITS}}}" + ("$" if whole else rf"(?:{re.escape(point)}[0-9]{{1,{_DECIMALS}}})?$")
    read = present if point == "." else present.str.replace(point, ".", literal=True)
    text = pl.when(present.str.contains(pattern)).then(read)
    if whole:
        value = text.cast(pl.Int64, strict=False)
        return QuickCell(value, present, 0, 10**_DIGITS)
    # Fifteen digits: the nearest float, times a power of ten, rounds to the very number that was written.
    value = (text.cast(pl.Float64, strict=False) * 10**_DECIMALS).round().cast(pl.Int64)
    return QuickCell(value, present, _DECIMALS, 10 ** (_DIGITS + _DECIMALS))


def _moment(rules: ColumnRules, present: "pl.Expr", kind: str) -> QuickCell:
    import polars as pl

    form = rules.field.format or "default"
    simple = _SIMPLE_PATTERN.fullmatch(form) is not None
    value: Any = None
    if kind == "date" and form in {"default", "%Y-%m-%d"}:
        value = present.str.to_date("%Y-%m-%d", strict=False)
    elif kind == "date" and simple:
        value = present.str.to_date(form, strict=False)
    elif kind == "datetime" and form == "default":
        text = _matching(present, f"{DATE}T{CLOCK}Z?").str.head(19)
        value = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="us")
    elif kind == "datetime" and simple and "%H" in form:
        value = present.str.to_datetime(form, strict=False, time_unit="us")
    elif kind == "time" and form == "default":
        value = _matching(present, CLOCK)
    elif kind == "yearmonth":
        value = _matching(present, "[0-9]{4}-(?:0[1-9]|1[0-2])")
    if value is None:
        # Only the exact reader can tell.
        return QuickCell(pl.lit(None, _dtype(kind)), present)
    if kind == "date":
        return QuickCell(value.cast(pl.Int32).cast(pl.Int64), present, 0, 10**7)
    return QuickCell(value, present)


def _matching(present: "pl.Expr", pattern: str) -> "pl.Expr":
    import polars as pl

    return pl.when(present.str.contains(f"^(?:{pattern})$")).then(present)


def _dtype(kind: str) -> Any:
    import polars as pl

    return {
        "number": pl.Int64, "date": pl.Int64, "duration": pl.Int64, "boolean": pl.Boolean,
        "datetime": pl.Datetime("us"),
    }.get(kind, pl.String)  # fmt: skip
