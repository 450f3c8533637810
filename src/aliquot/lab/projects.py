"""The projects of a lab: those of aliquot.yaml, and those that things are in."""

from sqlalchemy import Connection

from aliquot.access.projects import projects_in_use
from aliquot.access.rights import DEFAULT_PROJECT, EVERYWHERE
from aliquot.definitions.problem import instead
from aliquot.lab.lab import Lab
from aliquot.model.errors import Missing


def projects_of(lab: Lab, connection: Connection) -> dict[str, int]:
    """Give all projects by name, and how many datasets each has."""
    return dict(sorted({**dict.fromkeys(lab.config.projects, 0), **projects_in_use(connection)}.items()))


def require_project(lab: Lab, name: str | None) -> str:
    """Give the name of a project that aliquot.yaml has, `*` for None; another one is `Missing`."""
    if name is None:
        return EVERYWHERE
    known = sorted({DEFAULT_PROJECT, *lab.config.projects})
    if name not in known:
        words = f"aliquot.yaml has no project {name!r}{instead(name, known)}"
        raise Missing("project-missing", words, project=name)
    return name
