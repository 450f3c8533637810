"""`aliquot project`: what datasets, pipelines and people belong to."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from aliquot.access import people, projects
from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import line, print_json, table
from aliquot.lab import Lab
from aliquot.lab.projects import projects_of, require_project
from aliquot.remote import people as afar
from aliquot.remote.datasets import move as move_there

app = noun("project")


@app.command(name="list")
def list_projects(*, options: Options = OPTIONS) -> None:
    """List the projects of aliquot.yaml, and those that are in use."""
    found = options.ask(_projects, afar.projects)
    if options.json:
        print_json([asdict(each) for each in found])
        return
    rows = [
        (each.project, each.datasets, "" if each.people is None else each.people,
         "" if each.listed else "not in aliquot.yaml")
        for each in found
    ]  # fmt: skip
    table(("project", ">datasets", ">people", ""), rows, empty="")


@app.command
def members(project: Annotated[str, Parameter(name="PROJECT")], /, *, options: Options = OPTIONS) -> None:
    """List who may do something in a project, and with which role.

    Parameters
    ----------
    project
        The project.
    """
    found = options.ask(lambda lab: _members(lab, project), lambda client: afar.members(client, project))
    if options.json:
        print_json([{"name": name, "role": role} for name, role in found.items()])
        return
    table(("name", "role"), list(found.items()), empty=f"Nobody but who works in the lab's folder sees {project}.")


@app.command
def move(
    dataset: Annotated[str, Parameter(name="DATASET")],
    project: Annotated[str, Parameter(name="PROJECT")],
    /,
    *,
    options: Options = OPTIONS,
) -> None:
    """Move a dataset to another project, with all its versions.

    Parameters
    ----------
    dataset
        The dataset.
    project
        The project, `lab` for that of all that names none.
    """
    before = options.ask(
        lambda lab: lab.catalogue.repeat(
            lambda connection: projects.move_dataset(connection, lab.by, dataset, project, lab.config.projects)
        ),
        lambda client: move_there(client, dataset, project),
    )
    if options.json:
        print_json({"dataset": dataset, "before": before, "project": project})
        return
    line(f"{dataset} belongs to {project} now; it was in {before}.")


def _projects(lab: Lab) -> list[afar.ProjectLine]:
    known = {"lab", *lab.config.projects}
    with lab.catalogue.read() as connection:
        return [
            afar.ProjectLine(name, count, len(people.members(connection, name)), name in known)
            for name, count in projects_of(lab, connection).items()
        ]


def _members(lab: Lab, project: str) -> dict[str, str]:
    require_project(lab, project)
    with lab.catalogue.read() as connection:
        return {name: str(role) for name, role in people.members(connection, project).items()}


in_order(app)
