# ruff: noqa: S608 - names are ours, texts are written by text_literal
"""What the hub itself remembers: its tables, and which file of which version is in them.

The ledger lies in the hub, so that it changes in the same transaction as the rows. That makes a load safe to repeat.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aliquot.hub.columns import Column, Shape
from aliquot.hub.hub import Session, text_literal

_TABLES = """
CREATE TABLE IF NOT EXISTS _aliquot_tables (
  table_name TEXT NOT NULL PRIMARY KEY, schema TEXT NOT NULL, digest TEXT NOT NULL,
  dataset TEXT, version BIGINT, run BIGINT NOT NULL, loaded_at TEXT NOT NULL)"""
_LOADS = """
CREATE TABLE IF NOT EXISTS _aliquot_loads (
  table_name TEXT NOT NULL, dataset TEXT, version BIGINT, path TEXT NOT NULL, digest TEXT NOT NULL,
  run BIGINT NOT NULL, rows BIGINT NOT NULL, loaded_at TEXT NOT NULL)"""
_LOADS_INDEX = """
CREATE UNIQUE INDEX IF NOT EXISTS _aliquot_loads_key
ON _aliquot_loads (table_name, path, digest, (COALESCE(dataset, '')))"""
_PATHS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Known:
    """A table of the hub: its shape, and the newest load that it has seen."""

    table: str
    shape: Shape
    dataset: str | None
    version: int | None
    run: int
    loaded_at: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file whose rows are in a table. `rows` are those of the file."""

    dataset: str | None
    version: int | None
    path: str
    digest: str
    run: int
    rows: int


def prepare(session: Session) -> None:
    """Create the ledger where there is none."""
    if is_prepared(session):
        return
    with session.transaction():
        session.lock("")
        for statement in (_TABLES, _LOADS, _LOADS_INDEX):
            session.execute(statement)


def is_prepared(session: Session) -> bool:
    """Say whether the hub has a ledger."""
    return exists(session, "_aliquot_loads")


def exists(session: Session, table: str) -> bool:
    """Say whether the hub has a table or view of this name, ours or not."""
    if session.hub.dialect == "sqlite":
        sql = "SELECT count(*) FROM sqlite_master WHERE lower(name) = lower($1) AND type IN ('table', 'view')"
    else:
        sql = (
            "SELECT count(*) FROM pg_class c WHERE c.relname = $1 AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
            "AND c.relnamespace = to_regnamespace(current_schema()::text)"
        )
    return session.rows(sql, table)[0][0] > 0


def known_tables(session: Session, table: str | None = None) -> list[Known]:
    """Give the tables that were loaded, or the one that is named, by name."""
    sql = "SELECT table_name, schema, dataset, version, run, loaded_at FROM _aliquot_tables"
    rows = session.rows(sql + " WHERE table_name = $1", table) if table else session.rows(sql)
    return sorted((Known(name, _shape(text), *rest) for name, text, *rest in rows), key=lambda known: known.table)


def remember(session: Session, known: Known) -> None:
    """Write down a table's shape and newest load."""
    import polars as pl

    session.execute("DELETE FROM _aliquot_tables WHERE table_name = $1", known.table)
    text = json.dumps(known.shape.document(), ensure_ascii=False)
    row = [(known.table, text, known.shape.digest(), known.dataset, known.version, known.run, known.loaded_at)]
    names = {"table_name": pl.String, "schema": pl.String, "digest": pl.String, "dataset": pl.String}
    types = names | {"version": pl.Int64, "run": pl.Int64, "loaded_at": pl.String}
    session.ingest("_aliquot_tables", pl.DataFrame(row, schema=types, orient="row"))


def loaded_files(session: Session, table: str) -> list[Loaded]:
    """Give the files whose rows are in a table, oldest version first."""
    sql = "SELECT dataset, version, path, digest, run, rows FROM _aliquot_loads WHERE table_name = $1"
    files = [Loaded(*row) for row in session.rows(sql, table)]
    return sorted(files, key=lambda file: (file.version or 0, file.run, file.path))


def record(session: Session, table: str, files: Sequence[Loaded], loaded_at: str) -> None:
    """Write down files whose rows are in a table now."""
    import polars as pl

    types = {"table_name": pl.String, "dataset": pl.String, "version": pl.Int64, "path": pl.String}
    types |= {"digest": pl.String, "run": pl.Int64, "rows": pl.Int64, "loaded_at": pl.String}
    rows: list[tuple[Any, ...]] = [
        (table, f.dataset, f.version, f.path, f.digest, f.run, f.rows, loaded_at) for f in files
    ]
    if rows:
        session.ingest("_aliquot_loads", pl.DataFrame(rows, schema=types, orient="row"))


def forget(session: Session, table: str, dataset: str | None, paths: Iterable[str]) -> None:
    """Strike files of one dataset out of the ledger; their rows are the caller's business."""
    for condition in paths_condition("dataset", "path", dataset, paths):
        session.execute(f"DELETE FROM _aliquot_loads WHERE table_name = $1 AND {condition}", table)


def paths_condition(dataset_column: str, path_column: str, dataset: str | None, paths: Iterable[str]) -> list[str]:
    """Give SQL conditions that name files of one dataset, some hundred in each."""
    chosen = list(paths)
    of_dataset = f"{dataset_column} IS NULL" if dataset is None else f"{dataset_column} = {text_literal(dataset)}"
    return [
        f"{of_dataset} AND {path_column} IN ({', '.join(map(text_literal, chosen[at : at + _PATHS_AT_ONCE]))})"
        for at in range(0, len(chosen), _PATHS_AT_ONCE)
    ]


def _shape(text: str) -> Shape:
    document = json.loads(text)
    return Shape(tuple(Column(c["name"], c["kind"]) for c in document["columns"]), tuple(document["key"]))
