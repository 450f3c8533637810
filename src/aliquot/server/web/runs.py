"""Runs: their list, and one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from sqlalchemy import Connection

from aliquot.engine import control
from aliquot.lab.run_detail import RunDetail, run_detail
from aliquot.lab.runs import RunLine, pipeline_names, runs
from aliquot.model.state import State
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

PAGE = 50
Limit = Annotated[int, Query(ge=1, le=200)]
"""Lines of a list at most."""


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Runs, newest first. `next` is the cursor of what follows, None at the end."""

    runs: list[RunLine]
    pipeline: str
    state: str
    pipelines: list[str]
    states: list[str]
    cursor: str
    next: str | None


def project_of_run(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of the run that a path names."""
    return control.find_run(connection, whole_number(path["number"])).project


def page_of_runs(visit: Visit, pipeline: str, state: str, cursor: str, limit: int) -> tuple[list[RunLine], str | None]:
    """Give a page of the runs that a person may see, and the cursor of the next."""
    projects = visit.projects("run.read")
    with visit.read() as connection:
        found = runs(connection, pipeline or None, state or None, limit + 1, read_cursor(cursor), projects)
    more = write_cursor(found[limit - 1].run) if len(found) > limit else None
    return found[:limit], more


@routes.page("/runs", template="runs.html", action="run.read")
def list_runs(
    visit: AVisit,
    pipeline: str = "",
    state: str = "",
    cursor: str = "",
    limit: Limit = PAGE,
) -> RunsPage:
    """List runs, newest first."""
    found, following = page_of_runs(visit, pipeline, state, cursor, limit)
    with visit.read() as connection:
        named = pipeline_names(connection, visit.projects("run.read"))
    return RunsPage(found, pipeline, state, named, [str(each) for each in State], cursor, following)


@routes.page("/runs/{number}", template="run.html", action="run.read", project=project_of_run)
def show_run(visit: AVisit, number: int) -> RunDetail:
    """Show a run: its steps, what is parked and why."""
    with visit.read() as connection:
        return run_detail(connection, number, visit.lab.config.pools)
