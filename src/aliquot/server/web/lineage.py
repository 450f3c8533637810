"""Lineage of a file both ways, from its arrival to the rows of tables: as a graph that folds, and as lists."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response

from aliquot.datasets.lineage import Direction, Node
from aliquot.lab.lineage import full_lineage
from aliquot.lab.lineage_graph import LineageGraph, lineage_graph
from aliquot.lab.lineage_prov import prov_document
from aliquot.lab.seen import only_seen
from aliquot.model.reference import Reference, parse_reference
from aliquot.server.answers import json_answer
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.files import project_of_dataset

routes = Routes()

_NODES, _WIDEST = 240, 24
_NODES_UNFOLDED, _WIDEST_UNFOLDED = 800, 400
"""Things that are looked at, and neighbours of one: fewer where many alike are one box anyhow."""
Ids = Annotated[str, Query(max_length=2000, pattern="^([0-9a-f]{10}|all)?(,([0-9a-f]{10}|all))*$")]
Zoom = Annotated[int, Query(ge=10, le=300)]


@dataclass(frozen=True, slots=True)
class LineagePage:
    """Where a file came from and what came of it; `here` is the page of the file, `there` that of its lineage.

    `unfold` are the groups of the graph that are unfolded, `shut` the boxes behind which nothing is drawn; `zoom` is in
    percent.
    """

    root: dict[str, Any]
    graph: LineageGraph
    dataset: str
    version: str
    path: str
    here: str
    there: str
    unfold: list[str]
    shut: list[str]
    zoom: int


@routes.page(
    "/datasets/{name}/{version}/lineage/{path:path}", template="lineage.html", action="dataset.read",
    project=project_of_dataset, twin="/datasets/{name}/{version}/lineage.json",
)  # fmt: skip
def show_lineage(
    visit: AVisit, name: str, version: str, path: str, unfold: Ids = "", shut: Ids = "", zoom: Zoom = 100
) -> LineagePage:
    """Show where a file came from and what came of it."""
    opened, full = _listed(unfold), "/" + path.lstrip("/")
    root = _root(visit, name, version, full, wide=bool(opened))
    begin = f"/datasets/{quote(name)}/{quote(version)}"
    return LineagePage(
        root=root.document(), graph=lineage_graph(root, opened, _listed(shut)), dataset=name, version=version,
        path=full, here=f"{begin}/files{quote(full)}" if full != "/" else begin, there=f"{begin}/lineage{quote(full)}",
        unfold=opened, shut=_listed(shut), zoom=zoom,
    )  # fmt: skip


@routes.raw("GET", "/datasets/{name}/{version}/lineage.svg", action="dataset.read", project=project_of_dataset)
def take_drawing(visit: AVisit, name: str, version: str, path: str = "/", unfold: Ids = "", shut: Ids = "") -> Response:
    """Give the graph as a drawing that stands by itself."""
    opened, full = _listed(unfold), "/" + path.lstrip("/")
    graph = lineage_graph(_root(visit, name, version, full, wide=bool(opened)), opened, _listed(shut))
    answer = visit.html("lineage_drawing.svg", graph=graph, title=f"Lineage of {name}@{version}:{full}")
    return Response(answer.body, headers=_saved(f"lineage-{name}-{version}.svg"), media_type="image/svg+xml")


@routes.raw("GET", "/datasets/{name}/{version}/lineage.prov.json", action="dataset.read", project=project_of_dataset)
def take_provenance(visit: AVisit, name: str, version: str, path: str = "/") -> Response:
    """Give the lineage as PROV-JSON, which other tools read."""
    root = _root(visit, name, version, "/" + path.lstrip("/"), wide=True)
    answer = json_answer(visit.request, prov_document(root))
    answer.headers.update(_saved(f"lineage-{name}-{version}.prov.json"))
    return answer


def _root(visit: Visit, name: str, version: str, full: str, *, wide: bool) -> Node:
    """Find the lineage, without what the person may not see."""
    reference = parse_reference(f"{name}@{version}:{full}")
    limit, widest = (_NODES_UNFOLDED, _WIDEST_UNFOLDED) if wide else (_NODES, _WIDEST)
    return _seen_by(visit, full_lineage(visit.lab, reference, "both", limit=limit, widest=widest, by=visit.by))


def _listed(ids: str) -> list[str]:
    return [each for each in ids.split(",") if each]


def _saved(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def seen_lineage(visit: Visit, reference: Reference, direction: Direction, depth: int = 20) -> Node:
    """Give the lineage of what a reference names, as far as the person may see it."""
    return _seen_by(visit, full_lineage(visit.lab, reference, direction, depth, by=visit.by))


def _seen_by(visit: Visit, root: Node) -> Node:
    with visit.read() as connection:
        return only_seen(connection, root, visit.by)
