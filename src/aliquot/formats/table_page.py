"""A page of a table: sorted by a column, filtered by others, the cells as they are written in the file."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aliquot.formats.table_blocks import open_blocks
from aliquot.formats.table_polars import require_polars
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 500
MOST_COLUMNS = 30
_CELL = 160
_REMEMBERED = 96 * 2**20

Comparison = Literal["contains", "is", "not", "below", "above", "missing", "there"]
COMPARISONS: tuple[Comparison, ...] = ("contains", "is", "not", "below", "above", "missing", "there")


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows of which one column meets something: `column` by its place from 0, what to compare it with."""

    column: int
    how: Comparison
    value: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows, in which order: sorted by the place of a column, or as they stand in the file."""

    sort: int | None = None
    descending: bool = False
    filters: tuple[Filter, ...] = ()


class TableView:
    """A table that is open to be looked at: `kept` gives the local files `rows` and `columns`."""

    def __init__(self, summary: dict[str, Any], kept: dict[str, Path]) -> None:
        require_polars()
        self.summary = summary
        self._first_row = int(summary["first_row"])
        self._columns = kept["columns"]
        self._blocks = open_blocks(kept["rows"], summary)
        self._orders: OrderedDict[Wanted, pl.Series] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, wanted: Wanted, offset: int, limit: int, first_column: int = 0) -> dict[str, Any]:
        """Give rows from `offset` on: `matched` of `height`, and for each its number in the file and its cells.

        `row` counts lines as a spreadsheet does: the header, if there is one, is 1. A wide table shows `MOST_COLUMNS`
        from one on.
        """
        self._require(wanted)
        limit = max(1, min(limit, MOST_ROWS))
        height = int(self.summary["height"])
        if wanted.sort is None and not wanted.filters:
            matched, numbers = height, list(range(min(max(0, offset), height), min(max(0, offset) + limit, height)))
        else:
            order = self._order(wanted)
            matched, numbers = len(order), order.slice(max(0, offset), limit).to_list()
        return {"matched": matched, "height": height, "rows": self._cells(numbers, first_column)}

    def rows(self, numbers: Sequence[int], first_column: int = 0) -> list[dict[str, Any]]:
        """Give rows by their number in the file, as `row` counts them; those that are not there are left out."""
        height = int(self.summary["height"])
        wanted = [number - self._first_row for number in numbers]
        return self._cells([number for number in wanted if 0 <= number < height], first_column)

    def _cells(self, numbers: Sequence[int], first_column: int) -> list[dict[str, Any]]:
        part = slice(first_column, first_column + MOST_COLUMNS)
        return [
            {"row": number + self._first_row, "cells": [_short(cell) for cell in cells[part]]}
            for number, cells in zip(numbers, self._blocks.rows(numbers), strict=True)
        ]

    def _require(self, wanted: Wanted) -> None:
        width = len(self.summary["columns"])
        for at in (wanted.sort, *(each.column for each in wanted.filters)):
            if at is not None and not 0 <= at < width:
                raise Invalid("column-missing", f"The table has no column {at + 1}; it has {width}.", column=at)

    def _order(self, wanted: Wanted) -> "pl.Series":
        with self._lock:
            if wanted in self._orders:
                self._orders.move_to_end(wanted)
                return self._orders[wanted]
        order = self._found(wanted)
        with self._lock:
            self._orders[wanted] = order
            while len(self._orders) > 1 and sum(len(each) * 4 for each in self._orders.values()) > _REMEMBERED:
                self._orders.popitem(last=False)
        return order

    def _found(self, wanted: Wanted) -> "pl.Series":
        import polars as pl

        frame = pl.scan_parquet(self._columns, glob=False)
        for each in wanted.filters:
            frame = frame.filter(self._condition(each))
        if wanted.sort is None:
            return frame.select("row").collect().to_series().sort()
        key = self._name(wanted.sort)
        if not self._numeric(wanted.sort):
            frame = frame.with_columns(pl.when(pl.col(key) != "").then(pl.col(key)))
        found = frame.select("row", key).collect()
        keys = found.to_series(1)
        if not self._numeric(wanted.sort):
            keys = _ranked(keys, self.summary["columns"][wanted.sort]["distinct"])
        order = keys.arg_sort(descending=wanted.descending, nulls_last=True)
        return found.to_series(0).gather(order)

    def _condition(self, each: Filter) -> "pl.Expr":
        import polars as pl

        cell = pl.col(self._name(each.column))
        empty = cell.is_null() if self._numeric(each.column) else cell.is_null() | (cell == "")
        if each.how in ("missing", "there"):
            return empty if each.how == "missing" else ~empty
        if each.how == "contains":
            text = cell.cast(pl.String) if self._numeric(each.column) else cell
            return text.str.to_lowercase().str.contains(each.value.lower(), literal=True)
        against = _number(each.value) if self._numeric(each.column) else each.value
        match each.how:
            case "is":
                return cell == against
            case "not":
                return cell != against
            case "below":
                return cell < against
            case _:
                return cell > against

    def _numeric(self, at: int) -> bool:
        return self.summary["columns"][at]["type"] == "number"

    def _name(self, at: int) -> str:
        return f"v{at}" if self._numeric(at) else f"c{at}"


def _ranked(texts: "pl.Series", distinct: int) -> "pl.Series":
    """Give the ranks of texts of which there are few, which sort three times as fast as the texts."""
    import polars as pl

    if distinct * 4 > len(texts):
        return texts
    known = texts.drop_nulls().unique().sort()
    ranks = pl.arange(len(known), eager=True, dtype=pl.UInt32)
    return texts.replace_strict(known, ranks, default=None, return_dtype=pl.UInt32)


def _number(text: str) -> float:
    try:
        return float(text.strip())
    except ValueError:
        shown = text[:40]
        raise Invalid("filter-not-a-number", f"{shown!r} is no number, but the column has numbers.") from None


def _short(cell: str) -> str:
    return cell if len(cell) <= _CELL else cell[: _CELL - 1] + "…"
