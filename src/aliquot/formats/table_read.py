"""A table read into memory with the types of its schema."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aliquot.formats.dialect import detect
from aliquot.formats.table import check_table
from aliquot.formats.table_header import Columns, match_header
from aliquot.formats.table_polars import require_polars
from aliquot.formats.table_rows import read_rows
from aliquot.formats.table_rules import ColumnRules
from aliquot.formats.table_sieve import missing
from aliquot.formats.table_source import column, open_source
from aliquot.formats.table_survey import survey
from aliquot.model.errors import Invalid
from aliquot.model.finding import Report, Severity
from aliquot.model.table_schema import Field, TableSchema

if TYPE_CHECKING:
    import polars as pl

_MOST_DIGITS = 38


def read_table(path: Path, schema: TableSchema | None = None, *, exact: Collection[str] = ()) -> "pl.DataFrame":
    """Read a delimited text file, or Parquet as it is, into memory; missing values are null.

    Columns carry the names of their fields, and fields that the file may lack and does lack are columns of nulls.
    Integers and years become Int64, numbers Float64, booleans Boolean, dates Date, times Time, datetimes Datetime in
    microseconds of UTC without a zone; all other types stay text as written. Fields named in `exact` become
    Decimal(38, s) instead of Float64, s being the most decimals that any cell has: sums of money come out to the cent,
    where sums of Float64 need rounding. It is not the default because SQLite has no decimals and a column's type would
    follow its content. Without a schema, a column is integer, number or date when every cell of it is. `Invalid`
    with the first finding for a file that does not fit.
    """
    require_polars()
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            import polars as pl

            return pl.read_parquet(path)
    inferred = schema is None
    schema = _untyped(path) if schema is None else schema
    report = check_table(path, schema, most=1)
    if not report.valid:
        raise _refusal(path, report)
    dialect = detect(path)
    first = next(read_rows(path, dialect))
    columns = match_header(first.cells, schema)
    with open_source(path, survey(path, dialect, len(first.cells)), len(first.cells)) as source:
        frame = source.frame.select(column(at) for at in range(len(first.cells))).collect(engine="streaming")
    # Blank rows at the end are passed over.
    frame = frame.head(int(str(report.facts["rows"])))
    return _typed(frame, columns, schema, inferred, exact)


def _untyped(path: Path) -> TableSchema:
    first = next(read_rows(path, detect(path)), None)
    labels = [] if first is None else [label.strip() for label in first.cells]
    if not any(labels):
        raise Invalid("no-table", f"{path.name} has no header row: it cannot be read as a table", file=path.name)
    twice = next((label for at, label in enumerate(labels) if label in labels[:at]), None)
    if twice is not None:
        raise Invalid("duplicate-label", f"{path.name} has two columns named {twice!r}: rename one", file=path.name)
    fields = [{"name": label or f"column {at + 1}"} for at, label in enumerate(labels)]
    return TableSchema.model_validate({"fields": fields, "fieldsMatch": "partial"})


def _refusal(path: Path, report: Report) -> Invalid:
    first = next(finding for finding in report.findings if finding.severity is Severity.ERROR)
    rest = sum(report.counts.values()) - 1
    more = f" (and {rest} more)" if rest > 0 else ""
    return Invalid(
        "table-does-not-fit",
        f"{path.name} does not fit its schema: {first.text}{more}",
        file=path.name,
        finding=first.document(),
    )


def _typed(
    frame: "pl.DataFrame", columns: Columns, schema: TableSchema, inferred: bool, exact: Collection[str]
) -> "pl.DataFrame":
    import polars as pl

    series: dict[str, pl.Series] = {}
    for at, (name, rules) in enumerate(zip(columns.names, columns.rules, strict=True)):
        cell = pl.col(column(at))
        texts = frame.select(pl.when(~missing(rules.missing, cell)).then(cell).alias(name)).to_series()
        series[name] = _guessed(texts) if inferred else _values(texts, rules, exact=name in exact)
    for field in schema.fields:
        if field.name not in series:
            series[field.name] = pl.Series(field.name, [None] * frame.height, dtype=_dtype(field))
    return pl.DataFrame(series)


def _dtype(field: Field) -> Any:
    import polars as pl

    return {
        "integer": pl.Int64, "year": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean, "date": pl.Date,
        "time": pl.Time, "datetime": pl.Datetime("us"),
    }.get(field.type, pl.String)  # fmt: skip


def _values(texts: "pl.Series", rules: ColumnRules, *, exact: bool) -> "pl.Series":
    import polars as pl

    field = rules.field
    dtype = _dtype(field)
    if dtype == pl.String:
        return texts
    if exact and field.type == "number":
        return _decimals(texts, rules)
    if field.type in {"integer", "number", "date"} and _is_plain(field):
        values = (
            texts.str.to_date("%Y-%m-%d", strict=False) if field.type == "date" else texts.cast(dtype, strict=False)
        )
        if values.null_count() == texts.null_count():
            return values
    return _one_by_one(texts, rules, dtype)


def _is_plain(field: Field) -> bool:
    if field.type == "date":
        return (field.format or "default") in {"default", "%Y-%m-%d"}
    return field.bare_number and not field.group_char and field.decimal_char == "."


def _one_by_one(texts: "pl.Series", rules: ColumnRules, dtype: Any) -> "pl.Series":
    """Read each different text once with the exact reader."""
    import polars as pl

    different = texts.drop_nulls().unique()
    try:
        values = pl.Series([_stored(rules.read(text)) for text in different], dtype=dtype)
    except (OverflowError, TypeError, pl.exceptions.PolarsError) as error:
        raise Invalid(
            "value-too-large",
            f"field {rules.field.name!r} has values beyond what a column can hold; declare it as a string",
            field=rules.field.name,
        ) from error
    return (
        texts.replace_strict(different, values, default=None, return_dtype=dtype)
        if len(different)
        else texts.cast(dtype)
    )


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, time):
        return value.replace(tzinfo=None)
    return value if isinstance(value, int | date) else float(value)


def _decimals(texts: "pl.Series", rules: ColumnRules) -> "pl.Series":
    import polars as pl

    plain = pl.Series(texts.name, [rules.canonical(text) for text in texts], dtype=pl.String)
    scale = plain.str.extract(r"\.([0-9]+)$").str.len_bytes().max()
    digits = int(str(scale)) if scale is not None else 0
    values = plain.cast(pl.Decimal(_MOST_DIGITS, min(digits, _MOST_DIGITS)), strict=False)
    if values.null_count() != texts.null_count():
        raise Invalid(
            "value-too-large",
            f"field {rules.field.name!r} has numbers that {_MOST_DIGITS} digits cannot hold",
            field=rules.field.name,
        )
    return values


def _guessed(texts: "pl.Series") -> "pl.Series":
    """Give the narrowest type that every cell has; digits with leading zeros are names and stay text."""
    import polars as pl

    def all_match(pattern: str) -> bool:
        return texts.str.contains(pattern).all(ignore_nulls=True)

    if texts.null_count() == len(texts):
        return texts
    if all_match(r"^-?(?:0|[1-9][0-9]{0,17})$"):
        return texts.cast(pl.Int64)
    if all_match(r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$"):
        return texts.cast(pl.Float64)
    if all_match(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"):
        dates = texts.str.to_date("%Y-%m-%d", strict=False)
        if dates.null_count() == texts.null_count():
            return dates
    return texts
