"""Who somebody is at a lab on a server; accounts, sessions, tokens and projects there."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aliquot.access.approvals import Approval
from aliquot.access.people import Person
from aliquot.access.rights import EVERYWHERE, Reach, Right, Role
from aliquot.access.sessions import Session
from aliquot.access.tokens import Token
from aliquot.model.errors import Invalid
from aliquot.remote.client import Client, path_of
from aliquot.remote.credentials import SESSION, headers_of_guest


@dataclass(frozen=True, slots=True)
class Me:
    """Whoever asks: their name, how they came in, their roles by project, and what a token of theirs may do."""

    name: str
    how: str
    roles: Mapping[str, str]
    scope: list[str] | None
    lab: str


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session that was opened, with its word."""

    name: str
    word: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Invited:
    """An account, and the path at which its person sets a password."""

    person: Person
    link: str | None


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token, and its word."""

    token: Token
    word: str | None


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A project, how many datasets and people it has, and whether aliquot.yaml lists it."""

    project: str
    datasets: int
    people: int | None
    listed: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A person with their role in a project."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class RightLine:
    """A row of the table of rights, with the roles that have it, least first."""

    action: str
    reach: Reach
    roles: list[Role]
    text: str


@dataclass(frozen=True, slots=True)
class RightList:
    """The table of rights."""

    rights: list[RightLine]


def who_am_i(client: Client) -> Me:
    """Say who the server takes us for."""
    return client.get(Me, "/me")


def sign_in(client: Client, name: str, password: str) -> tuple[str, float]:
    """Open a session for a name and password; gives what stands in the place of a token, and its end at the latest."""
    headers = headers_of_guest(secrets.token_urlsafe(24))
    answer = client.send("POST", "/sessions", body={"name": name, "password": password}, headers=headers)
    opened = client.read(OwnSession, answer)
    return SESSION + opened.word, opened.expires_at


def sign_out(client: Client) -> None:
    """End the session that we have."""
    client.send("POST", "/sessions/end")


def rights(client: Client) -> list[Right]:
    """Give the table of who may do what there."""
    return [
        Right(each.action, each.reach, each.roles[0], each.text) for each in client.get(RightList, "/rights").rights
    ]


def people(client: Client) -> list[Person]:
    """List the accounts."""
    return list(client.each(Person, "/people", "people", by="after"))


def add(client: Client, name: str, role: str, project: str | None, title: str) -> tuple[Person, str]:
    """Make an account; gives it with the path at which its person sets a password."""
    wish = {"name": name, "role": role, "title": title, "project": EVERYWHERE if project is None else project}
    return _invited(client.post(Invited, "/people", wish))


def invite(client: Client, name: str) -> tuple[Person, str]:
    """Make a new path for a person."""
    return _invited(client.post(Invited, path_of("people", name, "invite")))


def set_role(client: Client, name: str, project: str, role: Role | None) -> Person:
    """Give somebody a role, or take it away."""
    path = path_of("people", name, "roles", project)
    if role is None:
        return client.read(Person, client.send("DELETE", path))
    return client.put(Person, path, {"role": role})


def disable(client: Client, name: str, *, disabled: bool) -> Person:
    """Let somebody sign in no more, or again."""
    return client.post(Person, path_of("people", name, "disable" if disabled else "enable"))


def sessions(client: Client, name: str | None) -> list[Session]:
    """List who is signed in."""
    return list(client.each(Session, "/sessions", "sessions", name=name))


def end_session(client: Client, number: int) -> None:
    """Sign somebody out."""
    client.delete(path_of("sessions", number))


def tokens(client: Client, of: str | None, *, ended: bool) -> list[Token]:
    """List tokens, of everybody or of one person."""
    return list(client.each(Token, "/tokens", "tokens", user=of or "*", ended="true" if ended else "false"))


def make_token(
    client: Client, of: str, name: str, scope: Sequence[str], project: str | None, days: float
) -> tuple[str, Token]:
    """Make a token; gives its word with what is kept of it."""
    wish = {"user": of, "name": name, "scope": list(scope), "project": project, "days": days}
    made = client.post(MadeToken, "/tokens", wish)
    return _shown(made.word), made.token


def end_token(client: Client, number: int) -> Token:
    """End a token."""
    return client.read(Token, client.send("DELETE", path_of("tokens", number)))


def approvals(client: Client, *, decided: bool) -> list[Approval]:
    """List what was asked for."""
    return list(client.each(Approval, "/approvals", "approvals", decided="true" if decided else "false"))


def approval(client: Client, number: int) -> Approval:
    """Give one."""
    return client.get(Approval, path_of("approvals", number))


def withdraw(client: Client, number: int) -> Approval:
    """Take back what was asked for."""
    return client.post(Approval, path_of("approvals", number, "withdraw"))


def decide(client: Client, number: int, name: str, password: str, reason: str, *, approve: bool) -> Approval:
    """Sign as the second person, who has to be the one that is signed in."""
    if (me := who_am_i(client)).name != name:
        words = f"At {client.origin} you are {me.name}: {name} signs where they have signed in themselves."
        raise Invalid("approval-signer", words, name=name)
    wish = {"decision": "approve" if approve else "refuse", "password": password, "because": reason}
    return client.post(Approval, path_of("approvals", number, "decide"), wish)


def projects(client: Client) -> list[ProjectLine]:
    """List the projects that one may see."""
    return list(client.each(ProjectLine, "/projects", "projects", by="after"))


def members(client: Client, project: str) -> dict[str, str]:
    """Give who may do something in a project, with their roles."""
    found = client.each(Member, path_of("projects", project, "members"), "members", by="after")
    return {each.name: each.role for each in found}


def _invited(found: Invited) -> tuple[Person, str]:
    return found.person, _shown(found.link)


def _shown(word: str | None) -> str:
    if word is None:
        # The answer to the first try was lost on the way, and what it showed is shown once.
        sentence = "The connection broke off while this was made: it is there, and its word is lost. Make another one."
        raise Invalid("word-lost", sentence)
    return word
