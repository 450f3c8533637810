"""The hub: its tables with their columns, first rows, a box for one SELECT, and all rows as files."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import anyio.from_thread
import anyio.to_thread
from fastapi import Query
from starlette.responses import Response, StreamingResponse

from aliquot.hub.asking import Asking, asking, end_queries
from aliquot.hub.hub import quoted
from aliquot.hub.query import HubTable, Rows
from aliquot.hub.query_apart import MOST_SECONDS, csv_apart, parquet_apart, query_apart
from aliquot.lab.hub_tables import first_rows, table_of, tables_of
from aliquot.model.errors import Invalid, Unavailable
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

SHOWN = 500
"""Rows that a query shows at most."""
_PIECE = 1 << 20
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
            with asked_by(visit) as stop:
                rows = query_apart(visit.lab.hub, sql, SHOWN, stop=stop)
        except (Invalid, Unavailable) as error:
            problem = error.message
    return HubPage(found, sql, rows, problem, visit.may("hub.query"), SHOWN, MOST_SECONDS)


@routes.raw("POST", "/hub/cancel", action="hub.query")
def cancel_queries(visit: AVisit) -> Response:
    """End what the person has under way; the page stays as it is."""
    end_queries(visit.lab.catalogue, visit.by.name)
    return Response(status_code=204)


@routes.page("/hub/tables/{name}", template="hub_table.html", action="table.read")
def show_table(visit: AVisit, name: str) -> TablePage:
    """Show a table's columns and first rows."""
    with visit.read() as connection:
        table = table_of(visit.lab, connection, visit.projects("table.read"), name)
    return TablePage(table, first_rows(visit.lab, table), visit.may("hub.query"))


@routes.raw("GET", "/hub/tables/{name}/csv", action="table.read")
def take_table_csv(visit: AVisit, name: str) -> Response:
    """Give a table as comma-separated values."""
    return _csv(visit, _all_of(visit, name), name)


@routes.raw("GET", "/hub/tables/{name}/parquet", action="table.read")
def take_table_parquet(visit: AVisit, name: str) -> Response:
    """Give a table as Parquet."""
    return _parquet(visit, _all_of(visit, name), name)


@routes.raw("GET", "/hub/csv", action="hub.query")
def take_query_csv(visit: AVisit, sql: Sql = "") -> Response:
    """Give all rows of a query as comma-separated values."""
    return _csv(visit, sql, "query")


@routes.raw("GET", "/hub/parquet", action="hub.query")
def take_query_parquet(visit: AVisit, sql: Sql = "") -> Response:
    """Give all rows of a query as Parquet."""
    return _parquet(visit, sql, "query")


def _all_of(visit: Visit, name: str) -> str:
    with visit.read() as connection:
        table = table_of(visit.lab, connection, visit.projects("table.read"), name)
    return f"SELECT * FROM {quoted(table.name)}"  # noqa: S608 - written by quoted


@contextmanager
def asked_by(visit: Visit) -> Generator[Callable[[], bool]]:
    """Note a query of the person; gives what says that they have ended it, or have left."""
    with asking(visit.lab.catalogue, visit.by.name) as mine:
        yield lambda: mine.ended or anyio.from_thread.run(visit.request.is_disconnected)


def _csv(visit: Visit, sql: str, name: str) -> Response:
    with ExitStack() as begun:
        mine = begun.enter_context(asking(visit.lab.catalogue, visit.by.name))
        # Once the answer has begun, the server itself hears whether somebody still listens.
        alone: list[bool] = []
        stop: Callable[[], bool] = lambda: (  # noqa: E731 - it shares `alone` and `mine`
            mine.ended or (not alone and anyio.from_thread.run(visit.request.is_disconnected))
        )
        pieces = csv_apart(visit.lab.hub, sql, stop)
        alone.append(True)
        sent = _sent(pieces, begun.pop_all(), mine)
    return StreamingResponse(sent, headers=_saved(f"{name}.csv"), media_type="text/csv; charset=utf-8")


def _parquet(visit: Visit, sql: str, name: str) -> Response:
    with ExitStack() as begun:
        with asked_by(visit) as stop:
            path = begun.enter_context(parquet_apart(visit.lab.hub, sql, stop))
        headers = _saved(f"{name}.parquet") | {"content-length": str(path.stat().st_size)}
        sent = _sent(_pieces(path), begun.pop_all(), None)
    return StreamingResponse(sent, headers=headers, media_type="application/vnd.apache.parquet")


def _pieces(path: Path) -> Generator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


async def _sent(pieces: Generator[bytes], kept: ExitStack, query: Asking | None) -> AsyncGenerator[bytes]:
    """Send pieces; where nobody listens any more, what makes them ends, even while it has none to give."""
    try:
        while piece := await anyio.to_thread.run_sync(next, pieces, b"", abandon_on_cancel=True):
            yield piece
    finally:
        if query is not None:
            query.end()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_close, pieces, kept)


def _close(pieces: Generator[bytes], kept: ExitStack) -> None:
    with kept, suppress(ValueError):  # one that is at work in another thread hears by itself that it is ended
        pieces.close()


def _saved(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
