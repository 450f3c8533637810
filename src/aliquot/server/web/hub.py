"""The hub: its tables with their columns, first rows, and a box for one SELECT."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from aliquot.hub.query import HubTable, Rows
from aliquot.hub.query_apart import MOST_SECONDS, query_apart
from aliquot.lab.hub_tables import first_rows, table_of, tables_of
from aliquot.model.errors import Invalid, Unavailable
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit

routes = Routes()

SHOWN = 500
TAKEN = 100_000
"""Rows that a query shows, and that a file of it has, at most."""
Sql = Annotated[str, Query(max_length=20_000)]


@dataclass(frozen=True, slots=True)
class HubPage:
    """The tables, and a query with its answer: `rows`, or why there are none in `problem`."""

    tables: list[HubTable]
    sql: str
    rows: Rows | None
    problem: str
    may_query: bool
    shown: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TablePage:
    """A table: its columns with their types, where it was loaded from, and its first rows."""

    table: HubTable
    rows: Rows
    may_query: bool


@routes.page("/hub", template="hub.html", action="table.read")
def show_hub(visit: AVisit, sql: Sql = "") -> HubPage:
    """List the tables; with a query, show what it gives."""
    with visit.read() as connection:
        found = tables_of(visit.lab, connection, visit.projects("table.read"))
    rows, problem = None, ""
    if sql.strip():
        visit.require("hub.query", subject="hub")
        try:
            rows = query_apart(visit.lab.hub, sql, SHOWN)
        except (Invalid, Unavailable) as error:
            problem = error.message
    return HubPage(found, sql, rows, problem, visit.may("hub.query"), SHOWN, MOST_SECONDS)


@routes.page("/hub/tables/{name}", template="hub_table.html", action="table.read")
def show_table(visit: AVisit, name: str) -> TablePage:
    """Show a table's columns and first rows."""
    with visit.read() as connection:
        table = table_of(visit.lab, connection, visit.projects("table.read"), name)
    return TablePage(table, first_rows(visit.lab, table), visit.may("hub.query"))


@routes.raw("GET", "/hub/tables/{name}/csv", action="table.read")
def take_table(visit: AVisit, name: str) -> Response:
    """Give a table as comma-separated values."""
    with visit.read() as connection:
        table = table_of(visit.lab, connection, visit.projects("table.read"), name)
    return _csv(first_rows(visit.lab, table, TAKEN), f"{name}.csv")


@routes.raw("GET", "/hub/csv", action="hub.query")
def take_query(visit: AVisit, sql: Sql = "") -> Response:
    """Give what a query gives as comma-separated values."""
    return _csv(query_apart(visit.lab.hub, sql, TAKEN), "query.csv")


def _csv(rows: Rows, name: str) -> Response:
    if rows.truncated:
        words = f"There are more than {TAKEN:,} rows; choose some, or use `aliquot hub query --csv`."
        raise Invalid("rows-too-many", words)
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return StreamingResponse(_lines(rows), headers=headers, media_type="text/csv; charset=utf-8")


def _lines(rows: Rows) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.columns)
    for at in range(0, len(rows.rows) + 1, 1000):
        writer.writerows(rows.rows[at : at + 1000])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
