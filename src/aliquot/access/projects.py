"""Which project a thing belongs to, and moving a dataset from one to another."""

from collections.abc import Collection

from sqlalchemy import Connection, select, update

from aliquot.access import audit
from aliquot.access.by import By
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.db.access_tables import member
from aliquot.db.tables import dataset, definition, quarantine, run
from aliquot.model.errors import Missing


def project_of_dataset(connection: Connection, name: str) -> str | None:
    """Give a dataset's project; None when there is no such dataset yet."""
    return connection.execute(select(dataset.c.project).where(dataset.c.name == name)).scalar()


def project_of_run(connection: Connection, number: int) -> str | None:
    """Give a run's project; None when there is no such run."""
    return connection.execute(select(run.c.project).where(run.c.id == number)).scalar()


def project_of_pipeline(connection: Connection, name: str) -> str | None:
    """Give the project of a pipeline as it is applied now; None when none is."""
    applied = (definition.c.kind == "pipeline") & (definition.c.name == name) & definition.c.current
    return connection.execute(select(definition.c.project).where(applied)).scalar()


def project_of_held(connection: Connection, number: int) -> str | None:
    """Give the project of something in quarantine; None when there is no such thing."""
    return connection.execute(select(quarantine.c.project).where(quarantine.c.id == number)).scalar()


def projects_in_use(connection: Connection) -> dict[str, int]:
    """Give the projects that datasets, pipelines or people name, and how many datasets each has."""
    found = dict.fromkeys([DEFAULT_PROJECT, *connection.execute(select(definition.c.project).distinct()).scalars()], 0)
    for each in connection.execute(select(member.c.project).where(member.c.project != "*").distinct()).scalars():
        found.setdefault(each, 0)
    for each in connection.execute(select(dataset.c.project)).scalars():
        found[each] = found.get(each, 0) + 1
    return dict(sorted(found.items()))


def move_dataset(connection: Connection, by: By, name: str, project: str, known: Collection[str]) -> str:
    """Move a dataset to one of the `known` projects, and give the one that it was in.

    What it holds goes with it; runs and quarantine stay where they were made.
    """
    if project not in {DEFAULT_PROJECT, *known}:
        words = f"aliquot.yaml has no project {project!r}; add it to 'projects' first."
        raise Missing("project-missing", words, project=project)
    query = select(dataset.c.project).where(dataset.c.name == name).with_for_update()
    before = connection.execute(query).scalar()
    if before is None:
        raise Missing(
            "dataset-missing", f"There is no dataset {name!r}; `aliquot dataset list` shows them.", dataset=name
        )
    if before != project:
        connection.execute(update(dataset).where(dataset.c.name == name).values(project=project))
        audit.append(
            connection, by, "dataset.move", f"dataset {name}", project=project, before={"project": before},
            after={"project": project},
        )  # fmt: skip
    return before
