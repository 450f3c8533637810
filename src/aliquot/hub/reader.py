"""The hub's reader: a role of PostgreSQL that may read tables and nothing else, as is looked at before it is used."""

from typing import TYPE_CHECKING, Any

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
