"""`/api/v1/projects`: what datasets, pipelines and people belong to, for programs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field

from aliquot.access import people, projects
from aliquot.access.rights import DEFAULT_PROJECT, Role
from aliquot.lab.projects import projects_of, require_project
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit

routes = Routes("/api/v1")


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A project: how many datasets it has, and how many people a role in it; `listed` says that aliquot.yaml has it.

    `people` is null for those who may not see accounts.
    """

    project: str
    datasets: int
    people: int | None
    listed: bool


class ProjectList(BaseModel):
    """Projects by name; `next` is the `after` of what follows, null at the end."""

    projects: list[ProjectLine]
    next: str | None = Field(examples=["imaging"])


@dataclass(frozen=True, slots=True)
class Member:
    """A person and the higher of their roles in a project and everywhere."""

    name: str
    role: Role


class MemberList(BaseModel):
    """Who may do something in a project, by name; `next` is the `after` of what follows, null at the end."""

    project: str
    members: list[Member]
    next: str | None = Field(examples=["vera"])


class ProjectWish(BaseModel):
    """Where a dataset shall belong to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"project": "imaging"}]})

    project: str = Field(min_length=1, max_length=200)


class MovedDataset(BaseModel):
    """The project that a dataset belongs to now, and the one before."""

    dataset: str
    before: str
    project: str


@routes.api("GET", "/projects", action="dataset.read")
def list_projects(visit: AVisit, after: str = "", limit: Limit = PAGE) -> ProjectList:
    """List the projects that one may see, with what is in them."""
    seen, known = visit.projects("dataset.read"), {DEFAULT_PROJECT, *visit.lab.config.projects}
    with visit.read() as connection:
        used = projects_of(visit.lab, connection)
        there = people.people(connection) if visit.may("people.manage") else None
    lines = [
        ProjectLine(name, count, None if there is None else len(people.of_project(there, name)), name in known)
        for name, count in used.items()
        if name > after and (seen is None or name in seen)
    ]
    return ProjectList(projects=lines[:limit], next=lines[limit - 1].project if len(lines) > limit else None)


@routes.api("GET", "/projects/{project}/members", action="people.manage")
def list_members(visit: AVisit, project: str, after: str = "", limit: Limit = PAGE) -> MemberList:
    """List who may do something in a project, and with which role."""
    require_project(visit.lab, project)
    with visit.read() as connection:
        found = [Member(name, role) for name, role in people.members(connection, project).items() if name > after]
    following = found[limit - 1].name if len(found) > limit else None
    return MemberList(project=project, members=found[:limit], next=following)


@routes.api("PUT", "/datasets/{name}/project", action="dataset.move")
def move_dataset(visit: AVisit, name: str, wish: Annotated[ProjectWish, Body()]) -> MovedDataset:
    """Move a dataset to another project, with all its versions."""
    before = visit.steer(
        lambda connection: projects.move_dataset(connection, visit.by, name, wish.project, visit.lab.config.projects)
    )
    return MovedDataset(dataset=name, before=before, project=wish.project)
