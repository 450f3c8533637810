"""The tasks of a run, one of them, and what they said, used and gave."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from aliquot.datasets import places
from aliquot.engine import control
from aliquot.engine.explain import Reason
from aliquot.lab.run_files import GivenFile, OutputLine, given_file, output_page
from aliquot.lab.run_resources import StepUse, resources
from aliquot.lab.run_tasks import Wanted, task_page
from aliquot.lab.runs import RunLine, StepLine, TaskLine, run_line, steps
from aliquot.lab.task_detail import TaskDetail, task_detail, task_reason, whole_log
from aliquot.model.cause import CAUSES
from aliquot.model.digest import Digest
from aliquot.model.task import Cause
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.runs import PAGE, Limit, doable, project_of_run

routes = Routes()

_SANDBOX = "sandbox; default-src 'none'"
TASK = "/runs/{number}/tasks/{step}/{ordinal}"
Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class TasksPage:
    """Tasks of a run, chosen; `steps` counts all of them. `next` is the cursor of what follows, None at the end."""

    run: RunLine
    tasks: list[TaskLine]
    steps: list[StepLine]
    step: str
    stands: str
    cause: str
    datum: str
    causes: dict[str, str]
    may: list[str]
    once: str
    cursor: str
    next: str | None


@dataclass(frozen=True, slots=True)
class OutputsPage:
    """Outputs of a run, and files of one of them."""

    run: RunLine
    outputs: list[OutputLine]
    output: str
    files: list[GivenFile]
    cursor: str
    next: str | None


@dataclass(frozen=True, slots=True)
class ResourcesPage:
    """What the tasks of a run used."""

    run: RunLine
    steps: list[StepUse]


def tasks_of(visit: Visit, number: int, wanted: Wanted, cursor: str, limit: int) -> tuple[list[TaskLine], str | None]:
    """Give a page of a run's tasks, and the cursor of the next."""
    with visit.read() as connection:
        found = task_page(connection, number, wanted, read_cursor(cursor), limit)
    return found.tasks, None if found.next is None else write_cursor(found.next)


@routes.page("/runs/{number}/tasks", template="tasks.html", action="run.read", project=project_of_run)
def list_tasks(
    visit: AVisit, number: int, step: Text = "", stands: Text = "", cause: Text = "", datum: Text = "",
    cursor: str = "", limit: Limit = PAGE,
) -> TasksPage:  # fmt: skip
    """List the tasks of a run in the order of its steps."""
    found, following = tasks_of(visit, number, Wanted(step, stands, cause, datum.strip()), cursor, limit)
    with visit.read() as connection:
        row = control.find_run(connection, number)
        counts = steps(connection, number)
        newest = control.newest_run(connection)
    failed = sum(each.failed for each in counts)
    causes = {str(each): words.several for each, words in CAUSES.items() if each is not Cause.CANCELED}
    return TasksPage(
        run_line(row), found, counts, step, stands, cause, datum, causes, doable(visit, run_line(row), row.project),
        f"{number}-{newest}-{row.state}-{failed}", cursor, following,
    )  # fmt: skip


@routes.page(TASK, template="task.html", action="run.read", project=project_of_run)
def show_task(visit: AVisit, number: int, step: str, ordinal: int) -> TaskDetail:
    """Show a task: its attempts and what they said, what it took and gave."""
    return task_detail(visit.lab, number, f"{step}/{ordinal}")


@routes.page(f"{TASK}/why", template="why.html", action="run.read", project=project_of_run)
def show_reason(visit: AVisit, number: int, step: str, ordinal: int) -> Reason:
    """Say why a task ran or was skipped."""
    with visit.read() as connection:
        return task_reason(connection, visit.by, number, f"{step}/{ordinal}")


@routes.raw("GET", f"{TASK}/log/{{attempt}}/{{stream}}", action="run.read", project=project_of_run)
def show_log(visit: AVisit, number: int, step: str, ordinal: int, attempt: int, stream: str) -> Response:
    """Give all that an attempt wrote, as plain text."""
    return log_response(visit, number, f"{step}/{ordinal}", attempt, stream)


@routes.raw("GET", f"{TASK}/files/{{path:path}}", action="run.read", project=project_of_run)
def download_file(visit: AVisit, number: int, step: str, ordinal: int, path: str) -> Response:
    """Give a file that a task gave, to be kept."""
    return file_response(visit, number, f"{step}/{ordinal}", path)


def log_response(visit: Visit, number: int, name: str, attempt: int, stream: str) -> Response:
    """Answer with an attempt's output, which is no page, whatever it says."""
    pieces = whole_log(visit.lab, number, name, attempt, stream)
    headers = {"content-security-policy": _SANDBOX, "cache-control": "private, max-age=3600"}
    return StreamingResponse(pieces, media_type="text/plain; charset=utf-8", headers=headers)


def file_response(visit: Visit, number: int, name: str, path: str) -> Response:
    """Answer with a task's file, to be kept and never shown as a page."""
    with visit.read() as connection:
        file = given_file(connection, number, name, f"/{path.removeprefix('/')}")
        where = places.require(connection, [Digest(file.digest)])[Digest(file.digest)]
    called = quote(file.path.rpartition("/")[2])
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{called}",
        "content-length": str(file.size),
        "content-security-policy": _SANDBOX,
    }
    return StreamingResponse(visit.lab.store.stream(where), media_type="application/octet-stream", headers=headers)


@routes.page("/runs/{number}/outputs", template="outputs.html", action="run.read", project=project_of_run)
def list_outputs(visit: AVisit, number: int, output: Text = "", cursor: str = "", limit: Limit = PAGE) -> OutputsPage:
    """List the files that a run gave."""
    with visit.read() as connection:
        found = output_page(connection, number, output, read_cursor(cursor), limit)
        line = run_line(control.find_run(connection, number))
    following = None if found.next is None else write_cursor(found.next)
    return OutputsPage(line, found.outputs, found.output, found.files, cursor, following)


@routes.page("/runs/{number}/resources", template="resources.html", action="run.read", project=project_of_run)
def show_resources(visit: AVisit, number: int, step: Text = "") -> ResourcesPage:
    """Show what the tasks of a run used, step by step."""
    with visit.read() as connection:
        return ResourcesPage(run_line(control.find_run(connection, number)), resources(connection, number, step))
