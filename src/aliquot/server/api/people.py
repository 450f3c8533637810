"""`/api/v1/people`, `/sessions`, `/rights`: accounts, what they may do, and who is signed in, for programs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from aliquot.access import links, people, sessions
from aliquot.access.people import Person
from aliquot.access.rights import EVERYWHERE, RIGHTS, Reach, Role
from aliquot.access.sessions import Session
from aliquot.lab.posted import Answer
from aliquot.lab.projects import require_project
from aliquot.server.answers import json_answer, json_bytes, plain_values
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit

routes = Routes("/api/v1")

Project = Annotated[str, Field(min_length=1, max_length=200, description="A project of aliquot.yaml; * for all.")]


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks, how they came in, and what they may do: by action the projects, null for all.

    `csrf` is what a session's changes carry as X-CSRF-Token; a token needs none.
    """

    name: str
    how: str
    roles: dict[str, str]
    scope: list[str] | None
    only: str | None
    may: dict[str, list[str] | None]
    csrf: str


@dataclass(frozen=True, slots=True)
class RightLine:
    """A row of the table of rights. `reach` says where the role must be held: project, lab, or self for anywhere."""

    action: str
    reach: Reach
    roles: list[Role]
    text: str


class RightList(BaseModel):
    """Who may do what."""

    rights: list[RightLine]


class PeopleList(BaseModel):
    """Accounts by name; `next` is the `after` of what follows, null at the end."""

    people: list[Person]
    next: str | None = Field(examples=["vera"])


class NewPerson(BaseModel):
    """An account to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "vera", "title": "Vera Rubin", "role": "viewer", "project": "*"}]},
    )

    name: str = Field(max_length=100, description="The name to sign in with.")
    title: str = Field("", max_length=200, description="The name that people read.")
    role: Role
    project: Project = EVERYWHERE


class Invited(BaseModel):
    """An account with the path at which its person sets a password, once.

    The path is shown once: the same request sent again gets null.
    """

    person: Person
    link: str | None = Field(examples=["/welcome/VgQ…"])


class RoleWish(BaseModel):
    """A role."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "scientist"}]})

    role: Role


class SessionList(BaseModel):
    """Who is signed in, newest first; `next` is the cursor of what follows, null at the end."""

    sessions: list[Session]
    next: str | None = Field(examples=["djE6MTI"])


@routes.api("GET", "/account", action="home.read")
def show_account(visit: AVisit) -> Account:
    """Say who asks, and what they may do."""
    rights, may = visit.by.rights, dict[str, list[str] | None]()
    for action in RIGHTS:
        where = visit.projects(action)
        if where != frozenset():
            may[action] = None if where is None else sorted(where)
    roles = {project: str(role) for project, role in rights.roles.items()}
    scope = None if rights.scope is None else sorted(rights.scope)
    return Account(visit.by.name, visit.by.how, roles, scope, rights.only, may, visit.csrf)


@routes.api("GET", "/rights", action="home.read")
def list_rights(visit: AVisit) -> RightList:
    """Give the table by which pages, API and commands decide who may do what."""
    del visit
    lines = [RightLine(each.action, each.reach, list(each.roles), each.text) for each in RIGHTS.values()]
    return RightList(rights=lines)


@routes.api("GET", "/people", action="people.manage")
def list_people(visit: AVisit, after: str = "", limit: Limit = PAGE) -> PeopleList:
    """List accounts by name, with their roles."""
    with visit.read() as connection:
        found = people.people(connection, after, limit + 1)
    return PeopleList(people=found[:limit], next=found[limit - 1].name if len(found) > limit else None)


@routes.api("POST", "/people", action="people.manage", status=201, makes=True)
def add_person(visit: AVisit, wish: Annotated[NewPerson, Body()]) -> Invited:
    """Make an account, and give once the path at which the person sets a password within seven days."""
    place, words = _place(visit, wish.project), list[str]()

    def work(connection: Connection) -> Answer:
        made = people.add_person(connection, visit.by, wish.name, {place: wish.role}, wish.title)
        words.append(links.make_link(connection, visit.by, wish.name, "invitation"))
        return Answer(201, {"person": plain_values(made), "link": None})

    answer = visit.once(json_bytes(wish), work)
    response = _shown_once(visit, answer, words)
    response.headers["location"] = f"/api/v1/people/{wish.name}"
    return response  # type: ignore[return-value]


@routes.api("GET", "/people/{name}", action="people.manage")
def show_person(visit: AVisit, name: str) -> Person:
    """Show an account."""
    with visit.read() as connection:
        return people.find_person(connection, name)


@routes.api("POST", "/people/{name}/invite", action="people.manage", status=201, makes=True)
def invite(visit: AVisit, name: str) -> Invited:
    """Make a new path at which a person sets a password; the one before ends."""
    words = list[str]()

    def work(connection: Connection) -> Answer:
        found = people.find_person(connection, name)
        words.append(links.make_link(connection, visit.by, name, "reset" if found.has_password else "invitation"))
        return Answer(201, {"person": plain_values(found), "link": None})

    return _shown_once(visit, visit.once(b"", work), words)  # type: ignore[return-value]


@routes.api("PUT", "/people/{name}/roles/{project}", action="people.manage")
def put_role(visit: AVisit, name: str, project: str, wish: Annotated[RoleWish, Body()]) -> Person:
    """Give a person a role in a project, or everywhere with `*`."""
    place = _place(visit, project)
    return visit.steer(lambda connection: people.set_role(connection, visit.by, name, place, wish.role))


@routes.api("DELETE", "/people/{name}/roles/{project}", action="people.manage")
def take_role(visit: AVisit, name: str, project: str) -> Person:
    """Take a person's role in a project away, or the one everywhere with `*`."""
    return visit.steer(lambda connection: people.set_role(connection, visit.by, name, project, None))


@routes.api("POST", "/people/{name}/disable", action="people.manage")
def disable(visit: AVisit, name: str) -> Person:
    """Let a person sign in no more; their sessions and tokens end."""
    return visit.steer(lambda connection: people.disable(connection, visit.by, name))


@routes.api("POST", "/people/{name}/enable", action="people.manage")
def enable(visit: AVisit, name: str) -> Person:
    """Let a person who was disabled sign in again."""
    return visit.steer(lambda connection: people.disable(connection, visit.by, name, disabled=False))


@routes.api("GET", "/sessions", action="people.manage")
def list_sessions(
    visit: AVisit, name: str | None = None, cursor: str = "", limit: Limit = PAGE
) -> SessionList:  # fmt: skip
    """List who is signed in, and from where; of all people or of one."""
    with visit.read() as connection:
        found = sessions.sessions(connection, name, read_cursor(cursor), limit + 1)
    following = write_cursor(found[limit - 1].id) if len(found) > limit else None
    return SessionList(sessions=found[:limit], next=following)


@routes.api("DELETE", "/sessions/{number}", action="people.manage", status=204, media="")
def end_session(visit: AVisit, number: str) -> Response:
    """Sign somebody out."""
    id_ = whole_number(number)
    visit.steer(lambda connection: sessions.end_session(connection, visit.by, id_))
    return Response(status_code=204)


def _place(visit: AVisit, project: str) -> str:
    return require_project(visit.lab, None if project == EVERYWHERE else project)


def _shown_once(visit: AVisit, answer: Answer, words: list[str]) -> Response:
    # The word is no part of what is remembered of the request: nothing keeps it but its digest.
    link = f"/welcome/{words[-1]}" if words and not answer.again else None
    return json_answer(visit.request, {**answer.document, "link": link}, answer.status)
