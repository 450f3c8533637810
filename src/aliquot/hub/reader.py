"""The hub's reader: a role of PostgreSQL that may read tables and nothing else, as is looked at before it is used."""

from typing import TYPE_CHECKING, Any, NamedTuple

from aliquot.hub.hub import Hub, require, unreachable
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    from psycopg import Connection

_MORE = """
WITH mine AS (SELECT * FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')),
  schemas AS (SELECT * FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT CASE
  WHEN EXISTS (SELECT FROM mine WHERE rolsuper) THEN 'is a superuser, or may become one'
  WHEN EXISTS (SELECT FROM mine WHERE rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
    THEN 'may make roles or databases, or pass by the rules of tables'
  WHEN EXISTS (SELECT FROM schemas, mine WHERE has_schema_privilege(mine.oid, schemas.oid, 'CREATE'))
    THEN 'may make tables'
  WHEN EXISTS (SELECT FROM pg_class AS t JOIN schemas ON schemas.oid = t.relnamespace, mine
      WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (t.relowner = mine.oid OR has_table_privilege(mine.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
          OR has_any_column_privilege(mine.oid, t.oid, 'INSERT, UPDATE')))
    THEN 'may change tables'
  WHEN EXISTS (SELECT FROM mine WHERE rolname ~ '^pg_' AND rolname <> 'pg_read_all_data')
    THEN 'is a member of a role of the server that does more than read tables'
END"""
"""What the role of a connection, and each that it could become, may do beside reading; null: nothing."""


def require_reader(connection: "Connection[tuple[Any, ...]]") -> None:
    """Refuse a role that may more than read, before a person's query runs under it."""
    found = connection.execute(_MORE).fetchone()
    if found is None or found[0] is None:
        return
    words = (
        f"The role of 'hub_reader' in aliquot.yaml {found[0]}; let it be one that may read the hub's tables and "
        "nothing else. No query runs until then."
    )
    raise Invalid("hub-reader-refused", words)


class _Database(NamedTuple):
    """What tells databases apart: number and name in its server, and the server's own number, None where it is secret.

    A standby has the numbers of the server that it follows: it may well be the one that people ask.
    """

    number: int
    name: str
    server: str | None


_proved: set[tuple[str, str]] = set()
"""Pairs of URLs that were seen to lead to one database."""


def require_same_database(hub: Hub) -> None:
    """Refuse a reader of another database than the hub's own; what was proved once is not asked again.

    Where one of them is out of reach, it is `Unavailable`.
    """
    if not hub.reader or (hub.location, hub.reader) in _proved:
        return
    own, other = _database(hub, "hub"), _database(Hub(hub.dialect, hub.reader), "hub_reader")
    if own.server is None or other.server is None:
        own, other = own._replace(server=None), other._replace(server=None)
    if own != other:
        where = (
            f"the database {other.name!r}" if own.name != other.name else f"another server's database {other.name!r}"
        )
        words = (
            f"'hub_reader' in aliquot.yaml leads to {where}, and 'hub' to {own.name!r}: people would ask other tables "
            "than those that are loaded. Let both name one database; only the role differs."
        )
        raise Invalid("hub-reader-elsewhere", words, hub=hub.label)
    _proved.add((hub.location, hub.reader))


def _database(hub: Hub, setting: str) -> _Database:
    psycopg = require("psycopg", "postgresql")
    try:
        with psycopg.connect(hub.location) as connection:
            number, name, may = connection.execute(
                "SELECT oid::bigint, datname, has_function_privilege('pg_control_system()', 'EXECUTE') "
                "FROM pg_database WHERE datname = current_database()"
            ).fetchone()
            told = connection.execute("SELECT system_identifier::text FROM pg_control_system()") if may else None
            return _Database(number, name, told.fetchone()[0] if told else None)
    except psycopg.Error as error:
        raise unreachable(hub, str(error), setting) from error
