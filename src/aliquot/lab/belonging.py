"""To which project a dataset belongs: also one that is not there yet, but that a source or a pipeline will fill."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from aliquot.access.by import By, require_may
from aliquot.access.projects import project_of_dataset
from aliquot.db.tables import dataset, definition
from aliquot.definitions.found import Definitions
from aliquot.definitions.problem import Problem, refuse
from aliquot.definitions.yaml_text import Document
from aliquot.lab.lab import Lab


def project_to_be(lab: Lab, connection: Connection, name: str) -> str | None:
    """Give the project of a dataset, or of the source or applied pipeline that will make it; None: nobody has it."""
    there = project_of_dataset(connection, name)
    if there is not None:
        return there
    for source in lab.config.sources.values():
        if any(rule.into == name for rule in source.accept):
            return source.project
    query = select(definition.c.project, definition.c.document["outputs"].label("outputs"))
    for row in connection.execute(query.where(definition.c.kind == "pipeline", definition.c.current)):
        if any(each.get("publish") == name for each in (row.outputs or {}).values()):
            return row.project
    return None


def may_fill(lab: Lab, connection: Connection, by: By, name: str, otherwise: str, *also: str) -> str:
    """Refuse somebody who may not put files into a dataset, and give the project for which that was asked.

    `otherwise` is the project of a dataset that nobody has yet, `also` what else it takes beside `dataset.ingest`.
    """
    project = project_to_be(lab, connection, name) or otherwise
    for action in ("dataset.ingest", *also):
        require_may(by, action, project, f"dataset {name}")
    return project


def check_belonging(connection: Connection, found: Definitions) -> None:
    """Refuse sources and pipelines that would fill a dataset of another project, each at its place in its file."""
    query = select(dataset.c.name, dataset.c.project)
    there: dict[str, str] = {row.name: row.project for row in connection.execute(query)}
    problems: list[Problem] = []
    for document, path, name, project in _filled(found):
        if there.get(name, project) != project:
            words = (
                f"the dataset {name!r} is in the project {there[name]!r}, and this would fill it from the project "
                f"{project!r}; choose another one, or move it: aliquot project move {name} {project}"
            )
            problems.append(document.problem(path, words))
    refuse(problems)


def _filled(found: Definitions) -> Iterator[tuple[Document, tuple[str | int, ...], str, str]]:
    """Give what fills datasets: its file, the place in it, the name of the dataset, and the project."""
    for key, source in found.config.model.sources.items():
        for at, rule in enumerate(source.accept):
            yield found.config.text, ("sources", key, "accept", at, "into"), rule.into, source.project
    for each in found.pipelines.values():
        for output, made in each.model.outputs.items():
            if made.publish:
                yield each.text, ("outputs", output, "publish"), made.publish, each.model.project
