"""Datasets: their list, one of them, and a version with its files as a tree."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Form, Query

from aliquot.datasets.changes import Changes
from aliquot.datasets.listing import DatasetCard, list_datasets
from aliquot.datasets.read import find_dataset, resolve
from aliquot.lab import acts_data
from aliquot.lab.dataset_detail import ELSEWHERE, DatasetDetail, VersionDetail, dataset_detail, diff_of, version_detail
from aliquot.lab.seen import unseen_runs
from aliquot.model.errors import Invalid
from aliquot.model.reference import Reference
from aliquot.server.cursor import read_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.files import project_of_dataset

routes = Routes()

PAGE = 50
FILES = 100
Limit = Annotated[int, Query(ge=1, le=200)]


@dataclass(frozen=True, slots=True)
class DatasetsPage:
    """Datasets by name. `next` is the name after which the list goes on, None at the end."""

    datasets: list[DatasetCard]
    q: str
    project: str
    projects: list[str]
    after: str
    next: str | None
    may_upload: bool


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """A dataset, and what the person may do with it."""

    dataset: DatasetDetail
    may_tag: bool
    may_upload: bool
    cursor: str


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A version and what lies in one of its folders; `folders` are those above it, with their paths."""

    detail: VersionDetail
    folders: list[tuple[str, str]]
    start: str
    may_tag: bool


@dataclass(frozen=True, slots=True)
class DiffPage:
    """What one version has changed against another."""

    dataset: str
    before: int
    after: int
    head: int
    changes: Changes
    start: str


def page_of_datasets(
    visit: Visit, q: str, project: str, after: str, limit: int
) -> tuple[list[DatasetCard], str | None]:
    """Give a page of the datasets that a person may see, and the name after which the next begins."""
    projects = visit.projects("dataset.read")
    if project:
        projects = frozenset({project}) if projects is None or project in projects else frozenset[str]()
    with visit.read() as connection:
        found = list_datasets(connection, plain(q), projects, plain(after), limit + 1)
        hidden = unseen_runs(connection, [each.run for each in found], visit.projects("run.read"))
    found = [replace(each, run=None, provenance={"cause": ELSEWHERE}) if each.run in hidden else each for each in found]
    return found[:limit], found[limit - 1].name if len(found) > limit else None


def plain(text: str) -> str:
    """Refuse what no path and no name can hold."""
    if "\0" in text:
        raise Invalid("request-refused", "The address holds a NUL byte; no name has one.")
    return text


@routes.page("/datasets", template="datasets.html", action="dataset.read")
def show_datasets(visit: AVisit, q: str = "", project: str = "", after: str = "", limit: Limit = PAGE) -> DatasetsPage:
    """List datasets by name."""
    found, following = page_of_datasets(visit, q, project, after, limit)
    seen = visit.projects("dataset.read")
    known = sorted({"lab", *visit.lab.config.projects} if seen is None else seen)
    may_upload = visit.projects("dataset.ingest") != frozenset()
    return DatasetsPage(found, q, project, known, after, following, may_upload)


@routes.page("/datasets/{name}", template="dataset.html", action="dataset.read", project=project_of_dataset)
def show_dataset(visit: AVisit, name: str, cursor: str = "") -> DatasetPage:
    """Show a dataset: how it came to be what it is, and who uses it."""
    with visit.read() as connection:
        found = dataset_detail(connection, visit.lab, visit.by, name, read_cursor(cursor))
    may = visit.may("dataset.tag", found.project), visit.may("dataset.ingest", found.project)
    return DatasetPage(found, *may, cursor)


@routes.page("/datasets/{name}/{version}", template="version.html", action="dataset.read", project=project_of_dataset)
def show_version(visit: AVisit, name: str, version: str, folder: str = "/", start: str = "") -> VersionPage:
    """Show a version, and what lies in one of its folders."""
    with visit.read() as connection:
        found = version_detail(connection, visit.by, name, version, plain(folder), plain(start), FILES)
    parts = [each for each in found.level.folder.split("/") if each]
    above = [(part, "/" + "/".join(parts[: at + 1]) + "/") for at, part in enumerate(parts)]
    return VersionPage(found, above, start, visit.may("dataset.tag", found.project))


@routes.page(
    "/datasets/{name}/{version}/diff/{before}", template="diff.html", action="dataset.read",
    project=project_of_dataset,
)  # fmt: skip
def show_diff(visit: AVisit, name: str, version: str, before: str, start: str = "") -> DiffPage:
    """Show what a version has changed against another one."""
    with visit.read() as connection:
        head = find_dataset(connection, name).head
        one, other, found = diff_of(connection, name, before, version, plain(start))
    return DiffPage(name, one, other, head, found, start)


@routes.form("/datasets/{name}/compare", action="dataset.read", project=project_of_dataset)
def compare(visit: AVisit, name: str, before: Annotated[str, Form()] = "", after: Annotated[str, Form()] = "") -> str:
    """Go to what one version has changed against another."""
    with visit.read() as connection:
        one, other = (resolve(connection, Reference(name, each or "latest")) for each in (before, after))
    return f"/datasets/{name}/{other.number}/diff/{one.number}"


@routes.form("/datasets/{name}/tags", action="dataset.tag", project=project_of_dataset)
def tag(
    visit: AVisit, name: str, tag: Annotated[str, Form()] = "", version: Annotated[str, Form()] = "",
) -> str:  # fmt: skip
    """Put a tag on a version, or take it away where no version is given."""
    number = None
    if version:
        with visit.read() as connection:
            number = resolve(connection, Reference(name, version)).number
    acts_data.move_tag(visit.lab.catalogue, visit.by, name, tag.strip(), number)
    return f"/datasets/{name}"
