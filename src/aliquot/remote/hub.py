"""The hub of a lab on a server: its tables, and one SELECT."""

from dataclasses import dataclass

from aliquot.hub.query import HubTable, Rows
from aliquot.lab.loads import Loaded
from aliquot.model.errors import Invalid
from aliquot.remote.client import Client

MOST = 10_000
"""Rows that one query gives over the network, at most."""


def tables(client: Client) -> list[HubTable]:
    """List the tables, and what was loaded into each last."""
    return list(client.each(HubTable, "/hub/tables", "tables", by="after"))


@dataclass(frozen=True, slots=True)
class Loads:
    """What became of each load."""

    loads: list[Loaded]


def load(client: Client) -> list[Loaded]:
    """Do again the loads that failed, and the ones that wait."""
    return client.work(Loads, "/hub/load", once=True).loads


def query(client: Client, sql: str, limit: int) -> Rows:
    """Run one SELECT and give at most `limit` rows."""
    if not sql.strip(" ;\n\t"):
        raise Invalid("query-empty", "There is no query; write a SELECT.")
    return client.post(Rows, "/hub/query", {"sql": sql, "limit": limit})
