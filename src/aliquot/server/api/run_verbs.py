"""`/api/v1/runs/…`: ending, holding and repeating runs, for programs."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from aliquot.engine import control
from aliquot.engine.parked import chosen_causes
from aliquot.lab import acts_run
from aliquot.lab.compare import RunComparison, compare_runs
from aliquot.lab.posted import Answer
from aliquot.lab.runs import steps
from aliquot.server.answers import json_answer, json_bytes
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.runs import project_of_run

routes = Routes("/api/v1")


class Standing(BaseModel):
    """How a run stands after it was steered."""

    run: int = Field(examples=[12])
    state: str = Field(examples=["PAUSED"])
    priority: int = Field(examples=[0])
    cancel_asked: bool
    looked_after: bool = Field(description="Whether something does its work now.")
    under_way: int = Field(description="Tasks of it that are under way.", examples=[0])


class Chosen(BaseModel):
    """What of the parked tasks shall be tried again: without names and causes, all of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tasks": ["count/3"]}]})

    tasks: list[str] = Field([], max_length=10_000, description="Parked tasks, like count/3.")
    causes: list[str] = Field([], max_length=10, description="Causes of failure, like oom.")


class Priority(BaseModel):
    """A run's priority."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"priority": 10}]})

    priority: int = Field(description="From -1000 to 1000; tasks of runs with a higher number start first.")


class Repeated(BaseModel):
    """The run in which parked tasks are tried again, and how many were chosen.

    `outdated` names its pipeline where another definition of that is applied by now.
    """

    run: int
    parked: int
    outdated: str | None


def _steered(visit: Visit, act: Callable[[Connection], acts_run.RunRow], body: bytes = b"") -> Standing:
    def work(connection: Connection) -> Answer:
        row = act(connection)
        standing = {
            "run": row.id, "state": row.state, "priority": row.priority, "cancel_asked": row.cancel_asked,
            "looked_after": control.looked_after(row),
            "under_way": sum(each.running for each in steps(connection, row.id)),
        }  # fmt: skip
        return Answer(200, standing)

    answer = visit.once(body, work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]


@routes.api("POST", "/runs/{number}/cancel", action="run.cancel", project=project_of_run, makes=True)
def cancel_run(visit: AVisit, number: int) -> Standing:
    """End a run with everything that it has started."""
    return _steered(visit, lambda connection: acts_run.cancel(connection, visit.by, number))


@routes.api("POST", "/runs/{number}/pause", action="run.cancel", project=project_of_run, makes=True)
def pause_run(visit: AVisit, number: int) -> Standing:
    """Let no new task of a run start; what is under way goes on to its end."""
    return _steered(visit, lambda connection: acts_run.pause(connection, visit.by, number))


@routes.api("POST", "/runs/{number}/resume", action="run.cancel", project=project_of_run, makes=True)
def resume_run(visit: AVisit, number: int) -> Standing:
    """Let a paused run go on."""
    return _steered(visit, lambda connection: acts_run.resume(connection, visit.by, number))


@routes.api("POST", "/runs/{number}/priority", action="run.prioritise", project=project_of_run, makes=True)
def prioritise_run(visit: AVisit, number: int, wish: Annotated[Priority, Body()]) -> Standing:
    """Let a run's tasks start before those of runs with a lower number."""
    act = lambda connection: acts_run.prioritise(connection, visit.by, number, wish.priority)  # noqa: E731  # as the others
    return _steered(visit, act, json_bytes(wish))


@routes.api("POST", "/runs/{number}/retry", action="run.retry", project=project_of_run, makes=True)
def retry_run(visit: AVisit, number: int, chosen: Annotated[Chosen, Body()]) -> Repeated:
    """Try parked tasks again: in the run while it is under way, in a new run of what has ended."""

    def work(connection: Connection) -> Answer:
        outdated = control.outdated(connection, number)
        new, parked = acts_run.retry(connection, visit.by, number, chosen.tasks, chosen_causes(chosen.causes))
        return Answer(200, {"run": new, "parked": parked, "outdated": outdated})

    answer = visit.once(json_bytes(chosen), work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]


@routes.api("GET", "/runs/{number}/compare/{other}", action="run.read", project=project_of_run)
def compare_with(visit: AVisit, number: int, other: int) -> RunComparison:
    """Compare a run with an earlier one, which comes second in the address and first in the answer."""
    with visit.read() as connection:
        visit.require("run.read", control.find_run(connection, other).project, f"run {other}")
    return compare_runs(visit.lab, other, number)
