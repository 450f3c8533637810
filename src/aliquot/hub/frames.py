"""Frames of values on their way into a table: every column gets the type that the schema names.

Needs polars (`aliquot[tables]`); import this module where frames are at hand, not at the top.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from aliquot.hub.columns import KINDS, OURS, Kind, Shape, fields_by_name
from aliquot.model.errors import Invalid
from aliquot.model.table_schema import Field, TableSchema

_EXACT: dict[Kind, pl.DataType] = {
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "time": pl.Time(),
    "string": pl.String(),
}


def conform(path: str, frame: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Give a frame the columns of a schema, in its order.

    Typed columns are cast without loss; text columns are read by the lexical form of the Table Schema standard. A
    column that is missing is null. What a type cannot hold is `Invalid` with file, column and an example.
    """
    columns: list[pl.Series] = []
    for name, field in fields_by_name(schema).items():
        if name not in frame.columns:
            columns.append(pl.Series(name, [None] * frame.height, dtype=_dtype(KINDS[field.type])))
            continue
        series = frame.get_column(name)
        try:
            columns.append(_typed(series, field))
        except (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError) as error:
            raise Invalid(
                "hub-value-refused",
                f"{path}: the column {name!r} holds a value that {field.type} cannot ({_one_line(error)}). "
                "Check the file against its type before it is loaded, or change the column's type.",
                path=path,
                column=name,
                type=field.type,
            ) from error
    return pl.DataFrame(columns)


def with_origin(frame: pl.DataFrame, dataset: str | None, version: int | None, path: str, run: int) -> pl.DataFrame:
    """Add the columns that say where each row came from."""
    values = dict(zip(OURS, (dataset, version, path, run), strict=True))
    return frame.with_columns(
        pl.lit(value, dtype=pl.String if OURS[name] == "string" else pl.Int64).alias(name)
        for name, value in values.items()
    )


def without_doubles(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Keep the last row of each key; refuse rows whose key is not complete, naming their file."""
    empty = frame.filter(pl.any_horizontal(pl.col(name).is_null() for name in key))
    if empty.height:
        path = empty.get_column("_path")[0]
        raise Invalid(
            "hub-key-null",
            f"{path}: {empty.height} row(s) have no value in the key ({', '.join(key)}), so they could never be "
            "replaced. Fill the key in the file, or choose other key columns.",
            path=path,
            rows=empty.height,
        )
    return frame.unique(subset=list(key), keep="last", maintain_order=True)


def for_sqlite(frame: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    """Write what SQLite has no type for as the text or number that it stores."""
    changed: list[pl.Expr] = []
    for column in shape.columns:
        value = pl.col(column.name)
        if column.kind == "boolean":
            changed.append(value.cast(pl.Int64))
        elif column.kind == "number":
            changed.append(value.cast(pl.Float64))
        elif column.kind == "date":
            changed.append(value.dt.to_string("iso"))
        elif column.kind in {"datetime", "time"}:
            # SQLite's own functions know 'YYYY-MM-DD HH:MM:SS.ffffff'; a whole second carries no fraction
            changed.append(value.dt.to_string("iso").str.replace(r"\.0+$", ""))
    return frame.with_columns(changed)


def _dtype(kind: Kind) -> pl.DataType:
    if kind == "number":
        return pl.Float64()
    if kind == "datetime":
        return pl.Datetime("us")
    return _EXACT.get(kind, pl.String())


def _typed(series: pl.Series, field: Field) -> pl.Series:
    kind = KINDS[field.type]
    if series.dtype == pl.Null:
        return series.cast(_dtype(kind))
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if kind == "json":
        return _json(series)
    if kind == "string":
        return _text(series, field)
    if series.dtype == pl.String:
        return _read(series, field, kind)
    if kind == "number":
        return series if series.dtype.is_numeric() else series.cast(pl.Float64)
    if kind == "datetime":
        return _without_zone(series)
    if kind == "integer" and series.dtype.is_float():
        whole = series.cast(pl.Int64)
        if not (series.drop_nulls() == whole.drop_nulls()).all():
            raise ValueError("not a whole number")
        return whole
    return series.cast(_EXACT[kind])


def _read(series: pl.Series, field: Field, kind: Kind) -> pl.Series:
    if kind == "boolean":
        words = dict.fromkeys(field.true_values, True) | dict.fromkeys(field.false_values, False)
        return series.replace_strict(words, return_dtype=pl.Boolean)
    if kind == "date":
        return series.str.to_date("%Y-%m-%d")
    if kind == "datetime":
        text = series.str.replace("T", " ", literal=True)
        zoned = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$")
        if not zoned.any():
            return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
        # beside zoned times, one without a zone is read as UTC
        text = text.str.replace(r"Z$", "+00:00").zip_with(zoned, text + "+00:00")
        return _without_zone(text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us"))
    if kind == "time":
        return series.str.to_time("%H:%M:%S%.f")
    if kind == "number":
        return series.str.replace(r"INF$", "inf").cast(pl.Float64)
    return series.cast(pl.Int64)


def _without_zone(series: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(pl.Datetime("us"))


def _text(series: pl.Series, field: Field) -> pl.Series:
    if series.dtype == pl.String:
        return series
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String)).list.join(field.delimiter)
    if series.dtype.is_temporal():
        return series.dt.to_string("iso")
    if series.dtype == pl.Boolean:
        return series.replace_strict({True: "true", False: "false"}, return_dtype=pl.String)
    return series.cast(pl.String)


def _json(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        return series
    frame = series.to_frame("value").select(pl.struct("value").struct.json_encode())
    # json_encode takes structs alone: {"value": …} around each value is cut off again
    text = frame.to_series().str.slice(len('{"value":')).str.head(-1)
    return text.zip_with(series.is_not_null(), pl.Series([None], dtype=pl.String)).alias(series.name)


def _one_line(error: BaseException) -> str:
    lines: Any = str(error).strip().splitlines()
    return str(lines[0])[:200] if lines else type(error).__name__
