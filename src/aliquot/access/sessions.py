"""Sessions: who is signed in, kept on the server's side, so that any of them can be ended at once."""

import time
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from aliquot.access import audit, throttle
from aliquot.access.by import By, nobody
from aliquot.access.passwords import hash_password, is_old, is_right
from aliquot.access.people import Person, find_person, is_login_name, person_by_id
from aliquot.access.refused import note_refused
from aliquot.access.secret_words import digest_of, new_word
from aliquot.db import Catalogue
from aliquot.db.access_tables import person, session
from aliquot.model.errors import Missing, NotSignedIn, TooOften

LIFETIME = 12 * 3600.0
"""Seconds after which a session ends, however much it is used."""

IDLE = 2 * 3600.0
"""Seconds without any use after which it ends."""

_NOTED_EVERY = 60.0
"""Seconds between two notes of a session's or token's use: not each request shall write."""

_KEPT = 90 * 86_400.0

_UNKNOWN = "(no known name)"


class SignedIn(NamedTuple):
    """A new session: the word for the cookie, which is kept nowhere else, and who it is."""

    word: str
    person: Person
    expires_at: float


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is listed. Times are seconds since 1970."""

    id: int
    name: str
    created_at: float
    used_at: float
    expires_at: float
    place: str
    agent: str

    def document(self) -> dict[str, Any]:
        """Give the session as the values that `--json` and the API print."""
        return asdict(self)


def sign_in(catalogue: Catalogue, name: str, password: str, place: str, agent: str = "") -> SignedIn:
    """Open a session for a name and password.

    What is wrong is `NotSignedIn` without saying what; too many tries are `TooOften`. Both are in the audit.
    """
    name = name.strip().lower()
    by = nobody(place, name=name)
    found = check_password(catalogue, name, password, place)
    if found.issuer is not None:
        # Such a password signs approvals; whom a provider knows is let in, or not, by the provider alone.
        catalogue.repeat(lambda connection: audit.append(connection, by, "sign in", f"person {name}", outcome="denied"))
        raise NotSignedIn("sign-in-refused", "This account signs in by the lab's provider; use that way.")
    return catalogue.repeat(lambda connection: open_session(connection, find_person(connection, name), by, agent))


def check_password(catalogue: Catalogue, name: str, password: str, place: str) -> Person:
    """Give whose name and password these are; otherwise `NotSignedIn` or `TooOften`, and a row of the audit."""
    with catalogue.read() as connection:
        row = connection.execute(select(person).where(person.c.name == name)).first() if is_login_name(name) else None
    # What somebody types for a name may be anything, a password included, and the audit is kept for ever.
    by = nobody(place, name=row.name if row else _UNKNOWN)
    try:
        catalogue.repeat(lambda connection: throttle.count_try(connection, {"name": name, "place": place}))
    except TooOften:
        note_refused(catalogue, by, "sign in too often", f"person {by.name}")
        raise
    right = is_right(password, row.password if row else None)
    if row is None or not right or row.disabled_at is not None:
        subject = f"person {by.name}"
        catalogue.repeat(lambda connection: audit.append(connection, by, "sign in", subject, outcome="denied"))
        raise NotSignedIn("sign-in-refused", "Name and password do not fit together; try again, or ask for a new link.")

    def note(connection: Connection) -> Person:
        throttle.forget(connection, name, place)
        if is_old(row.password):
            again = hash_password(password, name)
            connection.execute(update(person).where(person.c.id == row.id).values(password=again))
        return person_by_id(connection, row.id)

    return catalogue.repeat(note)


def open_session(connection: Connection, of: Person, by: By, agent: str = "") -> SignedIn:
    """Open a session for somebody whose identity is proved: by password, one-time link or another provider."""
    if of.disabled_at is not None:
        raise NotSignedIn("sign-in-refused", "This account is disabled; ask an administrator of the lab.")
    now, word = time.time(), new_word()
    connection.execute(delete(session).where(session.c.expires_at < now - _KEPT))
    connection.execute(
        insert(session).values(
            digest=digest_of(word), person_id=of.id, created_at=now, used_at=now, expires_at=now + LIFETIME,
            place=by.place[:200], agent=_plain(agent)[:200],
        )
    )  # fmt: skip
    connection.execute(update(person).where(person.c.id == of.id).values(seen_at=now))
    signed = By(of.name, "session", of.rights, by.place, by.request, of.id)
    audit.append(connection, signed, "sign in", f"person {of.name}")
    return SignedIn(word, of, now + LIFETIME)


def by_session(catalogue: Catalogue, word: str, place: str = "", request: str = "") -> By:
    """Give who holds a cookie's word; one that is unknown, ended or too old is `NotSignedIn`."""
    now = time.time()
    with catalogue.read() as connection:
        row = connection.execute(select(session).where(session.c.digest == digest_of(word))).first()
        found = person_by_id(connection, row.person_id) if row else None
    if row is None or found is None or found.disabled_at is not None or _is_over(row, now):
        raise NotSignedIn("session-over", "You are not signed in any more; sign in again.")
    if now - row.used_at > _NOTED_EVERY:
        with catalogue.write() as connection:
            connection.execute(update(session).where(session.c.id == row.id).values(used_at=now))
    return By(found.name, "session", found.rights, place, request, found.id, session=row.id)


def end_session(connection: Connection, by: By, id_: int) -> None:
    """End a session at once; one that is not there, or has ended, is `Missing`."""
    query = update(session).where(session.c.id == id_, session.c.ended_at.is_(None)).values(ended_at=time.time())
    ended = connection.execute(query.returning(session.c.person_id)).first()
    if ended is None:
        raise Missing("session-missing", f"There is no session {id_} that could be ended.", session=id_)
    of = person_by_id(connection, ended.person_id)
    action = "account.own" if by.person == of.id else "people.manage"
    audit.append(connection, by, action, f"person {of.name}", after={"session ended": id_})


def sessions(
    connection: Connection, name: str | None = None, before: int | None = None, limit: int | None = None
) -> list[Session]:
    """List the sessions that are open, of all people or of one, newest first.

    `before` and `limit` give a page: sessions with lower numbers, and how many at most.
    """
    now = time.time()
    query = (
        select(session, person.c.name)
        .join(person, person.c.id == session.c.person_id)
        .where(session.c.ended_at.is_(None), session.c.expires_at > now, session.c.used_at > now - IDLE)
        .order_by(session.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(session.c.id < before)
    if name is not None:
        query = query.where(person.c.name == name)
    return [
        Session(row.id, row.name, row.created_at, row.used_at, row.expires_at, row.place, row.agent)
        for row in connection.execute(query)
    ]


def _is_over(row: Any, now: float) -> bool:
    return row.ended_at is not None or row.expires_at <= now or row.used_at <= now - IDLE


def _plain(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()
