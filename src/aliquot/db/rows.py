"""Statements that both dialects need in bulk."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_CHUNK = 500


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, leaving those whose key is there already as they are."""
    if rows:
        maker = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(maker(table).on_conflict_do_nothing(), list(rows))


def chunks(values: Iterable[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """Cut values into lists that fit into one `IN (…)`."""
    ordered = list(values) if not isinstance(values, Collection) or not isinstance(values, list) else values
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
