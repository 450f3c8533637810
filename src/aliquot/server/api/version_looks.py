"""`/api/v1/datasets/…`: versions as the command line shows them."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from aliquot.datasets import history
from aliquot.datasets.history import VersionLine
from aliquot.lab.version_look import VersionLook, version_look
from aliquot.model.reference import Reference
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit, plain
from aliquot.server.web.files import project_of_dataset

routes = Routes("/api/v1")

Path = Annotated[str, Query(max_length=4096)]


class VersionList(BaseModel):
    """Versions of a dataset, newest first; `total` counts all, `next` is the cursor of what follows."""

    versions: list[VersionLine]
    total: int = Field(examples=[3])
    next: str | None


@routes.api("GET", "/datasets/{name}/log", action="dataset.read", project=project_of_dataset)
def list_versions(visit: AVisit, name: str, cursor: str = "", limit: Limit = PAGE) -> VersionList:
    """List the versions of a dataset, newest first."""
    with visit.read() as connection:
        found = history.log(connection, name, read_cursor(cursor), limit + 1)
        total = history.count_versions(connection, name)
    following = write_cursor(found[limit - 1].number) if len(found) > limit else None
    return VersionList(versions=found[:limit], total=total, next=following)


@routes.api("GET", "/datasets/{name}/versions/{version}/summary", action="dataset.read", project=project_of_dataset)
def show_summary(visit: AVisit, name: str, version: str, path: Path = "") -> VersionLook:
    """Say how a version came to be, with its first files (below `path`) and what is said of them."""
    with visit.read() as connection:
        return version_look(connection, Reference(name, version, plain(path) or None))
