"""People: accounts, and which role they have in which project."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from aliquot.access import audit
from aliquot.access.by import By
from aliquot.access.passwords import hash_password
from aliquot.access.rights import EVERYWHERE, Rights, Role
from aliquot.db.access_tables import member, person, session, token
from aliquot.db.rows import insert_missing
from aliquot.model.errors import Conflict, Invalid, Missing

_NAME = re.compile(r"[a-z0-9][a-z0-9_.@+-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Person:
    """An account. Times are seconds since 1970; `roles` gives the role by project, `*` for all."""

    id: int
    name: str
    title: str
    roles: Mapping[str, Role]
    created_at: float
    disabled_at: float | None
    seen_at: float | None
    has_password: bool
    issuer: str | None

    @property
    def rights(self) -> Rights:
        """Give what the person may do; somebody disabled may do nothing."""
        return Rights({} if self.disabled_at is not None else self.roles)

    @property
    def is_administrator(self) -> bool:
        """Say whether the person may do everything."""
        return self.rights.roles.get(EVERYWHERE) == Role.ADMINISTRATOR

    def document(self) -> dict[str, Any]:
        """Give the person as the values that `--json` and the API print."""
        return {
            "name": self.name, "title": self.title, "roles": dict(self.roles), "created_at": self.created_at,
            "disabled_at": self.disabled_at, "seen_at": self.seen_at, "has_password": self.has_password,
            "issuer": self.issuer,
        }  # fmt: skip


def add_person(
    connection: Connection, by: By, name: str, roles: Mapping[str, Role], title: str = "",
    known_as: tuple[str, str] | None = None,
) -> Person:  # fmt: skip
    """Make an account; `known_as` are the provider and the id there of one who signs in elsewhere.

    A name that is taken is `Conflict`.
    """
    require_login_name(name)
    for project, role in roles.items():
        _require_place(project, role)
    issuer, subject = known_as or (None, None)
    row = {"name": name, "title": title or name, "issuer": issuer, "subject": subject, "created_at": time.time()}
    if not insert_missing(connection, person, [row]):
        raise Conflict("person-exists", f"There is an account {name} already.", name=name)
    id_: int = connection.execute(select(person.c.id).where(person.c.name == name)).scalar_one()
    if roles:
        rows = [{"person_id": id_, "project": project, "role": role} for project, role in roles.items()]
        connection.execute(insert(member), rows)
    made = find_person(connection, name)
    audit.append(connection, by, "people.manage", f"person {name}", after={"added": _kept(made)})
    return made


def set_role(connection: Connection, by: By, name: str, project: str, role: Role | None) -> Person:
    """Give a person a role in a project or everywhere (`*`), or take it away with None.

    The last administrator stays one: `Conflict` otherwise.
    """
    found = find_person(connection, name, locked=True)
    if role is not None:
        _require_place(project, role)
    if project == EVERYWHERE and found.is_administrator and role != Role.ADMINISTRATOR:
        _require_another_administrator(connection, found)
    connection.execute(delete(member).where(member.c.person_id == found.id, member.c.project == project))
    if role is not None:
        connection.execute(insert(member).values(person_id=found.id, project=project, role=role))
    now = find_person(connection, name)
    _note(connection, by, found, now)
    return now


def disable(connection: Connection, by: By, name: str, *, disabled: bool = True) -> Person:
    """Let an account sign in no more, and end its sessions and tokens; or let it again, with `disabled` false."""
    found = find_person(connection, name, locked=True)
    if disabled and found.is_administrator:
        _require_another_administrator(connection, found)
    now = time.time()
    connection.execute(update(person).where(person.c.id == found.id).values(disabled_at=now if disabled else None))
    if disabled:
        for table in (session, token):
            of = (table.c.person_id == found.id) & table.c.ended_at.is_(None)
            connection.execute(update(table).where(of).values(ended_at=now))
    changed = find_person(connection, name)
    _note(connection, by, found, changed)
    return changed


def set_password(connection: Connection, by: By, name: str, password: str) -> None:
    """Set a person's password and end their sessions; one that is too easily guessed is `Invalid`."""
    found = find_person(connection, name, locked=True)
    hashed = hash_password(password, name)
    connection.execute(update(person).where(person.c.id == found.id).values(password=hashed))
    of = (session.c.person_id == found.id) & session.c.ended_at.is_(None)
    connection.execute(update(session).where(of).values(ended_at=time.time()))
    audit.append(connection, by, "account.own", f"person {name}", after={"password": "set anew"})


def find_person(connection: Connection, name: str, *, locked: bool = False) -> Person:
    """Give the account of a name, or `Missing`; `locked` keeps others from changing it until the transaction ends."""
    query = select(person).where(person.c.name == name)
    row = connection.execute(query.with_for_update() if locked else query).first()
    if row is None:
        raise Missing("person-missing", f"There is no account {name!r}; `aliquot user list` shows them.", name=name)
    return _people(connection, [row])[0]


def person_by_id(connection: Connection, id_: int) -> Person:
    """Give the account of a number."""
    return _people(connection, [connection.execute(select(person).where(person.c.id == id_)).one()])[0]


def people(connection: Connection, after: str = "", limit: int | None = None) -> list[Person]:
    """List accounts by name: those after a name, at most `limit`; all by default."""
    query = select(person).where(person.c.name > after).order_by(person.c.name).limit(limit)
    return _people(connection, connection.execute(query).all())


def has_people(connection: Connection) -> bool:
    """Say whether anybody has an account."""
    return connection.execute(select(person.c.id).limit(1)).first() is not None


def members(connection: Connection, project: str) -> dict[str, Role]:
    """Give the role in a project of each person who has one that is not disabled, those of everywhere included."""
    return of_project(people(connection), project)


def of_project(found: Sequence[Person], project: str) -> dict[str, Role]:
    """Give, of some people, those who have a role in a project, as `members`."""
    roles = [(each.name, each.rights.role_in(project)) for each in found]
    return {name: role for name, role in roles if role is not None}


def is_login_name(name: str) -> bool:
    """Say whether somebody could have this name."""
    return _NAME.fullmatch(name) is not None


def require_login_name(name: str) -> str:
    """Refuse a name that nobody can sign in with."""
    if not is_login_name(name):
        raise Invalid(
            "login-name-refused",
            f"{name!r} cannot be a login name: use lower-case letters, digits and . _ @ + -, 100 at most.",
            name=name,
        )
    return name


def _require_place(project: str, role: Role) -> None:
    if role == Role.ADMINISTRATOR and project != EVERYWHERE:
        words = "An administrator is one for the whole lab: give the role without a project."
        raise Invalid("role-refused", words, project=project, role=role)


def _require_another_administrator(connection: Connection, but: Person) -> None:
    # All rows of administrators are locked: two who take the role from each other at once must not both succeed.
    query = (
        select(member.c.person_id)
        .where(member.c.project == EVERYWHERE, member.c.role == Role.ADMINISTRATOR)
        .order_by(member.c.person_id)
        .with_for_update()
    )
    ids = [row.person_id for row in connection.execute(query)]
    active = select(func.count()).where(person.c.id.in_(ids), person.c.id != but.id, person.c.disabled_at.is_(None))
    if not connection.execute(active).scalar_one():
        words = f"{but.name} is the last administrator; make somebody else one first."
        raise Conflict("last-administrator", words, name=but.name)


def _note(connection: Connection, by: By, before: Person, after: Person) -> None:
    audit.append(
        connection, by, "people.manage", f"person {after.name}", before=_kept(before), after=_kept(after)
    )  # fmt: skip


def _kept(of: Person) -> dict[str, Any]:
    return {"title": of.title, "roles": dict(of.roles), "disabled": of.disabled_at is not None}


def _people(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Person]:
    roles: dict[int, dict[str, Role]] = {}
    query = select(member)
    if len(rows) == 1:
        query = query.where(member.c.person_id == rows[0].id)
    for row in connection.execute(query.order_by(member.c.project)):
        roles.setdefault(row.person_id, {})[row.project] = Role(row.role)
    return [
        Person(row.id, row.name, row.title, roles.get(row.id, {}), row.created_at, row.disabled_at, row.seen_at,
               row.password is not None, row.issuer)
        for row in rows
    ]  # fmt: skip
