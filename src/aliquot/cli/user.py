"""`aliquot user`: accounts and roles."""

from collections.abc import Mapping
from typing import Annotated, Literal

from cyclopts import Parameter

from aliquot.access import links
from aliquot.access import people as accounts
from aliquot.access import sessions as signed_in
from aliquot.access.rights import EVERYWHERE, RIGHTS, Role
from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import line, print_json, say, table
from aliquot.cli.text import ago, plain
from aliquot.lab import Lab
from aliquot.lab.projects import require_project
from aliquot.remote import people as afar

app = noun("user")

_Name = Annotated[str, Parameter(name="NAME")]
_Role = Literal["viewer", "technician", "scientist", "administrator"]


@app.command(name="list")
def list_people(*, options: Options = OPTIONS) -> None:
    """List the accounts, with their roles."""
    found = options.read(accounts.people, afar.people)
    if options.json:
        print_json([each.document() for each in found])
        return
    rows = [
        (each.name, each.title, roles_in_words(each.roles), ago(each.seen_at), "disabled" if each.disabled_at else "")
        for each in found
    ]
    table(
        ("name", "called", "role", "signed in", ""), rows,
        empty="Nobody has an account yet; `aliquot user add NAME --role administrator` makes the first.",
    )  # fmt: skip


@app.command
def add(
    name: _Name,
    /,
    *,
    role: _Role,
    project: str | None = None,
    title: str = "",
    options: Options = OPTIONS,
) -> None:
    """Make an account, and print the word of a link with which the person sets a password once.

    Parameters
    ----------
    name
        The name to sign in with.
    role
        What the person may do: viewer, technician, scientist or administrator.
    project
        Only in this project; everywhere by default.
    title
        The name that people read.
    """
    made, link = options.ask(
        lambda lab: _add(lab, name, Role(role), project, title),
        lambda client: afar.add(client, name, role, project, title),
    )
    if options.json:
        print_json({**made.document(), "link": link})
        return
    line(f"{name} is {roles_in_words(made.roles)}.")
    _tell_link(name, link, "7 days")


@app.command
def role(
    name: _Name,
    role: Annotated[Literal["viewer", "technician", "scientist", "administrator", "none"], Parameter(name="ROLE")],
    /,
    *,
    project: str | None = None,
    options: Options = OPTIONS,
) -> None:
    """Give a person another role, everywhere or in a project.

    Parameters
    ----------
    name
        The person.
    role
        viewer, technician, scientist, administrator; or none, to take it away.
    project
        In this project; by default everywhere.
    """
    given = None if role == "none" else Role(role)
    changed = options.ask(
        lambda lab: _set_role(lab, name, project, given),
        lambda client: afar.set_role(client, name, EVERYWHERE if project is None else project, given),
    )
    if options.json:
        print_json(changed.document())
        return
    line(f"{name} is {roles_in_words(changed.roles)} now.")


@app.command
def invite(name: _Name, /, *, options: Options = OPTIONS) -> None:
    """Make a new link with which a person sets a password, and end the one before.

    Parameters
    ----------
    name
        The person.
    """
    found, link = options.ask(lambda lab: _invite(lab, name), lambda client: afar.invite(client, name))
    if options.json:
        print_json({"name": name, "link": link})
        return
    _tell_link(name, link, "1 hour" if found.has_password else "7 days")


@app.command
def disable(name: _Name, /, *, options: Options = OPTIONS) -> None:
    """Let somebody sign in no more; ends their sessions and tokens at once.

    Parameters
    ----------
    name
        The person.
    """
    changed = options.steer(
        lambda connection, by: accounts.disable(connection, by, name),
        lambda client: afar.disable(client, name, disabled=True),
    )
    print_json(changed.document()) if options.json else line(f"{name} is disabled; sessions and tokens have ended.")


@app.command
def enable(name: _Name, /, *, options: Options = OPTIONS) -> None:
    """Let somebody who was disabled sign in again.

    Parameters
    ----------
    name
        The person.
    """
    changed = options.steer(
        lambda connection, by: accounts.disable(connection, by, name, disabled=False),
        lambda client: afar.disable(client, name, disabled=False),
    )
    print_json(changed.document()) if options.json else line(f"{name} may sign in again.")


@app.command
def sessions(
    name: Annotated[str | None, Parameter(name="NAME")] = None, /, *, end: int | None = None, options: Options = OPTIONS
) -> None:
    """List who is signed in, and from where; or end a session.

    Parameters
    ----------
    name
        Only this person's sessions.
    end
        End the session of this number at once.
    """
    if end is not None:
        options.steer(
            lambda connection, by: signed_in.end_session(connection, by, end),
            lambda client: afar.end_session(client, end),
        )
    found = options.read(
        lambda connection: signed_in.sessions(connection, name), lambda client: afar.sessions(client, name)
    )
    if options.json:
        print_json([each.document() for each in found])
        return
    rows = [
        (each.id, each.name, each.place, ago(each.used_at), ago(each.created_at), plain(each.agent)) for each in found
    ]
    table((">session", "who", "from", "used", "since", "with"), rows, empty="Nobody is signed in.")


@app.command
def rights(*, options: Options = OPTIONS) -> None:
    """Print who may do what: the table by which pages, API and commands decide."""
    found = list(RIGHTS.values())
    if options.server:
        with options.connect() as client:
            found = afar.rights(client)
    if options.json:
        print_json(
            [{"action": each.action, "reach": each.reach, "roles": list(each.roles), "text": each.text}
             for each in found]
        )  # fmt: skip
        return
    where = {"project": "", "lab": "everywhere", "self": ""}
    rows = [(each.action, each.least, where[each.reach], each.text) for each in found]
    table(("action", "from role", "held", "what it lets a person do"), rows, empty="")


def _add(lab: Lab, name: str, role: Role, project: str | None, title: str) -> tuple[accounts.Person, str]:
    place = require_project(lab, project)
    with lab.catalogue.write() as connection:
        made = accounts.add_person(connection, lab.by, name, {place: role}, title)
        return made, _path(links.make_link(connection, lab.by, name, "invitation"))


def _set_role(lab: Lab, name: str, project: str | None, given: Role | None) -> accounts.Person:
    place = require_project(lab, project)
    return lab.catalogue.repeat(lambda connection: accounts.set_role(connection, lab.by, name, place, given))


def _invite(lab: Lab, name: str) -> tuple[accounts.Person, str]:
    with lab.catalogue.write() as connection:
        found = accounts.find_person(connection, name)
        purpose = "reset" if found.has_password else "invitation"
        return found, _path(links.make_link(connection, lab.by, name, purpose))


def roles_in_words(roles: Mapping[str, str]) -> str:
    """Write a person's roles: `technician; scientist in blue`."""
    parts = [role if project == EVERYWHERE else f"{role} in {project}" for project, role in sorted(roles.items())]
    return "; ".join(parts) or "nothing: no role"


def _path(word: str) -> str:
    return f"/welcome/{word}"


def _tell_link(name: str, link: str, lasts: str) -> None:
    line(link)
    say(f"With this path on the lab's address {name} sets a password, once and within {lasts}. It is shown this once.")


in_order(app)
