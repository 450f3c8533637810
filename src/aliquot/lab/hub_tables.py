"""The hub's tables for the people who may see them."""

from collections.abc import Collection

from sqlalchemy import Connection

from aliquot.access.by import unseen
from aliquot.access.rights import EVERYWHERE
from aliquot.hub.hub import quoted
from aliquot.hub.query import HubTable, Rows, tables
from aliquot.hub.query_apart import query_apart
from aliquot.lab.lab import Lab
from aliquot.lab.seen import loaded_by
from aliquot.model.errors import Missing

_ROWS = 50


def tables_of(lab: Lab, connection: Connection, projects: Collection[str] | None) -> list[HubTable]:
    """List the tables of which every row was loaded by runs of these projects; None: all tables."""
    found = tables(lab.hub)
    if projects is None:
        return found
    loaders = loaded_by(connection)
    return [each for each in found if each.name in loaders and loaders[each.name] <= set(projects)]


def table_of(lab: Lab, connection: Connection, projects: Collection[str] | None, name: str) -> HubTable:
    """Give one of them, or `Missing`.

    One into which other projects load, too, is `Unseen`: to who asks it is not there, and the audit keeps the try.
    """
    found = next((each for each in tables(lab.hub) if each.name == name), None)
    if found is not None:
        others = set() if projects is None else loaded_by(connection).get(name, {EVERYWHERE}) - set(projects)
        if not others:
            return found
        raise unseen("table.read", min(others))
    raise Missing("table-missing", f"The hub has no table {name!r} that you may see; the list shows them.", table=name)


def first_rows(lab: Lab, table: HubTable, limit: int = _ROWS) -> Rows:
    """Give the first rows of a table."""
    return query_apart(lab.hub, f"SELECT * FROM {quoted(table.name)}", limit)  # noqa: S608 - written by quoted
