"""One-time links: how the first administrator, somebody invited, or somebody who forgot sets a password."""

import time
from typing import Literal

from sqlalchemy import Connection, delete, insert, select, update

from aliquot.access import audit
from aliquot.access.by import By
from aliquot.access.people import Person, add_person, find_person, has_people, person_by_id, set_password
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.secret_words import digest_of, new_word
from aliquot.db.access_tables import link
from aliquot.model.errors import NotSignedIn

Purpose = Literal["first", "invitation", "reset"]

_LASTS: dict[str, float] = {"first": 24 * 3600.0, "invitation": 7 * 86_400.0, "reset": 3600.0}
_KEPT = 30 * 86_400.0


def first_administrator(connection: Connection, by: By, name: str = "admin") -> str | None:
    """Make the first account of a lab and give its link's word; None when somebody has an account already.

    While nobody has used it, each call gives a new link in place of the one before.
    """
    if not has_people(connection):
        add_person(connection, by, name, {EVERYWHERE: Role.ADMINISTRATOR}, "Administrator")
        return make_link(connection, by, name, "first")
    unused = (
        select(link.c.person_id)
        .where(link.c.purpose == "first", link.c.used_at.is_(None))
    )  # fmt: skip
    row = connection.execute(unused).first()
    if row is None:
        return None
    of = person_by_id(connection, row.person_id)
    if of.has_password or of.disabled_at is not None:
        return None
    return make_link(connection, by, of.name, "first")


def make_link(connection: Connection, by: By, name: str, purpose: Purpose) -> str:
    """Make a link for a person and give its word, which is shown once; earlier links of theirs end."""
    of = find_person(connection, name, locked=True)
    now, word = time.time(), new_word()
    connection.execute(delete(link).where(link.c.person_id == of.id, link.c.used_at.is_(None)))
    connection.execute(delete(link).where(link.c.expires_at < now - _KEPT))
    values = {"digest": digest_of(word), "person_id": of.id, "purpose": purpose, "created_at": now}
    connection.execute(insert(link).values(**values, expires_at=now + _LASTS[purpose]))
    audit.append(connection, by, "people.manage", f"person {name}", after={"link": purpose})
    return word


def whose_link(connection: Connection, word: str) -> Person:
    """Give for whom a link is that can still be used; otherwise `NotSignedIn`."""
    row = connection.execute(
        select(link).where(link.c.digest == digest_of(word), link.c.used_at.is_(None), link.c.expires_at > time.time())
    ).first()
    of = person_by_id(connection, row.person_id) if row else None
    if of is None or of.disabled_at is not None:
        raise NotSignedIn("link-over", "This link has been used, or is too old; ask for a new one.")
    return of


def use_link(connection: Connection, word: str, password: str, place: str, request: str = "") -> Person:
    """Set the password of the person a link is for, once, and give the person."""
    of = whose_link(connection, word)
    used = (
        update(link).where(link.c.digest == digest_of(word), link.c.used_at.is_(None)).values(used_at=time.time())
    )  # fmt: skip
    if connection.execute(used).rowcount != 1:
        raise NotSignedIn("link-over", "This link has been used, or is too old; ask for a new one.")
    set_password(connection, By(of.name, "session", of.rights, place, request, of.id), of.name, password)
    return person_by_id(connection, of.id)
