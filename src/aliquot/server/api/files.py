"""`/api/v1/…/preview`: what is in a file, for programs."""

from typing import Annotated

from fastapi import Query

from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.files import FilePage, file_page, project_of_dataset
from aliquot.server.web.preview_query import PreviewQuery

routes = Routes("/api/v1")


@routes.api(
    "GET",
    "/datasets/{name}/versions/{version}/preview/{path:path}",
    action="dataset.read",
    project=project_of_dataset,
)
def show_preview(
    visit: AVisit, name: str, version: str, path: str, query: Annotated[PreviewQuery, Query()]
) -> FilePage:
    """Give a file with its preview; `preview.summary` is null as long as it is being made: ask again in a moment."""
    return file_page(visit, name, version, path, query)
