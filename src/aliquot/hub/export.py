"""All rows of a query as comma-separated values or Parquet, some thousands at a time, so that memory stays flat."""

import csv
import io
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from aliquot.hub.hub import Hub, require, text_literal
from aliquot.hub.query import DECLARED, VIEW, refused_in_words
from aliquot.hub.query_postgresql import postgresql_rows
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    import polars as pl

Format = Literal["csv", "parquet"]

_AT_ONCE = 5_000
_STEPS = 100_000
"""Steps of SQLite's machine after which a signal is looked at."""
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_NEVER = {"load_extension", "readfile", "writefile", "edit"}


@dataclass(slots=True)
class Columns:
    """What a query gives: names and hub types of columns (empty: not declared), and rows in pieces."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    pieces: Iterable[list[tuple[Any, ...]]]


def export_csv(hub: Hub, sql: str, seconds: float, write: Callable[[bytes], None]) -> None:
    """Write all rows of a SELECT as comma-separated values, with a line of names first."""
    with _columns(hub, sql, seconds) as found:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(found.names)
        for rows in found.pieces:
            writer.writerows(_plain_row(row, found.types) for row in rows)
            write(out.getvalue().encode())
            out.seek(0)
            out.truncate()
        write(out.getvalue().encode())


def export_parquet(hub: Hub, sql: str, seconds: float, folder: Path) -> Path:
    """Write all rows of a SELECT into a Parquet file in an empty folder; gives its path."""
    require("polars", "tables")
    import polars as pl

    parts = folder / "parts"
    parts.mkdir()
    schemas: list[dict[str, pl.DataType]] = []
    with _columns(hub, sql, seconds) as found:
        if len(set(found.names)) < len(found.names):
            raise Invalid("query-refused", "Two columns have one name; give each a name of its own with AS.")
        for number, rows in enumerate(found.pieces):
            frame = _frame(found, rows)
            frame.write_parquet(parts / f"{number:08}.parquet")
            schemas.append(dict(frame.schema))
        if not schemas:
            frame = _frame(found, [])
            frame.write_parquet(parts / "0.parquet")
            schemas.append(dict(frame.schema))
    schema = pl.Schema({name: _common([each[name] for each in schemas]) for name in found.names})
    scans = [pl.scan_parquet(each).cast(schema) for each in sorted(parts.iterdir())]
    pl.concat(scans).sink_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


def _frame(found: Columns, rows: Sequence[tuple[Any, ...]]) -> "pl.DataFrame":
    import polars as pl

    columns = list(zip(*rows, strict=True)) or [()] * len(found.names)
    series = [
        _series(name, kind, list(values))
        for name, kind, values in zip(found.names, found.types, columns, strict=True)
    ]  # fmt: skip
    return pl.DataFrame(series)


def _series(name: str, kind: str, values: list[Any]) -> "pl.Series":
    import polars as pl
    from polars.exceptions import PolarsError

    try:
        if kind == "boolean":
            return pl.Series(name, [None if each is None else bool(each) for each in values], dtype=pl.Boolean)
        if kind == "number":
            return pl.Series(name, [None if each is None else float(each) for each in values], dtype=pl.Float64)
        if kind == "date" and all(each is None or isinstance(each, str) for each in values):
            return pl.Series(name, values, dtype=pl.String).str.to_date("%Y-%m-%d")
        found = pl.Series(name, values, strict=True)
    except (PolarsError, TypeError, ValueError, OverflowError):
        return pl.Series(name, [None if each is None else str(each) for each in values], dtype=pl.String)
    if found.dtype == pl.Object or isinstance(found.dtype, pl.List | pl.Struct):
        return pl.Series(name, [None if each is None else str(each) for each in values], dtype=pl.String)
    return found


def _common(types: Sequence["pl.DataType"]) -> "pl.DataType":
    """Give the type that holds what all parts hold: a part without a value has none of its own."""
    import polars as pl

    distinct = {each for each in types if each != pl.Null}
    if len(distinct) == 1:
        return distinct.pop()
    if distinct and all(each.is_numeric() for each in distinct):
        return pl.Float64()
    return pl.String()


@contextmanager
def _columns(hub: Hub, sql: str, seconds: float) -> Generator[Columns]:
    with refused_in_words(hub, sql) as statement:
        if hub.dialect == "sqlite":
            with _sqlite_columns(hub, statement) as found:
                yield found
        else:
            with postgresql_rows(hub, statement, seconds) as rows:
                yield Columns(rows.columns, rows.types, rows.pieces())


@contextmanager
def _sqlite_columns(hub: Hub, statement: str) -> Generator[Columns]:
    """Read with Python's own SQLite, which gives rows as they are found: only in a process that has no other one."""
    location = f"file:{quote(hub.location)}?mode=ro" if Path(hub.location).exists() else ":memory:"
    try:
        with closing(sqlite3.connect(location, uri=True, timeout=10, isolation_level=None)) as connection:
            # In the callback, Python sees the signal by which a query is ended.
            connection.set_progress_handler(lambda: 0, _STEPS)
            connection.execute("PRAGMA temp_store = memory")
            # A view takes nothing but one SELECT, and knows what type each of its columns was declared with.
            connection.execute(f"CREATE TEMP VIEW {VIEW} AS SELECT * FROM (\n{statement}\n)")  # noqa: S608 - theirs
            connection.execute("PRAGMA query_only = on")
            declared = connection.execute(
                f"SELECT name, type FROM pragma_table_info({text_literal(VIEW)}) ORDER BY cid"  # noqa: S608 - ours
            ).fetchall()
            connection.set_authorizer(_only_reading)
            cursor = connection.execute(f"SELECT * FROM {VIEW}")  # noqa: S608 - ours
            types = tuple(DECLARED.get(kind.upper(), "") for _, kind in declared)
            yield Columns(tuple(name for name, _ in declared), types, _fetched(cursor))
    except sqlite3.Error as error:
        raise Invalid("query-refused", str(error)) from error


def _only_reading(action: int, _one: str | None, name: str | None, _database: str | None, _within: str | None) -> int:
    allowed = action in _READS and not (action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in _NEVER)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _fetched(cursor: sqlite3.Cursor) -> Iterable[list[tuple[Any, ...]]]:
    while rows := cursor.fetchmany(_AT_ONCE):
        yield rows


def _plain_row(row: Sequence[Any], types: Sequence[str]) -> list[Any]:
    return [_plain(value, kind) for value, kind in zip(row, types, strict=True)]


def _plain(value: Any, kind: str) -> Any:
    if kind == "boolean" and value is not None:
        return "true" if value else "false"
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value.hex().upper() if isinstance(value, bytes) else value
