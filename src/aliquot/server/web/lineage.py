"""Lineage of a file both ways, from its arrival to the rows of tables, as lists that fold."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from aliquot.access.projects import project_of_dataset as dataset_project
from aliquot.access.projects import project_of_run as run_project
from aliquot.datasets.lineage import Node
from aliquot.lab.lineage import full_lineage
from aliquot.model.reference import parse_reference
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.files import project_of_dataset

routes = Routes()


@dataclass(frozen=True, slots=True)
class LineagePage:
    """Where a file came from and what came of it; `here` is the page of the file."""

    root: dict[str, Any]
    dataset: str
    version: str
    path: str
    here: str


@routes.page(
    "/datasets/{name}/{version}/lineage/{path:path}", template="lineage.html", action="dataset.read",
    project=project_of_dataset, twin="/datasets/{name}/{version}/lineage.json",
)  # fmt: skip
def show_lineage(visit: AVisit, name: str, version: str, path: str) -> LineagePage:
    """Show where a file came from and what came of it."""
    full = "/" + path.lstrip("/")
    root = full_lineage(visit.lab, parse_reference(f"{name}@{version}:{full}"), "both")
    projects = visit.projects("dataset.read")
    if projects is not None:
        with visit.read() as connection:
            root = _seen(connection, root, projects, {})
    here = f"/datasets/{quote(name)}/{quote(version)}/files{quote(full)}"
    return LineagePage(root.document(), name, version, full, here)


def _seen(connection: Connection, node: Node, projects: Collection[str], known: dict[str, bool]) -> Node:
    """Leave out what belongs to projects that the person may not see, with all that is behind it."""
    back = tuple(
        _seen(connection, each, projects, known) for each in node.back if _may(connection, each, projects, known)
    )
    forward = tuple(
        _seen(connection, each, projects, known) for each in node.forward if _may(connection, each, projects, known)
    )
    return replace(node, back=back, forward=forward)


def _may(connection: Connection, node: Node, projects: Collection[str], known: dict[str, bool]) -> bool:
    if node.kind in {"more", "arrival", "rows", "table"}:
        return True
    number = node.facts.get("run")
    of_dataset = node.kind in {"file", "version"}
    key = parse_reference(node.name).dataset if of_dataset else f"run {number}"
    if key not in known:
        project = dataset_project(connection, key) if of_dataset else None
        if not of_dataset and isinstance(number, int):
            project = run_project(connection, number)
        known[key] = project in projects
    return known[key]
