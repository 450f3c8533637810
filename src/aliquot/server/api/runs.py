"""`/api/v1/runs`: runs for programs."""

from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from aliquot.lab.posted import Answer
from aliquot.lab.run_detail import RunDetail, run_detail
from aliquot.lab.runs import RunLine
from aliquot.lab.starting import Wish, start_wished
from aliquot.server.answers import json_answer, json_bytes
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.runs import PAGE, Limit, page_of_runs, project_of_run

routes = Routes("/api/v1")


class RunList(BaseModel):
    """Runs, newest first; `next` is the cursor of what follows, null at the end."""

    runs: list[RunLine]
    next: str | None = Field(examples=["djE6MTI"])


class NewRun(BaseModel):
    """What a run shall do."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"pipeline": "summaries", "parameters": {"threshold": 3}, "inputs": {"plates": "plates@2"}}]
        },
    )

    pipeline: str = Field(description="An applied pipeline.")
    parameters: dict[str, Any] = Field({}, description="Values by name; those that are left out have their defaults.")
    inputs: dict[str, str] = Field({}, description="References by input, where it is not the newest version.")
    publish: bool = Field(False, description="Make the outputs versions of their datasets, and load tables.")
    priority: int | None = Field(None, description="Tasks of runs with a higher number start first.")
    deadline: float | None = Field(None, gt=0, allow_inf_nan=False, description="Seconds that it may take.")


class Started(BaseModel):
    """A run that has been queued."""

    run: int = Field(examples=[12])
    state: str = Field(examples=["QUEUED"])


@routes.api("GET", "/runs", action="run.read")
def list_runs(
    visit: AVisit,
    pipeline: str = "",
    state: str = "",
    who: str = "",
    cursor: str = "",
    limit: Limit = PAGE,
) -> RunList:
    """List runs, newest first."""
    found, following = page_of_runs(visit, pipeline, state, cursor, limit, who)
    return RunList(runs=found, next=following)


@routes.api("GET", "/runs/{number}", action="run.read", project=project_of_run)
def show_run(visit: AVisit, number: int) -> RunDetail:
    """Show a run: its steps, what is parked and why."""
    with visit.read() as connection:
        return run_detail(connection, number, visit.lab.config.pools)


@routes.api("POST", "/runs", action="run.start", status=201, makes=True)
def start_run(visit: AVisit, wish: Annotated[NewRun, Body()]) -> Started:
    """Start a run. With an Idempotency-Key, the same request again starts none and gets the same answer."""

    def work(connection: Connection) -> Answer:
        wished = Wish(**wish.model_dump())
        number = start_wished(connection, wished, visit.by)
        return Answer(201, {"run": number, "state": "QUEUED"})

    answer = visit.once(json_bytes(wish), work)
    response = json_answer(visit.request, answer.document, answer.status)
    response.headers["location"] = f"/api/v1/runs/{answer.document['run']}"
    return response  # type: ignore[return-value]
