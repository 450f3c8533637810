"""`/api/v1/runs/…/tasks`: tasks for programs, and what they said, used and gave."""

from pydantic import BaseModel, Field
from starlette.responses import Response

from aliquot.engine.explain import Reason
from aliquot.lab.run_files import GivenFile, OutputLine, output_page
from aliquot.lab.run_resources import StepUse, resources
from aliquot.lab.run_tasks import Wanted
from aliquot.lab.runs import TaskLine
from aliquot.lab.task_detail import TaskDetail, task_detail, task_reason
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.runs import PAGE, Limit, project_of_run
from aliquot.server.web.tasks import TASK, Text, file_response, log_response, tasks_of

routes = Routes("/api/v1")


class TaskList(BaseModel):
    """Tasks in the order of their steps and datums; `next` is the cursor of what follows, null at the end."""

    tasks: list[TaskLine]
    next: str | None = Field(examples=["djE6MTI"])


class OutputList(BaseModel):
    """The outputs of a run, and files of the one that is named; `next` is the cursor of what follows."""

    outputs: list[OutputLine]
    output: str
    files: list[GivenFile]
    next: str | None


class Uses(BaseModel):
    """What the tasks of each step used."""

    steps: list[StepUse]


@routes.api("GET", "/runs/{number}/tasks", action="run.read", project=project_of_run)
def list_tasks(
    visit: AVisit, number: int, step: Text = "", stands: Text = "", cause: Text = "", datum: Text = "",
    cursor: str = "", limit: Limit = PAGE,
) -> TaskList:  # fmt: skip
    """List tasks of a run: of a step, that stand so (or have this state), that failed by a cause, of such a datum."""
    found, following = tasks_of(visit, number, Wanted(step, stands, cause, datum), cursor, limit)
    return TaskList(tasks=found, next=following)


@routes.api("GET", TASK, action="run.read", project=project_of_run)
def show_task(visit: AVisit, number: int, step: str, ordinal: int) -> TaskDetail:
    """Show a task: its attempts, the ends of their output, its files, and what it prints right now."""
    return task_detail(visit.lab, number, f"{step}/{ordinal}")


@routes.api("GET", f"{TASK}/why", action="run.read", project=project_of_run)
def show_reason(visit: AVisit, number: int, step: str, ordinal: int) -> Reason:
    """Say why a task ran or was skipped."""
    with visit.read() as connection:
        return task_reason(connection, visit.by, number, f"{step}/{ordinal}")


@routes.raw("GET", f"{TASK}/log/{{attempt}}/{{stream}}", action="run.read", project=project_of_run, media="text/plain")
def show_log(visit: AVisit, number: int, step: str, ordinal: int, attempt: int, stream: str) -> Response:
    """Give all that an attempt wrote to stdout or stderr, as text."""
    return log_response(visit, number, f"{step}/{ordinal}", attempt, stream)


@routes.raw("GET", f"{TASK}/files/{{path:path}}", action="run.read", project=project_of_run)
def download_file(visit: AVisit, number: int, step: str, ordinal: int, path: str) -> Response:
    """Give a file that a task gave."""
    return file_response(visit, number, f"{step}/{ordinal}", path)


@routes.api("GET", "/runs/{number}/outputs", action="run.read", project=project_of_run)
def list_outputs(visit: AVisit, number: int, output: Text = "", cursor: str = "", limit: Limit = PAGE) -> OutputList:
    """List the outputs of a run, and files of one of them."""
    with visit.read() as connection:
        found = output_page(connection, number, output, read_cursor(cursor), limit)
    following = None if found.next is None else write_cursor(found.next)
    return OutputList(outputs=found.outputs, output=found.output, files=found.files, next=following)


@routes.api("GET", "/runs/{number}/resources", action="run.read", project=project_of_run)
def show_resources(visit: AVisit, number: int, step: Text = "") -> Uses:
    """Show what the tasks of a run used, step by step; `bands` of one step where there are many."""
    with visit.read() as connection:
        return Uses(steps=resources(connection, number, step))
