"""People whom another provider knows: their accounts follow from what it says of them, at each sign-in anew."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from aliquot.access import audit
from aliquot.access.by import By
from aliquot.access.people import Person, add_person, find_person, is_login_name, person_by_id
from aliquot.access.rights import ALL, EVERYWHERE, Role
from aliquot.db.access_tables import member, person
from aliquot.model.errors import Conflict, NotSignedIn
from aliquot.model.login import GroupRoles


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider has proved: its own id of them, the names that they may be called by, and their groups."""

    issuer: str
    subject: str
    names: tuple[str, ...]
    title: str
    groups: tuple[str, ...]


def roles_of(groups: Collection[str], given: Mapping[str, GroupRoles]) -> dict[str, Role]:
    """Give the roles by project that somebody has who is in these groups: of several, the highest."""
    found: dict[str, Role] = {}
    order = list(Role)
    for group in groups:
        here = given.get(group, {})
        for project, name in here.items() if isinstance(here, dict) else ((EVERYWHERE, here),):
            role = Role(name)
            found[project] = max(found.get(project, role), role, key=order.index)
    return dict(sorted(found.items()))


def bring_up_to_date(
    connection: Connection, identity: Identity, roles: Mapping[str, Role], place: str, request: str
) -> Person | None:
    """Make or change the account as the provider has it now, and give it; None: nobody, and no role to make one for.

    The roles become exactly those that are given, also when that takes the last administrator's.
    """
    by = By("aliquot", "daemon", ALL, place, request)
    found = _find(connection, identity)
    if found is None:
        return _make(connection, by, identity, roles) if roles else None
    title = identity.title or found.title
    if dict(found.roles) == dict(roles) and found.title == title:
        return found
    connection.execute(update(person).where(person.c.id == found.id).values(title=title))
    connection.execute(delete(member).where(member.c.person_id == found.id))
    if roles:
        rows = [{"person_id": found.id, "project": project, "role": role} for project, role in roles.items()]
        connection.execute(insert(member), rows)
    before, after = _kept(found.title, found.roles), _kept(title, roles)
    after["groups"] = sorted(identity.groups)
    audit.append(connection, by, "people.manage", f"person {found.name}", before=before, after=after)
    return person_by_id(connection, found.id)


def _find(connection: Connection, identity: Identity) -> Person | None:
    known = (person.c.issuer == identity.issuer) & (person.c.subject == identity.subject)
    row = connection.execute(select(person.c.name).where(known)).first()
    # Locked, so that of two sign-ins at once the later one sees what the earlier one wrote.
    return find_person(connection, row.name, locked=True) if row else None


def _make(connection: Connection, by: By, identity: Identity, roles: Mapping[str, Role]) -> Person:
    # An account of the same name is somebody else's: it is never joined by its name alone.
    for name in _names(identity):
        try:
            known_as = (identity.issuer, identity.subject)
            return add_person(connection, by, name, roles, identity.title, known_as)
        except Conflict:
            found = _find(connection, identity)
            if found is not None:
                return found
    words = "All names that the provider has for you are taken by other accounts; ask an administrator of the lab."
    raise NotSignedIn("login-names-taken", words)


def _names(identity: Identity) -> list[str]:
    wanted = [re.sub(r"[^a-z0-9_.@+-]", "-", each.strip().lower()) for each in identity.names]
    found = [each for each in wanted if is_login_name(each)]
    return [*found, *(f"{each}.{at}" for each in found[:1] for at in range(2, 20))]


def _kept(title: str, roles: Mapping[str, Role]) -> dict[str, Any]:
    return {"title": title, "roles": dict(roles)}
