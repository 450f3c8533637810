"""Tokens: what programs sign in with. Each can do at most what its person can do at that moment."""

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from aliquot.access import audit
from aliquot.access.by import By, nobody
from aliquot.access.people import Person, find_person, person_by_id
from aliquot.access.refused import note_refused
from aliquot.access.rights import EVERYWHERE, NEVER, RIGHTS, Rights
from aliquot.access.secret_words import digest_of, new_word
from aliquot.db import Catalogue
from aliquot.db.access_tables import person, token
from aliquot.model.errors import Denied, Invalid, Missing, NotSignedIn

PREFIX = "aliquot_"
DEFAULT_DAYS, MOST_DAYS = 90, 366
_NOTED_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is listed, without the word itself. Times are seconds since 1970."""

    id: int
    person: str
    name: str
    scope: tuple[str, ...]
    project: str | None
    created_at: float
    expires_at: float
    used_at: float | None
    ended_at: float | None

    def document(self) -> dict[str, Any]:
        """Give the token as the values that `--json` and the API print."""
        return asdict(self)


def make_token(
    connection: Connection, by: By, of: str, name: str, scope: Collection[str], project: str | None = None,
    days: float = DEFAULT_DAYS,
) -> tuple[str, Token]:  # fmt: skip
    """Make a token for a person, and give the word, which is shown once, with what is kept of it.

    `scope` are the actions that it may do, all of which the person must have; in one project, or where they have them.
    """
    found = find_person(connection, of)
    if not name.strip():
        raise Invalid("token-refused", "Say what the token is for, so that it can be told from others.")
    if not 0 < days <= MOST_DAYS:
        raise Invalid("token-refused", f"A token is good for up to {MOST_DAYS} days; make a new one then.", days=days)
    _require_scope(found, scope, project)
    now, word = time.time(), new_word(PREFIX)
    values = {
        "digest": digest_of(word), "person_id": found.id, "name": name.strip()[:200], "scope": sorted(set(scope)),
        "project": project, "created_at": now, "expires_at": now + days * 86_400,
    }  # fmt: skip
    id_: int = connection.execute(insert(token).values(values)).inserted_primary_key[0]  # pyright: ignore[reportOptionalSubscript]
    made = find_token(connection, id_)
    after = {
        "token": id_,
        "name": made.name,
        "scope": list(made.scope),
        "project": project,
        "expires_at": made.expires_at,
    }
    audit.append(connection, by, _action(by, found), f"person {of}", after=after)
    return word, made


def by_token(catalogue: Catalogue, word: str, place: str = "", request: str = "") -> By:
    """Give whose token this is, with what it may do now; one that is unknown, ended or too old is `NotSignedIn`."""
    now = time.time()
    with catalogue.read() as connection:
        row = connection.execute(select(token).where(token.c.digest == digest_of(word))).first()
        found = person_by_id(connection, row.person_id) if row else None
    if row is None or found is None or found.disabled_at is not None:
        note_refused(catalogue, nobody(place, request), "sign in by token", "a token that is not known")
        raise NotSignedIn("token-unknown", "This token is not known; make one with: aliquot token create")
    if row.ended_at is not None or row.expires_at <= now:
        note_refused(catalogue, nobody(place, request, found.name), "sign in by token", f"token {row.id}, ended")
        raise NotSignedIn("token-over", "This token has ended; make a new one with: aliquot token create")
    if row.used_at is None or now - row.used_at > _NOTED_EVERY:
        with catalogue.write() as connection:
            connection.execute(update(token).where(token.c.id == row.id).values(used_at=now))
    rights = Rights(found.rights.roles, frozenset(row.scope) - NEVER, row.project)
    return By(found.name, "token", rights, place, request, found.id, token=row.id)


def end_token(connection: Connection, by: By, id_: int) -> Token:
    """End a token at once; one that is not there is `Missing`, one that has ended stays as it is."""
    found = find_token(connection, id_)
    ended = update(token).where(token.c.id == id_, token.c.ended_at.is_(None)).values(ended_at=time.time())
    if connection.execute(ended).rowcount:
        of = find_person(connection, found.person)
        audit.append(
            connection, by, _action(by, of), f"person {of.name}", after={"token ended": id_, "name": found.name}
        )
    return find_token(connection, id_)


def is_of(connection: Connection, id_: int, name: str) -> bool:
    """Say whether a token is there and is this person's."""
    query = select(token.c.id).join(person, person.c.id == token.c.person_id)
    return connection.execute(query.where(token.c.id == id_, person.c.name == name)).first() is not None


def find_token(connection: Connection, id_: int) -> Token:
    """Give a token by its number, or `Missing`."""
    found = [each for each in tokens(connection, ended=True) if each.id == id_]
    if not found:
        raise Missing("token-missing", f"There is no token {id_}; `aliquot token list` shows them.", token=id_)
    return found[0]


def tokens(
    connection: Connection, of: str | None = None, *, ended: bool = False, before: int | None = None,
    limit: int | None = None,
) -> list[Token]:  # fmt: skip
    """List tokens, of all people or of one, newest first; with `ended`, those that cannot be used any more, too.

    `before` and `limit` give a page: tokens with lower numbers, and how many at most.
    """
    query = select(token, person.c.name.label("of")).join(person, person.c.id == token.c.person_id)
    if of is not None:
        query = query.where(person.c.name == of)
    if before is not None:
        query = query.where(token.c.id < before)
    if not ended:
        query = query.where(token.c.ended_at.is_(None), token.c.expires_at > time.time())
    return [
        Token(row.id, row.of, row.name, tuple(row.scope), row.project, row.created_at, row.expires_at, row.used_at,
              row.ended_at)
        for row in connection.execute(query.order_by(token.c.id.desc()).limit(limit))
    ]  # fmt: skip


def _action(by: By, of: Person) -> str:
    return "account.own" if by.person == of.id else "people.manage"


def _require_scope(of: Person, scope: Collection[str], project: str | None) -> None:
    if not scope:
        raise Invalid("token-refused", "Say what the token may do, such as --scope dataset.read.")
    for action in scope:
        if action not in RIGHTS or action in NEVER:
            raise Invalid("token-refused", f"No token can be made for {action!r}; `aliquot user rights` lists actions.")
        rights = Rights(of.rights.roles, None, project)
        wheres = [project] if project else [EVERYWHERE, *of.roles]
        if not any(rights.allow(action, each) for each in wheres):
            words = f"{of.name} may not do {action} there, so no token of theirs can."
            raise Denied("token-beyond-role", words, action=action, name=of.name)
