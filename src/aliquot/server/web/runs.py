"""Runs: their list, and one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from sqlalchemy import Connection

from aliquot.engine import control
from aliquot.engine.pipelines import by_id
from aliquot.lab.graph import Graph, graph_of
from aliquot.lab.run_detail import RunDetail, run_detail
from aliquot.lab.runs import RunLine, StepLine, pipeline_names, runs
from aliquot.model.cause import CAUSES
from aliquot.model.errors import Damaged
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
    who: str
    pipelines: list[str]
    states: list[str]
    cursor: str
    next: str | None


@dataclass(frozen=True, slots=True)
class RunPage(RunDetail):
    """A run with its graph, None where its definition cannot be read any more, and what may be done with it.

    `parked_causes` says how many are parked for which cause, in words; `once` names the forms of this page.
    """

    graph: Graph | None
    project: str
    may: list[str]
    parked_causes: list[tuple[str, str, str]]
    once: str

    @property
    def standing(self) -> dict[str, StepLine]:
        """Give the steps by name, for the graph."""
        return {each.step: each for each in self.steps}


def project_of_run(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of the run that a path names."""
    return control.find_run(connection, whole_number(path["number"])).project


def page_of_runs(
    visit: Visit, pipeline: str, state: str, cursor: str, limit: int, who: str = ""
) -> tuple[list[RunLine], str | None]:
    """Give a page of the runs that a person may see, and the cursor of the next."""
    projects = visit.projects("run.read")
    with visit.read() as connection:
        found = runs(
            connection, pipeline or None, state or None, limit + 1, read_cursor(cursor), projects, who=who or None
        )
    more = write_cursor(found[limit - 1].run) if len(found) > limit else None
    return found[:limit], more


@routes.page("/runs", template="runs.html", action="run.read")
def list_runs(
    visit: AVisit,
    pipeline: str = "",
    state: str = "",
    who: str = "",
    cursor: str = "",
    limit: Limit = PAGE,
) -> RunsPage:
    """List runs, newest first."""
    found, following = page_of_runs(visit, pipeline, state, cursor, limit, who)
    with visit.read() as connection:
        named = pipeline_names(connection, visit.projects("run.read"))
    return RunsPage(found, pipeline, state, who, named, [str(each) for each in State], cursor, following)


@routes.page("/runs/{number}", template="run.html", action="run.read", project=project_of_run)
def show_run(visit: AVisit, number: int) -> RunPage:
    """Show a run: its graph, its steps, what is parked and why."""
    with visit.read() as connection:
        detail = run_detail(connection, number, visit.lab.config.pools)
        row = control.find_run(connection, number)
        try:
            graph = graph_of(by_id(connection, row.definition_id).pipeline)
        except Damaged:
            graph = None
        newest = control.newest_run(connection)
    causes = [
        (str(cause), words.counted(detail.run.causes[cause]), words.advice)
        for cause, words in CAUSES.items()
        if detail.run.causes.get(cause)
    ]
    known = {name: getattr(detail, name) for name in RunDetail.__dataclass_fields__}
    return RunPage(
        **known, graph=graph, project=row.project, may=doable(visit, detail.run, row.project), parked_causes=causes,
        once=f"{number}-{newest}-{detail.run.state}-{sum(each.failed for each in detail.steps)}",
    )  # fmt: skip


def doable(visit: Visit, run: RunLine, project: str) -> list[str]:
    """List what the person may do with a run as it stands."""
    ended = run.ended_at is not None
    canceling = run.state == State.CANCELING
    can = {
        "cancel": not ended and not canceling, "pause": run.state in {State.QUEUED, State.RUNNING},
        "resume": run.state == State.PAUSED, "prioritise": not ended, "retry": True, "start": True,
    }  # fmt: skip
    actions = {"prioritise": "run.prioritise", "retry": "run.retry", "start": "run.start"}
    return [each for each, now in can.items() if now and visit.may(actions.get(each, "run.cancel"), project)]
