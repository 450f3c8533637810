"""One SELECT on PostgreSQL, in a transaction that can only read, under a role that can only read."""

import json
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aliquot.hub.hub import Hub, require, unreachable
from aliquot.hub.reader import require_reader
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    from psycopg import Connection, ServerCursor

Cell = bool | int | float | str | None

_CURSOR = "_aliquot_query"
_AT_ONCE = 5_000
_TYPES = {
    "bool": "boolean",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "number",
    "float8": "number",
    "numeric": "number",
    "date": "date",
    "timestamp": "datetime",
    "timestamptz": "datetime",
    "time": "time",
    "json": "json",
    "jsonb": "json",
    "bytea": "binary",
}
_READER = "pg_read_all_data"
"""What a superuser becomes before a person's query runs: it reads tables, and neither files nor programs."""
_GIVES_BACK = re.compile(r'set_config|_to_xml|ts_stat|ts_rewrite|dblink|U&"', re.IGNORECASE)
"""Functions that could give a superuser its rights back, or run a text as SQL that does, and names in disguise."""
_RIGHTS = """
SELECT rolsuper, current_setting('server_version_num')::int,
  pg_has_role(oid, 'pg_read_server_files', 'MEMBER') OR pg_has_role(oid, 'pg_execute_server_program', 'MEMBER')
FROM pg_roles WHERE rolname = session_user"""


@dataclass(slots=True)
class PostgresqlRows:
    """What a query gives: names and types of its columns, and its rows as they are fetched."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    cursor: "ServerCursor[tuple[Any, ...]]"

    def take(self, most: int) -> list[tuple[Cell, ...]]:
        """Give the next rows, as plain values."""
        return [tuple(_plain(value) for value in row) for row in self.cursor.fetchmany(most)]

    def pieces(self) -> Iterable[list[tuple[Any, ...]]]:
        """Give all rows, some thousands at a time, with the values that the database gave."""
        while rows := self.cursor.fetchmany(_AT_ONCE):
            yield rows


@contextmanager
def postgresql_rows(hub: Hub, statement: str, seconds: float) -> Generator[PostgresqlRows]:
    """Run one SELECT as the hub's reader, for `seconds` at most; everything is undone at the end.

    A reader that may more than read is `Invalid`. Without one, it is the hub's own role, less what a superuser may.
    """
    psycopg = require("psycopg", "postgresql")
    setting = "hub"
    if hub.reader:
        hub, setting = Hub(hub.dialect, hub.reader, hub.reader), "hub_reader"
    try:
        connection: Connection[tuple[Any, ...]] = psycopg.connect(hub.location)
    except psycopg.Error as error:
        raise unreachable(hub, str(error), setting) from error
    try:
        with connection:
            connection.read_only = True
            with connection.transaction(force_rollback=True):
                _bound(connection, seconds)
                if hub.reader:
                    require_reader(connection)
                else:
                    _restrict(connection, statement)
                # DECLARE takes one SELECT and nothing else; rows come when they are fetched: the rest never travels
                with connection.cursor(name=_CURSOR) as cursor:
                    cursor.execute(statement.encode())
                    described = cursor.description or []
                    known = connection.adapters.types
                    types = (_TYPES.get(getattr(known.get(each.type_code), "name", ""), "string") for each in described)
                    yield PostgresqlRows(tuple(each.name for each in described), tuple(types), cursor)
    except psycopg.errors.QueryCanceled as error:
        words = f"The query ran for more than {seconds:.0f} seconds and was ended; narrow it down."
        raise Invalid("query-too-long", words) from error
    except psycopg.errors.ConnectionException as error:
        raise unreachable(hub, str(error), setting) from error
    except psycopg.Error as error:
        raise Invalid("query-refused", str(error)) from error
    finally:
        connection.close()


def _bound(connection: "Connection[tuple[Any, ...]]", seconds: float) -> None:
    connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))
    # Where the asking process is gone, the server ends the query by itself; servers before 14 cannot.
    connection.execute(
        "SELECT set_config(name, '1s', true) FROM pg_settings WHERE name = 'client_connection_check_interval'"
    )


def _restrict(connection: "Connection[tuple[Any, ...]]", statement: str) -> None:
    found = connection.execute(_RIGHTS).fetchone()
    superuser, version, reads_files = found or (False, 0, False)
    if not (superuser or reads_files):
        return
    if not superuser or version < 140_000:
        words = "The hub's role may read the server's files; let 'hub:' name one that may read tables and nothing else"
        raise Invalid("query-refused", words)
    if disguised := _GIVES_BACK.search(statement):
        words = f"{disguised[0]} is not for a hub whose role is a superuser; let 'hub:' name one that may only read"
        raise Invalid("query-refused", words)
    connection.execute(f"SET LOCAL ROLE {_READER}".encode())


def _plain(value: object) -> Cell:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, timedelta):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
