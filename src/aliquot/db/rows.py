"""Statements that both dialects need in bulk."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

_CHUNK = 500
_TOGETHER = (1024, 256, 64, 16, 4, 1)
_PLACES = 30_000
"""Values that a statement of SQLite may have: it takes 32,766."""
_AT_ONCE = 10_000


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows, leaving those whose key is there already as they are, and say how many were new."""
    if not rows:
        return 0
    maker = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return connection.execute(maker(table).on_conflict_do_nothing(), list(rows)).rowcount


def insert_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    missing: bool = False,
    replace: Sequence[str] = (),
    same: Mapping[str, int] | None = None,
) -> int:
    """Insert many rows given as plain values in the order of `columns`, and say how many were new.

    JSON has to be text already (`json_text`). With `missing`, rows whose key is there already stay as they are; with
    `replace`, the columns of a key, they get the new values. `same` are numbers that all rows have in further columns.
    This leaves out what SQLAlchemy does for each row, which costs more than the databases' own work.
    """
    if not rows:
        return 0
    alike = same or {}
    quote = connection.dialect.identifier_preparer.quote
    place = "%s" if connection.dialect.name == "postgresql" else "?"
    names = ", ".join(quote(column) for column in (*columns, *alike))
    one = f"({', '.join([place] * len(columns) + [str(int(number)) for number in alike.values()])})"
    conflict = " ON CONFLICT DO NOTHING" if missing else ""
    if replace:
        changed = [quote(column) for column in columns if column not in replace]
        values_of = ", ".join(f"{column} = excluded.{column}" for column in changed)
        conflict = f" ON CONFLICT ({', '.join(map(quote, replace))}) DO UPDATE SET {values_of}"
    start = f"INSERT INTO {quote(table.name)} ({names}) VALUES "  # noqa: S608  # names are ours
    # SQLite takes a row out of a statement of many for less than a statement of one, and after each statement the
    # interpreter has to be got back from other threads. psycopg sends many at once anyway.
    together = (1,) if place == "%s" else [each for each in _TOGETHER if each * len(columns) <= _PLACES]
    count = 0
    for part in chunks(rows, _AT_ONCE):
        done = 0
        for each in together:
            whole = len(part) - (len(part) - done) % each
            given = [tuple(chain.from_iterable(part[at : at + each])) for at in range(done, whole, each)]
            if given:
                count += connection.exec_driver_sql(start + ", ".join([one] * each) + conflict, given).rowcount
            done = whole
    return count


def update_rows(
    connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Change many rows given as plain values, those of `columns` and then those of `keys`, which find the row."""
    if not rows:
        return
    quote = connection.dialect.identifier_preparer.quote
    place = "%s" if connection.dialect.name == "postgresql" else "?"
    values = ", ".join(f"{quote(column)} = {place}" for column in columns)
    found = " AND ".join(f"{quote(key)} = {place}" for key in keys)
    statement = f"UPDATE {quote(table.name)} SET {values} WHERE {found}"  # noqa: S608  # names are ours
    connection.exec_driver_sql(statement, [tuple(row) for row in rows])


def json_text(value: Any) -> str:
    """Write a JSON value as the databases keep it."""
    return _JSON.encode(value)


_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def among(connection: Connection, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Give the condition that a column is one of these texts: thousands of them for the price of one parameter.

    Not as a table to join with: for each row of that, either database may then read all of the other.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), postgresql.ARRAY(Text())))
    return column.in_(select(func.json_each(json_text(list(values))).table_valued("value", name="wanted").c.value))


def among_listed(dialect: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Give the condition, for statements that are made once, that a column is one of what is `listed`.

    Whole numbers, or texts without NUL.
    """
    if dialect == "postgresql":
        return column == any_(bindparam("b_listed", type_=postgresql.ARRAY(column.type)))
    return column.in_(select(func.json_each(bindparam("b_listed")).table_valued("value", name="wanted").c.value))


def listed(connection: Connection, values: Iterable[int] | Iterable[str]) -> dict[str, Any]:
    """Give the parameter that a statement with `among_listed` takes."""
    given = list(values)
    return {"b_listed": given if connection.dialect.name == "postgresql" else json_text(given)}


def all_rows(connection: Connection, query: Select[*tuple[Any, ...]], given: Mapping[str, Any]) -> Sequence[Any]:
    """Read all rows of a statement that is made once, of texts and whole numbers, in no order.

    From SQLite they come as one value, unless they are very many: for each row that is fetched, the interpreter is let
    go, and has to be got back from whatever thread is at it.
    """
    if connection.dialect.name == "sqlite":
        rows: list[Any] = json.loads(connection.execute(_as_one(query), given).scalar_one())
        if len(rows) <= _AT_ONCE:
            return rows
    return connection.execute(query, given).all()


@lru_cache(100)
def _as_one(query: Select[*tuple[Any, ...]]) -> Select[str]:
    # A value of SQLite has a billion bytes at most.
    return select(func.json_group_array(func.json_array(*query.limit(_AT_ONCE + 1).subquery().c)))


def each_of(connection: Connection, values: Iterable[str]) -> Any:
    """Give a column of these texts, a row for each, in no order: for asking the same of each of them at once."""
    if connection.dialect.name == "postgresql":
        function = func.unnest(literal(list(values), postgresql.ARRAY(Text())))
        return function.table_valued("value", name="each_of").render_derived().c.value
    return func.json_each(json_text(list(values))).table_valued("value", name="each_of").c.value


def chunks(values: Iterable[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """Cut values into lists that fit into one `IN (…)`."""
    ordered = list(values) if not isinstance(values, Collection) or not isinstance(values, list) else values
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def reserve_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """Give so many ids for new rows of a table, ascending, in a transaction that writes."""
    if connection.dialect.name == "postgresql":
        query = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")
        return sorted(connection.execute(query, {"table": table.name, "count": count}).scalars())
    last = int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())
    return list(range(last + 1, last + 1 + count))
