"""One file that a task gave: what is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from sqlalchemy import Connection

from aliquot.lab.file_detail import other_halves
from aliquot.lab.preview_of import Preview, preview_of
from aliquot.lab.previews import Shown
from aliquot.lab.run_files import GivenFile, given_file
from aliquot.model.blob import Blob
from aliquot.model.digest import Digest
from aliquot.model.errors import Missing
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.preview_query import PreviewQuery
from aliquot.server.web.preview_views import add_views
from aliquot.server.web.runs import project_of_run
from aliquot.server.web.tasks import TASK

routes = Routes()


@dataclass(frozen=True, slots=True)
class OutputFilePage:
    """A file that a task gave, with its preview; the addresses are as on the page of a dataset's file."""

    run: int
    step: str
    ordinal: int
    file: GivenFile
    preview: Preview
    here: str
    views: str
    rest: str
    download: str


@routes.page(
    f"{TASK}/shown/{{path:path}}", template="output_file.html", action="run.read", project=project_of_run,
    twin=f"{TASK}/shown.json",
)  # fmt: skip
def show_output(
    visit: AVisit, number: int, step: str, ordinal: int, path: str, query: Annotated[PreviewQuery, Query()]
) -> OutputFilePage:
    """Show a file that a task gave."""
    with visit.read() as connection:
        file, shown = _find(connection, number, step, ordinal, path)
    task, rest = f"/runs/{number}/tasks/{quote(step)}/{ordinal}", quote(file.path)
    return OutputFilePage(
        run=number,
        step=step,
        ordinal=ordinal,
        file=file,
        preview=preview_of(visit.lab.previews, shown, query.asked()),
        here=f"{task}/shown{rest}",
        views=f"{task}/view/",
        rest=rest,
        download=f"{task}/files{rest}",
    )


def _find(connection: Connection, number: int, step: str, ordinal: int, path: str) -> tuple[GivenFile, Shown]:
    """Find a file that a task gave, and the other half of it where it is one of a pair."""
    name = f"{step}/{ordinal}"
    file = given_file(connection, number, name, "/" + path.lstrip("/"))
    beside: Blob | None = None
    for other in other_halves(file.path):
        try:
            found = given_file(connection, number, name, other)
        except Missing:
            continue
        beside = Blob(Digest(found.digest), found.size)
        break
    return file, Shown(file.path, Blob(Digest(file.digest), file.size), beside)


def _shown(visit: Visit) -> Shown:
    named: Mapping[str, str] = visit.request.path_params
    with visit.read() as connection:
        found = _find(
            connection, whole_number(named["number"]), named["step"], whole_number(named["ordinal"]), named["path"]
        )
    return found[1]


add_views(routes, TASK, "/{path:path}", action="run.read", project=project_of_run, shown=_shown)
