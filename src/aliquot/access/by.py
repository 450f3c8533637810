"""Who does something, how they came in, and from where: what is passed down to every change."""

from dataclasses import dataclass
from typing import Literal

from aliquot.access.rights import ALL, DEFAULT_PROJECT, NEVER, NOTHING, RIGHTS, Rights
from aliquot.model.errors import Denied, NotSignedIn, Unseen

How = Literal["command line", "session", "token", "daemon", "nobody"]


@dataclass(frozen=True, slots=True)
class By:
    """Somebody who does something.

    `name` is the login name; `place` the address or machine from which they do it; `request` the id that the log has,
    too; `person`, `session` and `token` are numbers in the catalogue, None for those who have no account.
    """

    name: str
    how: How
    rights: Rights
    place: str = ""
    request: str = ""
    person: int | None = None
    session: int | None = None
    token: int | None = None

    def may(self, action: str, project: str = DEFAULT_PROJECT) -> bool:
        """Say whether they may do it on what belongs to the project."""
        return self.rights.allow(action, project)

    def projects(self, action: str) -> frozenset[str] | None:
        """Give the projects whose things they may do it with, for lists; None: all."""
        return self.rights.projects(action)


def at_the_machine(name: str, place: str) -> By:
    """Give who works in the lab's folder: the file system has let them in, and they may do everything."""
    return By(name, "command line", ALL, place)


def the_daemon(name: str = "aliquot", place: str = "") -> By:
    """Give the lab itself, for what it does without being asked."""
    return By(name, "daemon", ALL, place)


def nobody(place: str, request: str = "", name: str = "") -> By:
    """Give somebody who has not signed in; `name` is who they say they are."""
    return By(name, "nobody", NOTHING, place, request)


def require_may(by: By, action: str, project: str = DEFAULT_PROJECT, subject: str = "") -> None:
    """Refuse what somebody may not do, with `Denied` or `NotSignedIn`; who answers them keeps it in the audit."""
    if not by.may(action, project):
        raise refusal(by, action, project, subject)


def refusal(
    by: By, action: str, project: str | None = DEFAULT_PROJECT, subject: str = ""
) -> Denied | NotSignedIn | Unseen:
    """Give the error that tells somebody why they may not; `project` None: they may do it nowhere.

    Of a project in which they have no role they are told what they are told of what is not there.
    """
    if by.how == "nobody":
        return NotSignedIn("sign-in-needed", "Sign in first, or send a token.", action=action)
    right = RIGHTS.get(action)
    if right is None:
        return Denied("action-unknown", f"Nobody may do {action}: no role has it.", action=action)
    if right.reach == "project" and project is not None and not by.rights.sees(project):
        return unseen(action, project)
    there = "in the project that this belongs to" if project is None else f"in the project {project}"
    where = {"project": there, "lab": "for the whole lab", "self": "in any project"}[right.reach]
    sentence = f"This takes the role {right.least} {where}; ask an administrator of the lab for it."
    if by.how == "token" and action in NEVER:
        sentence = "No token may do this: sign in with your name and password (`aliquot login URL --user NAME`)."
    elif by.rights.scope is not None and action not in by.rights.scope:
        sentence = f"This token is not made for {action}; make another one with it in its scope."
    return Denied("access-denied", sentence, action=action, project=project or DEFAULT_PROJECT, subject=subject)


def unseen(action: str = "", project: str = "") -> Unseen:
    """Give the one answer for what is not there and for what is another project's, which then goes into the audit."""
    return Unseen(
        "nothing-seen",
        "There is nothing of this name or number that you may see; choose from a list, or ask an administrator of the "
        "lab for a role in its project.",
        (action, project) if action else None,
    )
