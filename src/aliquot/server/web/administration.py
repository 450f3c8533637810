"""Administration: people and their roles, tokens, what takes room, and how the lab stands."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Form
from sqlalchemy import Connection
from starlette.responses import Response

from aliquot.access import links, people, sessions, tokens
from aliquot.access.people import Person
from aliquot.access.rights import NEVER, RIGHTS, Role
from aliquot.access.sessions import Session
from aliquot.access.tokens import Token
from aliquot.datasets.usage import DatasetUse, StoreUse
from aliquot.lab.hub_reader import advice
from aliquot.lab.projects import projects_of, require_project
from aliquot.model.errors import Invalid
from aliquot.server.reach import Reached, reach_database, reach_store
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

Word = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class Overview:
    """How the lab stands: database and store, where tasks run, and what takes how many bytes.

    `uses` and `whole` are None on the page while that is added up; `at` is when it was, in seconds since 1970.
    """

    database: Reached
    store: Reached
    catalogue: str
    executor: str
    workers: int | None
    uses: list[DatasetUse] | None
    whole: StoreUse | None
    at: float | None
    advice: list[str]
    """What should be done about the lab's settings."""


@dataclass(frozen=True, slots=True)
class People:
    """Accounts, who is signed in, and what roles and projects there are to give."""

    people: list[Person]
    sessions: list[Session]
    projects: list[str]
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """An action that a token may be made for."""

    action: str
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens, newest first, and what one can be made for. `mine` says that they are the asking person's own."""

    tokens: list[Token]
    choices: list[Choice]
    projects: list[str]
    mine: bool


@routes.page("/administration", template="administration.html", action="lab.read")
def overview(visit: AVisit) -> Overview:
    """Show health, executor and storage by dataset."""
    lab, kept = visit.lab, visit.site.storage
    told = kept.look() if visit.program else kept.glance()
    settings = lab.config.executor
    return Overview(
        reach_database(lab), reach_store(lab), lab.catalogue.engine.dialect.name, settings.kind, settings.workers,
        told and told.answer.uses, told and told.answer.whole, told and told.at, advice(lab),
    )  # fmt: skip


@routes.page("/administration/people", template="people.html", action="people.manage")
def list_people(visit: AVisit) -> People:
    """Show accounts with their roles, and who is signed in."""
    with visit.read() as connection:
        found, open_ = people.people(connection), sessions.sessions(connection)
        projects = sorted(projects_of(visit.lab, connection))
    return People(found, open_, projects, [str(each) for each in Role])


@routes.form("/administration/people", action="people.manage")
def add_person(visit: AVisit, name: Word = "", title: Word = "", role: Word = "", project: Word = "") -> Response:
    """Make an account, and show once the link with which the person sets a password."""
    place, given = require_project(visit.lab, project or None), _role(role)
    if given is None:
        raise Invalid("role-refused", "Choose a role for the new account.")

    def work(connection: Connection) -> str:
        people.add_person(connection, visit.by, name.strip().lower(), {place: given}, title)
        return links.make_link(connection, visit.by, name.strip().lower(), "invitation")

    return _link(visit, name.strip().lower(), visit.steer(work), "7 days")


@routes.form("/administration/people/{name}/invite", action="people.manage")
def invite(visit: AVisit, name: str) -> Response:
    """Show once a new link with which a person sets a password."""
    with visit.read() as connection:
        known = people.find_person(connection, name).has_password
    purpose = "reset" if known else "invitation"
    word = visit.steer(lambda connection: links.make_link(connection, visit.by, name, purpose))
    return _link(visit, name, word, "1 hour" if known else "7 days")


@routes.form("/administration/people/{name}/role", action="people.manage")
def set_role(visit: AVisit, name: str, role: Word = "", project: Word = "") -> str:
    """Give a person a role everywhere or in a project, or take it away."""
    place, given = require_project(visit.lab, project or None), _role(role)
    visit.steer(lambda connection: people.set_role(connection, visit.by, name, place, given))
    return "/administration/people"


@routes.form("/administration/people/{name}/disable", action="people.manage")
def disable(visit: AVisit, name: str, disabled: Annotated[bool, Form()] = True) -> str:
    """Let a person sign in no more, or again."""
    visit.steer(lambda connection: people.disable(connection, visit.by, name, disabled=disabled))
    return "/administration/people"


@routes.form("/administration/sessions/{number}/end", action="people.manage")
def end_session(visit: AVisit, number: int) -> str:
    """Sign somebody out."""
    visit.steer(lambda connection: sessions.end_session(connection, visit.by, number))
    return "/administration/people"


@routes.page("/administration/tokens", template="tokens.html", action="people.manage")
def all_tokens(visit: AVisit) -> Tokens:
    """Show the tokens of everybody."""
    with visit.read() as connection:
        return Tokens(tokens.tokens(connection), [], [], mine=False)


@routes.page("/account", template="tokens.html", action="account.own")
def own_tokens(visit: AVisit) -> Tokens:
    """Show one's own tokens, and a form for a new one."""
    with visit.read() as connection:
        found = tokens.tokens(connection, visit.by.name)
        projects = sorted(projects_of(visit.lab, connection))
    choices = [
        Choice(each.action, each.text)
        for each in RIGHTS.values()
        if each.action not in NEVER and visit.projects(each.action) != frozenset()
    ]
    return Tokens(found, choices, projects, mine=True)


@routes.form("/account/tokens", action="account.own")
def make_token(
    visit: AVisit, name: Word = "", scope: Annotated[list[str] | None, Form()] = None, project: Word = "",
    days: Annotated[float, Form()] = tokens.DEFAULT_DAYS,
) -> Response:  # fmt: skip
    """Make a token of one's own, and show it once."""
    only = require_project(visit.lab, project) if project else None
    word, made = visit.steer(
        lambda connection: tokens.make_token(connection, visit.by, visit.by.name, name, scope or [], only, days)
    )
    return visit.html(
        "shown_once.html", title=f"Token for {made.name}", word=word, after="/account", until=made.expires_at,
        text="A program sends it as Authorization: Bearer TOKEN. Keep it where passwords are kept.",
    )  # fmt: skip


@routes.form("/tokens/{number}/end", action="account.own")
def end_token(visit: AVisit, number: int) -> str:
    """End a token: one's own, or as an administrator anybody's."""
    ended = end_permitted(visit, number)
    return "/account" if ended.person == visit.by.name else "/administration/tokens"


def end_permitted(visit: Visit, number: int) -> Token:
    """End a token: one's own, or as an administrator anybody's; others are not told whether it is there."""

    def work(connection: Connection) -> Token:
        if not tokens.is_of(connection, number, visit.by.name):
            visit.require("people.manage", subject=f"token {number}")
        return tokens.end_token(connection, visit.by, number)

    return visit.steer(work)


def _role(text: str) -> Role | None:
    if text in {"", "none"}:
        return None
    try:
        return Role(text)
    except ValueError:
        raise Invalid("role-refused", f"There is no role {text!r}; choose one of the list.", role=text) from None


def _link(visit: Visit, name: str, word: str, lasts: str) -> Response:
    where = visit.site.settings.url or str(visit.request.base_url).rstrip("/")
    return visit.html(
        "shown_once.html", title=f"Link for {name}", word=f"{where}/welcome/{word}", after="/administration/people",
        until=None, text=f"With it {name} sets a password, once and within {lasts}.",
    )  # fmt: skip
