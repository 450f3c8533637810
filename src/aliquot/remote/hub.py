"""The hub of a lab on a server: its tables, and one SELECT."""

from dataclasses import dataclass

from aliquot.hub.query import HubTable, Rows
from aliquot.model.errors import Invalid
from aliquot.remote.client import Client

MOST = 10_000
"""Rows that one query gives over the network, at most."""


@dataclass(frozen=True, slots=True)
class TableList:
    """A page of tables."""

    tables: list[HubTable]
    next: str | None


def tables(client: Client) -> list[HubTable]:
    """List the tables, and what was loaded into each last."""
    return [each for page in client.pages(TableList, "/hub/tables", by="after") for each in page.tables]


def query(client: Client, sql: str, limit: int) -> Rows:
    """Run one SELECT and give at most `limit` rows."""
    if not sql.strip(" ;\n\t"):
        raise Invalid("query-empty", "There is no query; write a SELECT.")
    return client.post(Rows, "/hub/query", {"sql": sql, "limit": limit})
