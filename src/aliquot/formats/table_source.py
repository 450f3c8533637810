"""A delimited text file as a lazy frame of text columns, row for row what the csv module reads."""

import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.formats.dialect import Dialect
from aliquot.formats.table_rewrite import ESCAPES, SEPARATOR, rewrite
from aliquot.formats.table_survey import Shape, Survey

if TYPE_CHECKING:
    import polars as pl

ROW = "row"
WIDTH = "width"
EXTRA = "extra"
FAULT = "fault"

_WIDEST_QUOTED = 64
"""Columns up to which one regular expression over a line stays small."""


@dataclass(frozen=True, slots=True)
class Source:
    """What to scan: text columns `c0`, `c1`… and `row`, the zero-based data row.

    A `rewritten` source also has `width` (cells of the row), `extra` (the first cell too many) and `fault`; cells
    that a short row lacks are null there. `path` is the file that is scanned.
    """

    frame: "pl.LazyFrame"
    rewritten: bool
    path: Path


@contextmanager
def open_source(path: Path, seen: Survey, width: int) -> Generator[Source]:
    """Give the file's data rows as a lazy frame; what is not regular is rewritten to a temporary file first.

    The temporary file has about the size of the original, and is gone when the context ends.
    """
    if seen.shape is Shape.PLAIN or (seen.shape is Shape.QUOTED and _quoted_regularly(path, seen.dialect, width)):
        yield Source(_scan(path, seen, width), rewritten=False, path=path)
        return
    with tempfile.TemporaryDirectory(prefix="aliquot-table-") as folder:
        rewritten = Path(folder) / "rows.csv"
        escaped = rewrite(path, seen, rewritten, width)
        yield Source(_scan_rewritten(rewritten, width, escaped=escaped), rewritten=True, path=rewritten)


def column(index: int) -> str:
    """Name the file's column by its place, since labels may be doubled or blank."""
    return f"c{index}"


def _scan(path: Path, seen: Survey, width: int) -> "pl.LazyFrame":
    import polars as pl

    return pl.scan_csv(
        path,
        schema={column(index): pl.String for index in range(width)},
        separator=seen.dialect.delimiter,
        quote_char=None if seen.shape is Shape.PLAIN else seen.dialect.quote,
        has_header=False,
        skip_lines=1,
        empty_string_is_null=False,
        row_index_name=ROW,
        raise_if_empty=False,
        glob=False,
    )


def _scan_rewritten(path: Path, width: int, *, escaped: bool) -> "pl.LazyFrame":
    import polars as pl

    names = [column(index) for index in range(width)]
    frame = pl.scan_csv(
        path,
        schema={WIDTH: pl.Int64, EXTRA: pl.String, FAULT: pl.String} | dict.fromkeys(names, pl.String),
        separator=SEPARATOR,
        quote_char=None,
        has_header=False,
        empty_string_is_null=False,
        row_index_name=ROW,
        raise_if_empty=False,
        glob=False,
    )
    if escaped:
        texts = pl.col(EXTRA, *names)
        for written, meant in ESCAPES:
            texts = texts.str.replace_all(written, meant, literal=True)
        frame = frame.with_columns(texts)
    return frame.with_columns(
        pl.when(pl.col(WIDTH) > index).then(pl.col(name)).alias(name) for index, name in enumerate(names)
    )


def _quoted_regularly(path: Path, dialect: Dialect, width: int) -> bool:
    """Say whether every line is a whole row whose quotation marks stand where they should."""
    import polars as pl

    if width > _WIDEST_QUOTED:
        return False
    mark = re.escape(dialect.quote)
    cell = rf"(?:[^{mark}{re.escape(dialect.delimiter)}\r]*|{mark}(?:[^{mark}\r]|{mark}{mark})*{mark})"
    line = rf"^\x{{FEFF}}?{cell}(?:{re.escape(dialect.delimiter)}{cell}){{{width - 1}}}\r?$"
    if width == 1:
        line = rf"^(?:[^{mark}{re.escape(dialect.delimiter)}\r]+|{mark}(?:[^{mark}\r]|{mark}{mark})*{mark})\r?$"
    irregular = pl.scan_lines(path, glob=False).select((~pl.first().str.contains(line)).sum())
    try:
        return irregular.collect(engine="streaming").item() == 0
    except pl.exceptions.ComputeError:
        return False
