"""One file of a version: what it is, where it came from, and what is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from sqlalchemy import Connection

from aliquot.datasets.read import find_dataset
from aliquot.lab.file_detail import FileDetail, file_detail, shown_file
from aliquot.lab.preview_of import Preview, preview_of
from aliquot.lab.previews import Shown
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.preview_query import PreviewQuery
from aliquot.server.web.preview_views import add_views

routes = Routes()


@dataclass(frozen=True, slots=True)
class FilePage:
    """A file with its preview. `here` is the address of the page, `views` what addresses of images begin with."""

    file: FileDetail
    preview: Preview
    here: str
    views: str
    rest: str
    download: str


def project_of_dataset(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of the dataset that a path names."""
    return find_dataset(connection, path["name"]).project


def file_page(visit: Visit, name: str, version: str, path: str, query: PreviewQuery) -> FilePage:
    """Look at a file of a version."""
    with visit.read() as connection:
        detail, shown = file_detail(connection, visit.by, name, version, path)
    prefix, rest = f"/datasets/{name}/{detail.version}", quote(detail.path)
    return FilePage(
        file=detail,
        preview=preview_of(visit.lab.previews, shown, query.asked()),
        here=f"{prefix}/files{rest}",
        views=f"{prefix}/view/",
        rest=rest,
        download=f"{prefix}/download{rest}",
    )


@routes.page(
    "/datasets/{name}/{version}/files/{path:path}",
    template="file.html",
    action="dataset.read",
    project=project_of_dataset,
    twin="/datasets/{name}/{version}/file.json",
)
def show_file(visit: AVisit, name: str, version: str, path: str, query: Annotated[PreviewQuery, Query()]) -> FilePage:
    """Show a file: where it came from, what came of it, and its preview."""
    return file_page(visit, name, version, path, query)


def _shown(visit: Visit) -> Shown:
    named = visit.request.path_params
    with visit.read() as connection:
        return shown_file(connection, named["name"], named["version"], named["path"])


add_views(
    routes, "/datasets/{name}/{version}", "/{path:path}", action="dataset.read", project=project_of_dataset,
    shown=_shown,
)  # fmt: skip
