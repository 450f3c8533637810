# ruff: noqa: S608 - names are written by quoted, texts by text_literal
"""Asking the hub: read-only queries, and what tables there are."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from aliquot.definitions.problem import instead, sentence_end
from aliquot.hub import ledger
from aliquot.hub.columns import OURS
from aliquot.hub.hub import Hub, Session, quoted, text_literal
from aliquot.hub.query_postgresql import Cell, postgresql_rows
from aliquot.model.errors import Invalid

SECONDS = 60
"""For how long a query may run on PostgreSQL. SQLite's driver cannot be interrupted."""

VIEW = "_aliquot_query"
_NO_TABLE = re.compile(r'no such table: (?:main\.)?([^\s"]+)|relation "(?:public\.)?([^"]+)" does not exist')
_NO_COLUMN = re.compile(r'no such column: (?:\w+\.)?([^\s"]+)|column "?(?:\w+\.)?([^\s"]+)"? does not exist')
_WORD = re.compile(r"\w+")
DECLARED = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "INT": "integer",
    "REAL": "number",
    "NUMERIC": "number",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DATETIME": "datetime",
    "TIME": "time",
    "JSON": "json",
    "TEXT": "string",
}
_FOUND = {"i": "integer", "r": "number", "t": "string", "b": "binary"}


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query gave: names and types of its columns, rows of plain JSON values, and whether there were more.

    Types are those of hub columns, or `binary` (hexadecimal text). Dates and times are ISO 8601 text. A number is a
    float; cast it to text in the query to see more than 17 digits.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    truncated: bool


@dataclass(frozen=True, slots=True)
class HubTable:
    """A table of the hub: columns as (name, type), key, number of rows, and its last load."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    rows: int
    dataset: str | None
    version: int | None
    run: int
    loaded_at: str


def query(hub: Hub, sql: str, limit: int = 1000, seconds: float = SECONDS) -> Rows:
    """Run one SELECT and give at most `limit` rows.

    The database itself keeps it from writing: the file is opened for reading, the transaction is read-only and rolled
    back. Whatever is not one SELECT, and whatever the database rejects, is `Invalid` with the database's own words.
    """
    if limit < 0:
        raise Invalid("query-limit", "The limit is below zero; give a number of rows.", limit=limit)
    with refused_in_words(hub, sql) as statement:
        if hub.dialect == "sqlite":
            with hub.reading() as session:
                return _on_sqlite(session, statement, limit)
        return _on_postgresql(hub, statement, limit, seconds)


@contextmanager
def refused_in_words(hub: Hub, sql: str) -> Generator[str]:
    """Give the statement without its end; what the database refuses is told with what to write instead."""
    statement = sql.strip().rstrip(";").strip()
    if not statement:
        raise Invalid("query-empty", "There is no query; write a SELECT.")
    try:
        yield statement
    except Invalid as error:
        if error.code in {"query-too-long", "query-canceled", "hub-reader-refused"}:
            raise
        said = str(error.facts.get("said") or error.message).strip()
        sentence = f"The hub refused the query: {_reason(said)}{_advice(hub, statement, said)}"
        raise Invalid("query-refused", sentence, said=said) from error


def tables(hub: Hub) -> list[HubTable]:
    """Give the tables that were loaded, by name, with what was loaded into them last."""
    with hub.reading() as session:
        if not ledger.is_prepared(session):
            return []
        found: list[HubTable] = []
        for known in ledger.known_tables(session):
            columns = [(column.name, str(column.kind)) for column in known.shape.columns]
            columns += [(name, str(kind)) for name, kind in OURS.items()]
            rows = session.rows(f"SELECT count(*) AS n FROM {quoted(known.table)}")[0][0]
            last = (known.dataset, known.version, known.run, known.loaded_at)
            found.append(HubTable(known.table, tuple(columns), known.shape.key, rows, *last))
        return found


def _on_sqlite(session: Session, statement: str, limit: int) -> Rows:
    # A view takes nothing but one SELECT, and knows what type each of its columns was declared with. It lies in
    # the connection's own temporary database; after it, not even that can be written.
    body = f"SELECT * FROM (\n{statement}\n)"
    session.execute(f"CREATE TEMP VIEW {VIEW} AS {body}")
    session.execute("PRAGMA query_only = on")
    kept: str = session.rows(f"SELECT sql FROM sqlite_temp_master WHERE name = '{VIEW}'")[0][0]
    if not kept.endswith(body):  # the driver drops, in silence, what follows the first statement
        raise Invalid("query-refused", "there is more than one statement")
    declared = session.rows(f"SELECT name, type FROM pragma_table_info({text_literal(VIEW)}) ORDER BY cid")
    # The driver guesses a column's type from its first rows: each value travels as text, led by its own type.
    tagged = ", ".join(
        f"CASE typeof({name}) WHEN 'integer' THEN 'i' || {name} WHEN 'real' THEN 'r' || printf('%!.17g', {name}) "
        f"WHEN 'text' THEN 't' || {name} WHEN 'blob' THEN 'b' || hex({name}) ELSE 'n' END AS c{at}"
        for at, (name, _) in enumerate((quoted(name), kind) for name, kind in declared)
    )
    texts: list[tuple[str, ...]] = session.rows(f"SELECT {tagged} FROM {VIEW} LIMIT {limit + 1}")
    types = [
        _sqlite_type(kind, {text[0] for text in column if text != "n"})
        for (_, kind), column in zip(declared, zip(*texts, strict=True) if texts else [()] * len(declared), strict=True)
    ]
    rows = [tuple(_sqlite_value(text, kind) for text, kind in zip(row, types, strict=True)) for row in texts[:limit]]
    return Rows(tuple(name for name, _ in declared), tuple(types), rows, len(texts) > limit)


def _sqlite_type(declared: str, tags: set[str]) -> str:
    """Give a column's type: what was declared where the values agree with it, what was found otherwise."""
    kind = DECLARED.get(declared.upper())
    if kind in {"boolean", "integer"} and tags <= {"i"}:
        return kind
    if kind == "number" and tags <= {"i", "r"}:
        return kind
    if kind in {"date", "datetime", "time", "json", "string"} and tags <= {"t"}:
        return kind
    if tags == {"i", "r"}:
        return "number"
    return _FOUND[next(iter(tags))] if len(tags) == 1 else "string"


def _sqlite_value(text: str, kind: str) -> Cell:
    tag, value = text[0], text[1:]
    if tag == "n":
        return None
    if kind == "boolean":
        return value != "0"
    if kind == "number":
        return float(value)
    return int(value) if tag == "i" and kind == "integer" else value


def _on_postgresql(hub: Hub, statement: str, limit: int, seconds: float) -> Rows:
    with postgresql_rows(hub, statement, seconds) as found:
        texts = found.take(limit + 1)
        return Rows(found.columns, found.types, texts[:limit], len(texts) > limit)


def _advice(hub: Hub, statement: str, said: str) -> str:
    """Say what to write instead: the table or column that was meant, or what a query may be at all."""
    if unknown := _NO_TABLE.search(said):
        names = [each.name for each in tables(hub)]
        return sentence_end(instead(unknown[1] or unknown[2], names))
    if unknown := _NO_COLUMN.search(said):
        words = set(_WORD.findall(statement))
        names = sorted({name for each in tables(hub) if each.name in words for name, _ in each.columns})
        return sentence_end(instead(unknown[1] or unknown[2], names))
    return ". Only a single SELECT is allowed, over the tables that `aliquot hub tables` lists."


def _reason(said: str) -> str:
    """Give what a person needs of the database's words: its first line without the driver's own prefix."""
    line = said.splitlines()[0] if said else "no reason given"
    for prefix in ("Failed to prepare query: ", "Failed to step query: ", "[SQLite] "):
        line = line.rpartition(prefix)[2]
    return line.rstrip(".")
