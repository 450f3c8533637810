"""What is kept of a table so that any page of it, sorted and filtered, is there at once: its rows and its columns."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aliquot.formats.dialect import Dialect, detect
from aliquot.formats.other_document import other_document
from aliquot.formats.table_blocks import Form, write_blocks
from aliquot.formats.table_column import summarise
from aliquot.formats.table_polars import require_polars
from aliquot.formats.table_rows import read_rows
from aliquot.formats.table_source import ROW, Source, column, open_source
from aliquot.formats.table_survey import Shape, survey
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    import polars as pl

_SAMPLE = 5_000
_MOSTLY = 0.95
_WIDEST = 4_000
_PASSING = ("text.csv", "headed.csv")
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*")
_COMMA = re.compile(r"\s*[-+]?(\d+(,\d*)?|,\d+)\s*")
_NO_VALUE = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "-", ".", "#N/A")
"""What people and programs write where there is no number."""


def keep_table(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Take a delimited text or Parquet file apart; writes `rows` (as they are written) and `columns` (to search in).

    Memory is that of the largest column. `Invalid` for what is no table.
    """
    require_polars()
    path = files[0]
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            path = _written_out(path, folder / _PASSING[0])
    if path is files[0] and (other := other_document(path)):
        raise Invalid("no-table", f"The file cannot be shown as a table: {other}.")
    dialect = detect(path)
    first = next(read_rows(path, dialect), None)
    if first is None or not any(cell.strip() for cell in first.cells):
        raise Invalid("no-table", "The file cannot be shown as a table: it has no header row.")
    if len(first.cells) > _WIDEST:
        raise Invalid("no-table", f"The table has {len(first.cells)} columns; up to {_WIDEST} can be shown.")
    if not dialect.header:
        path = _with_header(path, dialect, len(first.cells), folder / _PASSING[1])
        labels = [f"column {at + 1}" for at in range(len(first.cells))]
    else:
        labels = [cell.strip() for cell in first.cells]
    with open_source(path, survey(path, dialect, len(first.cells)), len(first.cells)) as source:
        form = _form(source, path, dialect, len(first.cells))
        lines, skip = (source.path, 0) if form is Form.REWRITTEN else (path, 1)
        height = write_blocks(lines, folder / "rows", skip=skip, form=form)
        columns = _keep_columns(source.frame, labels, height, folder / "columns", dialect)
    for name in _PASSING:
        (folder / name).unlink(missing_ok=True)
    return {
        "kind": "table",
        "height": height,
        "first_row": 2 if dialect.header else 1,
        "width": len(first.cells),
        "form": str(form),
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "encoding": dialect.encoding,
        "columns": columns,
    }


def _written_out(path: Path, target: Path) -> Path:
    import polars as pl

    try:
        pl.scan_parquet(path, glob=False).sink_csv(target)
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0][:200]
        raise Invalid("no-table", f"The Parquet file cannot be shown as a table: {first}.") from None
    return target


def _with_header(path: Path, dialect: Dialect, width: int, target: Path) -> Path:
    """Copy a file whose first row is data, with a row of labels before it: what reads tables passes over the first."""
    line = dialect.delimiter.join(["-"] * width) + dialect.line_end
    with path.open("rb") as source, target.open("wb") as file:
        file.write(source.read(dialect.mark))
        file.write(line.encode(dialect.encoding.removesuffix("-sig")))
        shutil.copyfileobj(source, file, 2**20)
    return target


def _form(source: Source, path: Path, dialect: Dialect, width: int) -> Form:
    if source.rewritten:
        return Form.REWRITTEN
    return Form.PLAIN if survey(path, dialect, width).shape is Shape.PLAIN else Form.QUOTED


def _keep_columns(
    frame: "pl.LazyFrame", labels: Sequence[str], height: int, target: Path, dialect: Dialect
) -> list[dict[str, Any]]:
    """Write columns of numbers and of texts, and say of each what is in it; those that turn out as texts go again."""
    import polars as pl

    head = frame.select(column(at) for at in range(len(labels))).head(_SAMPLE).collect()
    comma = dialect.delimiter != ","
    numbers = {at: kind for at in range(len(labels)) if (kind := _looks_like(head.to_series(at).to_list(), comma))}
    while True:
        chosen = [each for at in range(len(labels)) for each in _kept(at, numbers.get(at))]
        frame.head(height).select(pl.col(ROW).cast(pl.UInt32), *chosen).sink_parquet(
            target, compression="zstd", compression_level=1, row_group_size=131_072
        )
        columns = [summarise(target, at, label, at in numbers) for at, label in enumerate(labels)]
        texts = [at for at in numbers if columns[at]["other"] > (1 - _MOSTLY) * (height - columns[at]["missing"])]
        if not texts:
            return columns
        for at in texts:
            del numbers[at]


def _looks_like(cells: Sequence[str | None], comma: bool) -> str | None:
    """Say with which decimal sign nearly all cells are numbers; None for text, and for ids with zeros in front."""
    values = [cell for cell in cells if cell is not None and cell not in _NO_VALUE]
    if not values or any(len(cell) > 1 and cell[0] == "0" and cell.isdigit() for cell in values):
        return None
    for sign, pattern in ((".", _NUMBER), (",", _COMMA)):
        if sign == "." or comma:
            fitting = sum(pattern.fullmatch(cell) is not None for cell in values)
            if fitting > _MOSTLY * len(values):
                return sign
    return None


def _kept(at: int, sign: str | None) -> list["pl.Expr"]:
    import polars as pl

    cell = pl.col(column(at))
    if sign is None:
        return [cell]
    plain = cell.str.strip_chars()
    if sign == ",":
        plain = plain.str.replace(",", ".", literal=True)
    number = plain.cast(pl.Float64, strict=False)
    number = pl.when(number.is_finite()).then(number)
    other = pl.when(number.is_null() & ~cell.is_in(_NO_VALUE)).then(cell)
    return [number.alias(f"v{at}"), other.alias(f"o{at}")]
