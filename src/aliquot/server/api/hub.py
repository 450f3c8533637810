"""`/api/v1/hub`: the tables that people query, for programs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from aliquot.hub.asking import end_queries
from aliquot.hub.query import HubTable, Rows
from aliquot.hub.query_apart import query_apart
from aliquot.lab.hub_tables import first_rows, table_of, tables_of
from aliquot.lab.loads import Loaded, load_again
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit
from aliquot.server.web.hub import asked_by
from aliquot.server.working import LINES, Progress, told_as_it_goes

routes = Routes("/api/v1")

_LOADED = (
    '{"done": 1, "total": 2, "what": "plates"}\n'
    '{"result": {"loads": [{"table": "plates", "run": 12, "rows": 96, "state": "DONE", "message": ""}]}}\n'
)

MOST_ROWS = 10_000
RowLimit = Annotated[int, Query(ge=1, le=MOST_ROWS)]


class TableList(BaseModel):
    """The hub's tables that one may see, by name; `next` is the `after` of what follows, null at the end."""

    tables: list[HubTable]
    next: str | None = Field(examples=["plates"])


@dataclass(frozen=True, slots=True)
class Loads:
    """What became of each load."""

    loads: list[Loaded]


class HubQuery(BaseModel):
    """One SELECT, and how many of its rows are wanted at most."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"sql": "SELECT well, value FROM plates", "limit": 100}]}
    )

    sql: str = Field(min_length=1, max_length=20_000)
    limit: int = Field(1000, ge=1, le=MOST_ROWS)


@routes.api("GET", "/hub/tables", action="table.read")
def list_tables(visit: AVisit, after: str = "", limit: Limit = PAGE) -> TableList:
    """List the tables, with their columns and what was loaded into each last."""
    with visit.read() as connection:
        known = tables_of(visit.lab, connection, visit.projects("table.read"))
    found = sorted((each for each in known if each.name > after), key=lambda each: each.name)
    return TableList(tables=found[:limit], next=found[limit - 1].name if len(found) > limit else None)


@routes.api("GET", "/hub/tables/{name}", action="table.read")
def show_table(visit: AVisit, name: str) -> HubTable:
    """Show a table: its columns with their types, its key, and where it was loaded from."""
    with visit.read() as connection:
        return table_of(visit.lab, connection, visit.projects("table.read"), name)


@routes.api("GET", "/hub/tables/{name}/rows", action="table.read")
def show_rows(visit: AVisit, name: str, limit: RowLimit = 50) -> Rows:
    """Give a table's first rows; all of them, or some, come by a query."""
    with visit.read() as connection:
        table = table_of(visit.lab, connection, visit.projects("table.read"), name)
    return first_rows(visit.lab, table, limit)


@routes.api("POST", "/hub/query", action="hub.query")
def query(visit: AVisit, wish: Annotated[HubQuery, Body()]) -> Rows:
    """Run one SELECT, which cannot write and ends after 20 seconds; `truncated` says that there were more rows."""
    with asked_by(visit) as stop:
        return query_apart(visit.lab.hub, wish.sql, wish.limit, stop=stop)


@routes.raw("POST", "/hub/load", action="run.publish", media=LINES, makes=True, example=_LOADED)
def load_tables(visit: AVisit) -> Response:
    """Do again the loads that failed, and the ones that wait, of projects in which one may let runs load tables.

    Lines of JSON as it goes, the last with its `result`: each load with its state, rows and message. What has begun is
    done for an asker with a key, also when they leave: sent again with it, it gives the same result.
    """
    kept = visit.remembering(b"")

    def work(told: Progress) -> Loads:
        return Loads(load_again(visit.lab, visit.by, told))

    return told_as_it_goes(work, turn="load", kept=kept)


@routes.api("POST", "/hub/cancel", action="hub.query", status=204, media="")
def cancel_queries(visit: AVisit) -> Response:
    """End all queries that one has under way, on whichever server."""
    end_queries(visit.lab.catalogue, visit.by.name)
    return Response(status_code=204)
