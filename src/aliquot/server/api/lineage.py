"""`/api/v1/…/lineage`: what a file came from and what came of it, for programs."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query

from aliquot.datasets.lineage import Direction
from aliquot.model.reference import Reference
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import plain
from aliquot.server.web.files import project_of_dataset
from aliquot.server.web.lineage import seen_lineage

routes = Routes("/api/v1")

Depth = Annotated[int, Query(ge=1, le=50)]


@dataclass(frozen=True, slots=True)
class Lineage:
    """A tree: its root has kind, name and facts, and such nodes under `back` (it came from) and `forward` (came of it).

    A node that is `told` stands elsewhere in the tree with what is below it.
    """

    root: dict[str, Any]


@routes.api("GET", "/datasets/{name}/versions/{version}/lineage", action="dataset.read", project=project_of_dataset)
def of_version(
    visit: AVisit, name: str, version: str, direction: Direction = "both", depth: Depth = 20
) -> Lineage:  # fmt: skip
    """Give the lineage of a version."""
    return Lineage(seen_lineage(visit, Reference(name, version), direction, depth).document())


@routes.api(
    "GET", "/datasets/{name}/versions/{version}/lineage/{path:path}", action="dataset.read",
    project=project_of_dataset,
)  # fmt: skip
def of_file(
    visit: AVisit, name: str, version: str, path: str, direction: Direction = "both", depth: Depth = 20
) -> Lineage:  # fmt: skip
    """Give the lineage of a file, from its arrival to the rows of tables."""
    wanted = Reference(name, version, "/" + plain(path).lstrip("/"))
    return Lineage(seen_lineage(visit, wanted, direction, depth).document())
