"""`/api/v1/pipelines`: pipelines for programs."""

from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field

from aliquot.engine.advise import Advice, advise
from aliquot.engine.pipelines import current
from aliquot.engine.preview import Intent, preview
from aliquot.engine.start import Order
from aliquot.lab.acts_run import require_readable
from aliquot.lab.pipeline_look import (
    PipelineDetail,
    PipelineLine,
    VersionOfPipeline,
    pipeline_detail,
    pipeline_lines,
    pipeline_versions,
)  # fmt: skip
from aliquot.lab.start_form import PlanWords, plan_words
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.pipelines import project_of_pipeline
from aliquot.server.web.runs import PAGE, Limit

routes = Routes("/api/v1")


class PipelineList(BaseModel):
    """The pipelines that are applied, by name."""

    pipelines: list[PipelineLine]


class PipelineVersions(BaseModel):
    """Versions of a pipeline, newest first; `next` is the cursor of what follows, null at the end."""

    versions: list[VersionOfPipeline]
    next: str | None


class AdviceList(BaseModel):
    """What each step of a pipeline needed."""

    steps: list[Advice]


class WholePlan(BaseModel):
    """What a run would do with every datum that is known."""

    intents: list[Intent]


class PlanWish(BaseModel):
    """What a run would be given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"parameters": {"threshold": 3}, "inputs": {"plates": "plates@2"}}]},
    )

    parameters: dict[str, Any] = Field({}, description="Values by name; those that are left out have their defaults.")
    inputs: dict[str, str] = Field({}, description="References by input, where it is not the newest version.")


@routes.api("GET", "/pipelines", action="pipeline.read")
def list_pipelines(visit: AVisit) -> PipelineList:
    """List the pipelines that are applied."""
    with visit.read() as connection:
        return PipelineList(pipelines=pipeline_lines(connection, *map(visit.projects, ("pipeline.read", "run.read"))))


@routes.api("GET", "/pipelines/{name}", action="pipeline.read", project=project_of_pipeline)
def show_pipeline(visit: AVisit, name: str) -> PipelineDetail:
    """Show a pipeline with its definition, its graph and its newest runs."""
    with visit.read() as connection:
        return pipeline_detail(connection, name, visit.projects("run.read"))


@routes.api("GET", "/pipelines/{name}/versions", action="pipeline.read", project=project_of_pipeline)
def list_versions(visit: AVisit, name: str, cursor: str = "", limit: Limit = PAGE) -> PipelineVersions:
    """List the versions of a pipeline with what changed."""
    with visit.read() as connection:
        found, following = pipeline_versions(connection, name, read_cursor(cursor), limit)
    return PipelineVersions(versions=found, next=None if following is None else write_cursor(following))


@routes.api("GET", "/pipelines/{name}/advice", action="pipeline.read", project=project_of_pipeline)
def show_advice(visit: AVisit, name: str) -> AdviceList:
    """Say what the tasks of each step needed, and which requests are far too high or too low."""
    with visit.read() as connection:
        return AdviceList(steps=advise(connection, name))


@routes.api("POST", "/pipelines/{name}/plan", action="pipeline.read", project=project_of_pipeline)
def plan_run(visit: AVisit, name: str, wish: Annotated[PlanWish, Body()]) -> PlanWords:
    """Say what a run would do and why; starts nothing."""
    return plan_words(_intents(visit, name, wish))


@routes.api("POST", "/pipelines/{name}/plan/all", action="pipeline.read", project=project_of_pipeline)
def plan_datums(visit: AVisit, name: str, wish: Annotated[PlanWish, Body()]) -> WholePlan:
    """Say of every datum what a run would do with it and why; starts nothing."""
    return WholePlan(intents=_intents(visit, name, wish))


def _intents(visit: Visit, name: str, wish: PlanWish) -> list[Intent]:
    with visit.read() as connection:
        applied = current(connection, name)
        for each, given in applied.pipeline.inputs.items():
            require_readable(connection, visit.by, wish.inputs.get(each, given.dataset))
        order = Order(applied, wish.parameters, wish.inputs)
        return preview(connection, order, visit.lab.executor_for, visit.projects("run.read"))
