"""`/api/v1/datasets`: datasets, versions and what changed between them, for programs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from aliquot.datasets.changes import Changes
from aliquot.datasets.commit import Committed
from aliquot.datasets.listing import DatasetCard
from aliquot.datasets.read import entries, resolve
from aliquot.datasets.tags import TagMove
from aliquot.lab import acts_data
from aliquot.lab.dataset_detail import DatasetDetail, VersionDetail, dataset_detail, diff_of, version_detail
from aliquot.lab.file_detail import FileDetail, file_detail
from aliquot.lab.posted import Answer, Remember
from aliquot.model.reference import Reference
from aliquot.server import downloads
from aliquot.server.answers import json_answer, json_bytes
from aliquot.server.cursor import read_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import FILES, PAGE, Limit, page_of_datasets, plain
from aliquot.server.web.files import project_of_dataset

routes = Routes("/api/v1")


class DatasetList(BaseModel):
    """Datasets by name; `next` is the `after` of what follows, null at the end."""

    datasets: list[DatasetCard]
    next: str | None = Field(examples=["plates"])


@dataclass(frozen=True, slots=True)
class Difference:
    """What the version `after` has changed against `before`."""

    before: int
    after: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file in a version: its path, digest, and size in bytes."""

    path: str
    digest: str
    size: int


class TagWish(BaseModel):
    """Where a tag shall be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 3}, {"version": None}]})

    version: int | None = Field(ge=1, lt=2**31, description="The version's number; null takes the tag away.")


class FileList(BaseModel):
    """Files of a version by path; `next` is the `after` of what follows, null at the end."""

    dataset: str
    version: int
    files: list[FileLine]
    next: str | None = Field(examples=["/plates/7.csv"])


class Removal(BaseModel):
    """Which files and folders a new version shall not have, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"paths": ["/plates/7.csv", "/old/"], "because": "the plate was swapped"}]},
    )

    paths: list[str] = Field(min_length=1, max_length=1000)
    because: str = Field(min_length=1, max_length=2000)


class Removed(BaseModel):
    """The version that is without the files; earlier ones keep them."""

    dataset: str
    version: int
    removed: int


@routes.api("GET", "/datasets", action="dataset.read")
def list_datasets(visit: AVisit, q: str = "", project: str = "", after: str = "", limit: Limit = PAGE) -> DatasetList:
    """List datasets by name; `q` is part of a name."""
    found, following = page_of_datasets(visit, q, project, after, limit)
    return DatasetList(datasets=found, next=following)


@routes.api("GET", "/datasets/{name}", action="dataset.read", project=project_of_dataset)
def show_dataset(visit: AVisit, name: str, cursor: str = "") -> DatasetDetail:
    """Show a dataset, with its versions, newest first."""
    with visit.read() as connection:
        return dataset_detail(connection, visit.lab, visit.by, name, read_cursor(cursor))


@routes.api("GET", "/datasets/{name}/versions/{version}", action="dataset.read", project=project_of_dataset)
def show_version(
    visit: AVisit, name: str, version: str, folder: str = "/", start: str = "", limit: Limit = FILES
) -> VersionDetail:
    """Show a version (a number, a tag or `latest`) and what lies in one of its folders, from `start` on."""
    with visit.read() as connection:
        return version_detail(connection, visit.by, name, version, plain(folder), plain(start), limit)


@routes.api("GET", "/datasets/{name}/versions/{version}/diff", action="dataset.read", project=project_of_dataset)
def show_difference(visit: AVisit, name: str, version: str, before: str, start: str = "") -> Difference:
    """Show what a version has changed against the version `before`."""
    with visit.read() as connection:
        return Difference(*diff_of(connection, name, before, version, plain(start)))


@routes.api("GET", "/datasets/{name}/versions/{version}/files", action="dataset.read", project=project_of_dataset)
def list_files(
    visit: AVisit, name: str, version: str, below: str = "", after: str = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> FileList:  # fmt: skip
    """List the files of a version by path: all of them, or what is in the folder `below`."""
    folder = "/" + plain(below).strip("/") if below.strip("/") else None
    with visit.read() as connection:
        of = resolve(connection, Reference(name, version))
        found = [FileLine(*each[:3]) for each in entries(connection, of, folder, plain(after), limit + 1)]
    following = found[limit - 1].path if len(found) > limit else None
    return FileList(dataset=name, version=of.number, files=found[:limit], next=following)


@routes.api(
    "GET", "/datasets/{name}/versions/{version}/files/{path:path}", action="dataset.read", project=project_of_dataset
)
def show_file(visit: AVisit, name: str, version: str, path: str) -> FileDetail:
    """Show a file: its digest and size, where it came from, what came of it, and what people said of it."""
    with visit.read() as connection:
        return file_detail(connection, visit.by, name, version, plain(path))[0]


@routes.api(
    "POST", "/datasets/{name}/remove", action="dataset.remove", project=project_of_dataset, status=201, makes=True
)
def remove_files(visit: AVisit, name: str, wish: Annotated[Removal, Body()]) -> Removed:
    """Make a version without some files; earlier versions keep them."""
    lab = visit.lab

    def work(remember: Remember) -> Answer:
        def note(connection: Connection, done: Committed) -> None:
            remember(connection, said(done))

        done = acts_data.remove(lab.catalogue, lab.store, visit.by, name, wish.paths, wish.because, note)
        return said(done)

    def said(done: Committed) -> Answer:
        return Answer(201, {"dataset": done.dataset, "version": done.number, "removed": done.removed})

    answer = visit.once_beside(json_bytes(wish), work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]


@routes.api("PUT", "/datasets/{name}/tags/{tag}", action="dataset.tag", project=project_of_dataset)
def put_tag(visit: AVisit, name: str, tag: str, wish: Annotated[TagWish, Body()]) -> TagMove:
    """Put a tag on a version, or take it away."""
    return acts_data.move_tag(visit.lab.catalogue, visit.by, name, tag, wish.version)


@routes.raw(
    "GET", "/datasets/{name}/versions/{version}/zip", action="dataset.read", project=project_of_dataset,
    media="application/zip",
)  # fmt: skip
def send_zip(visit: AVisit, name: str, version: str, path: downloads.Paths = None) -> Response:
    """Send a version, or the files and folders of it that `path` names, as a zip."""
    return downloads.send_zip(visit, name, version, path)


@routes.raw(
    "GET", "/datasets/{name}/versions/{version}/content/{path:path}", action="dataset.read",
    project=project_of_dataset,
)  # fmt: skip
def send_file(visit: AVisit, name: str, version: str, path: str) -> Response:
    """Send a file, or the range of it that is asked for."""
    return downloads.send_file(visit, name, version, path)
