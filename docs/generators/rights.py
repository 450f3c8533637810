"""rights.md: who may do what."""

from aliquot.access.rights import RIGHTS, Reach, Role
from aliquot.access.tokens import NEVER
from generators.text import cell, code, page, table

WHERE: dict[Reach, str] = {
    "project": "in the project of what is touched",
    "lab": "in all projects",
    "self": "in any project",
}

_ABOUT = """\
This is the table by which pages, API and command line decide. What it does not list, nobody may do. A person has a
role in one project or another, or in all of them; an administrator is one for the whole lab. Each role may do what
those before it may. Whoever works in the lab's own folder, on the command line, has been let in by the file system and
may do everything.

A [token](../explanation/security.md#people) may do at most what its person may do at that moment: the actions in its
scope, in its project if it has one."""


def rights_page() -> str:
    """Make the page."""
    rows = [
        (code(each.action), cell(each.text), WHERE[each.reach], *("yes" if role in each.roles else "" for role in Role))
        for each in RIGHTS.values()
    ]
    never = ", ".join(code(each) for each in sorted(NEVER))
    return page(
        "Who may do what",
        _ABOUT,
        "## Actions",
        table(("action", "what it lets a person do", "the role is needed", *Role), rows),
        "## Never with a token",
        f"{never}: a program that could make tokens and accounts could keep itself alive for ever.",
    )
