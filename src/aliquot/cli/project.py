"""`aliquot project`: what datasets, pipelines and people belong to."""

from typing import Annotated

from cyclopts import Parameter

from aliquot.access import people, projects
from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import line, print_json, table
from aliquot.lab.projects import projects_of, require_project
from aliquot.remote.datasets import move as move_there

app = noun("project")


@app.command(name="list")
def list_projects(*, options: Options = OPTIONS) -> None:
    """List the projects of aliquot.yaml, and those that are in use."""
    with options.open() as lab, lab.catalogue.read() as connection:
        known = {"lab", *lab.config.projects}
        used = projects_of(lab, connection)
        members = {name: len(people.members(connection, name)) for name in used}
    if options.json:
        print_json(
            [{"project": name, "datasets": count, "people": members[name], "listed": name in known}
             for name, count in used.items()]
        )  # fmt: skip
        return
    rows = [
        (name, count, members[name], "" if name in known else "not in aliquot.yaml") for name, count in used.items()
    ]
    table(("project", ">datasets", ">people", ""), rows, empty="")


@app.command
def members(project: Annotated[str, Parameter(name="PROJECT")], /, *, options: Options = OPTIONS) -> None:
    """List who may do something in a project, and with which role.

    Parameters
    ----------
    project
        The project.
    """
    with options.open() as lab:
        require_project(lab, project)
        with lab.catalogue.read() as connection:
            found = people.members(connection, project)
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


in_order(app)
