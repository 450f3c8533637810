# ruff: noqa: S608 - names are written by quoted, texts by text_literal
"""The SQL of a hub table: creating it, changing it, putting rows into it."""

from hashlib import blake2b
from typing import TYPE_CHECKING

from aliquot.hub.columns import OURS, Change, Column, Kind, Shape
from aliquot.hub.hub import Dialect, Session, quoted, text_literal
from aliquot.model.errors import Conflict, Invalid

if TYPE_CHECKING:
    import polars as pl

TYPES: dict[Dialect, dict[Kind, str]] = {
    # A number is what the standard calls a decimal, so that money adds up to the cent where the database can: NUMERIC.
    # SQLite has no decimals: there a number is a double, and sums of money want round(sum(x), 2).
    "postgresql": {
        "integer": "BIGINT",
        "number": "NUMERIC",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "datetime": "TIMESTAMP",
        "time": "TIME",
        "json": "JSONB",
        "string": "TEXT",
    },
    # SQLite stores dates and times as ISO 8601 text and booleans as 0 and 1; the names tell tools what they mean.
    "sqlite": {
        "integer": "BIGINT",
        "number": "REAL",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "datetime": "DATETIME",
        "time": "TIME",
        "json": "JSON",
        "string": "TEXT",
    },
}
STAGING = "_aliquot_staging"


def create(session: Session, table: str, shape: Shape) -> None:
    """Create a table, with the columns that say where a row came from at its end."""
    session.execute(f"CREATE TABLE {quoted(table)} ({_definitions(session.hub.dialect, shape)})")


def alter(session: Session, table: str, shape: Shape, changed: Change) -> None:
    """Add and widen columns; `shape` is what the table then looks like."""
    dialect = session.hub.dialect
    for column in changed.added:
        kind = TYPES[dialect][column.kind]
        session.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(column.name)} {kind}")
    if not changed.widened:
        return
    if dialect == "postgresql":
        for column in changed.widened:
            name, kind = quoted(column.name), TYPES[dialect][column.kind]
            session.execute(f"ALTER TABLE {quoted(table)} ALTER COLUMN {name} TYPE {kind} USING CAST({name} AS {kind})")
        return
    _rebuild(session, table, shape)


def set_key(session: Session, table: str, key: tuple[str, ...]) -> None:
    """Make the key unique, so that rows can be replaced by it."""
    name = "_aliquot_key_" + blake2b(table.encode(), digest_size=8).hexdigest()
    columns = ", ".join(map(quoted, key))
    try:
        session.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {quoted(table)} ({columns})")
    except Invalid as error:
        raise Conflict(
            "hub-key-not-unique",
            f"{table} holds rows that share a key ({', '.join(key)}), so none can be replaced by it. Load it into a "
            "table with a new name, or choose other key columns.",
            table=table,
            key=list(key),
        ) from error


def insert(session: Session, table: str, frame: "pl.DataFrame", shape: Shape) -> None:
    """Add rows; a frame that the database can take as it is goes there without a stop."""
    if session.hub.dialect == "sqlite" or not any(column.kind in {"number", "json"} for column in shape.columns):
        # by position, which is why the table's own order is asked for: added columns lie behind ours
        session.ingest(table, frame.select(physical_columns(session, table)))
        return
    session.ingest(STAGING, frame, temporary=True)
    session.execute(_insertion(session.hub.dialect, table, shape))
    session.execute(f"DROP TABLE {STAGING}")


def merge(session: Session, table: str, frame: "pl.DataFrame", shape: Shape, run: int) -> tuple[int, int]:
    """Add rows or replace those of the same key, which the frame holds once each.

    Gives how many rows of earlier loads were replaced, and how many that this run itself had written.
    """
    dialect = session.hub.dialect
    session.ingest(STAGING, frame, temporary=True)
    kinds: dict[str, Kind] = {column.name: column.kind for column in shape.columns}
    same_key = " AND ".join(
        f"t.{quoted(name)} = {_value(dialect, Column(name, kinds[name]), 's.')}" for name in shape.key
    )
    ours, earlier = session.rows(
        "SELECT count(*) FILTER (WHERE t._run = $1) AS ours, count(*) FILTER (WHERE t._run <> $1) AS earlier "
        f"FROM {STAGING} s JOIN {quoted(table)} t ON {same_key}",
        run,
    )[0]
    others = [name for name in (*kinds, *OURS) if name not in shape.key]
    replaced = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
    # WHERE true: without it SQLite reads ON CONFLICT as a join's condition
    session.execute(
        f"{_insertion(dialect, table, shape)} WHERE true "
        f"ON CONFLICT ({', '.join(map(quoted, shape.key))}) DO UPDATE SET {replaced}"
    )
    session.execute(f"DROP TABLE {STAGING}")
    return earlier, ours


def physical_columns(session: Session, table: str) -> list[str]:
    """Give the names of a table's columns in the order in which they lie there."""
    if session.hub.dialect == "sqlite":
        sql = f"SELECT name FROM pragma_table_info({text_literal(table)}) ORDER BY cid"
    else:
        sql = (
            "SELECT attname::text FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
            f"AND attrelid = to_regclass({text_literal(quoted(table))}) ORDER BY attnum"
        )
    return [name for (name,) in session.rows(sql)]


def _definitions(dialect: Dialect, shape: Shape) -> str:
    columns = [*shape.columns, *(Column(name, kind) for name, kind in OURS.items())]
    return ", ".join(
        f"{quoted(column.name)} {TYPES[dialect][column.kind]}{' NOT NULL' if column.name in shape.key else ''}"
        for column in columns
    )


def _rebuild(session: Session, table: str, shape: Shape) -> None:
    """Copy a table into one with the new types, for SQLite, which cannot change a column's type."""
    new = STAGING + "_rebuilt"
    session.execute(f"CREATE TABLE {new} ({_definitions('sqlite', shape)})")
    names = ", ".join(map(quoted, [*(column.name for column in shape.columns), *OURS]))
    session.execute(f"INSERT INTO {new} ({names}) SELECT {names} FROM {quoted(table)}")
    indexes = session.rows(
        f"SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = {text_literal(table)}"
    )
    session.execute(f"DROP TABLE {quoted(table)}")
    session.execute(f"ALTER TABLE {new} RENAME TO {quoted(table)}")
    for (statement,) in indexes:
        session.execute(statement)


def _insertion(dialect: Dialect, table: str, shape: Shape) -> str:
    columns = [*shape.columns, *(Column(name, kind) for name, kind in OURS.items())]
    names = ", ".join(quoted(column.name) for column in columns)
    values = ", ".join(_value(dialect, column) for column in columns)
    return f"INSERT INTO {quoted(table)} ({names}) SELECT {values} FROM {STAGING}"


def _value(dialect: Dialect, column: Column, prefix: str = "") -> str:
    name = prefix + quoted(column.name)
    if dialect == "postgresql" and column.kind == "number":
        # through text, which holds all digits of a double; a direct cast keeps fifteen
        return f"CAST(CAST({name} AS text) AS numeric)"
    if dialect == "postgresql" and column.kind == "json":
        return f"CAST({name} AS jsonb)"
    return name
