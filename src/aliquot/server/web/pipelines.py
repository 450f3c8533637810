"""Pipelines: their list, one of them, its versions, and the form that starts a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aliquot.engine import control
from aliquot.engine.pipelines import current
from aliquot.lab.pipeline_look import (
    PipelineDetail,
    PipelineLine,
    VersionOfPipeline,
    pipeline_detail,
    pipeline_lines,
    pipeline_versions,
)  # fmt: skip
from aliquot.lab.posted import Answer
from aliquot.lab.start_form import StartForm, fields_of_run, read_typed, start_form
from aliquot.lab.starting import start_wished
from aliquot.model.errors import Invalid
from aliquot.server.answers import json_bytes
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.run_verbs import form_key

routes = Routes()

_VERSIONS = 20
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class PipelinesPage:
    """The pipelines that a person may see."""

    pipelines: list[PipelineLine]


@dataclass(frozen=True, slots=True)
class VersionsPage:
    """Versions of a pipeline, newest first."""

    pipeline: str
    versions: list[VersionOfPipeline]
    cursor: str
    next: str | None


def project_of_pipeline(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of the pipeline that a path names."""
    return current(connection, path["name"]).pipeline.project


async def typed_fields(request: Request) -> dict[str, str]:
    """Give the fields of a form that was sent, texts alone."""
    form = await request.form()
    return {name: value[:_LONGEST] for name, value in form.items() if isinstance(value, str)}


@routes.page("/pipelines", template="pipelines.html", action="pipeline.read")
def list_pipelines(visit: AVisit) -> PipelinesPage:
    """List the pipelines that are applied."""
    with visit.read() as connection:
        return PipelinesPage(pipeline_lines(connection, *map(visit.projects, ("pipeline.read", "run.read"))))


@routes.page("/pipelines/{name}", template="pipeline.html", action="pipeline.read", project=project_of_pipeline)
def show_pipeline(visit: AVisit, name: str) -> PipelineDetail:
    """Show a pipeline: what it does, its graph, its runs."""
    with visit.read() as connection:
        return pipeline_detail(connection, name, visit.projects("run.read"))


@routes.page(
    "/pipelines/{name}/versions", template="versions.html", action="pipeline.read", project=project_of_pipeline
)
def list_versions(visit: AVisit, name: str, cursor: str = "") -> VersionsPage:
    """List the versions of a pipeline with what changed."""
    with visit.read() as connection:
        found, following = pipeline_versions(connection, name, read_cursor(cursor), _VERSIONS)
    return VersionsPage(name, found, cursor, None if following is None else write_cursor(following))


@routes.page("/pipelines/{name}/start", template="start.html", action="pipeline.read", project=project_of_pipeline)
def show_start(visit: AVisit, name: str, run: str = "", plan: bool = False) -> StartForm:
    """Show the form that starts a run; with `plan`, what the run would do. `run` fills it in as an earlier run was."""
    sent = {each: value[:_LONGEST] for each, value in visit.request.query_params.items()}
    with visit.read() as connection:
        if run:
            number = whole_number(run)
            visit.require("run.read", control.find_run(connection, number).project, f"run {number}")
            sent = fields_of_run(connection, number) | sent
        return start_form(connection, visit.by, name, sent, visit.lab.executor_for, plan=plan)


@routes.form("/pipelines/{name}/start", action="run.start", project=project_of_pipeline)
def start_run(visit: AVisit, name: str, sent: Annotated[dict[str, str], Depends(typed_fields)]) -> Response:
    """Start a run from the form; one that is sent twice starts one run, one that is wrong comes back."""
    asked = {each: value for each, value in sent.items() if each not in {"csrf", "once"}}
    body, refused = json_bytes(dict(sorted(asked.items()))), ""

    def work(connection: Connection) -> Answer:
        typed = read_typed(connection, visit.by, current(connection, name), asked)
        if typed.problems:
            raise Invalid("form-refused", "Some fields need another value.", problems=typed.problems)
        return Answer(303, {"run": start_wished(connection, typed.wish, visit.by)})

    try:
        done: Any = visit.once(body, work, form_key(f"{name}-{sent.get('once', '')}", body)).document
        return RedirectResponse(f"/runs/{done['run']}", 303)
    except Invalid as error:
        refused = "" if error.code == "form-refused" else error.message
    with visit.read() as connection:
        form = start_form(connection, visit.by, name, asked, visit.lab.executor_for, plan=True, refused=refused)
    return visit.html("start.html", 422, page=form)
