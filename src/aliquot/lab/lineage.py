"""Lineage to its ends: from the arrival, through runs, to the rows of the hub's tables."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aliquot.access.by import By
from aliquot.datasets.lineage import Direction, Node, lineage
from aliquot.datasets.lineage_sight import EVERYTHING
from aliquot.lab.lab import Lab
from aliquot.lab.seen import sight_of
from aliquot.model.errors import AliquotError
from aliquot.model.reference import Reference, parse_reference


def full_lineage(
    lab: Lab, reference: Reference, direction: Direction = "back", depth: int = 20, limit: int = 500,
    widest: int | None = None, by: By | None = None,
) -> Node:  # fmt: skip
    """Give the lineage of what a reference names; forward, each file says which tables have how many rows from it.

    What is another project's is left out where `by` may not see it, and not counted. A hub that is out of reach leaves
    the rows out, and the root's facts say so as `hub`.
    """
    with lab.catalogue.read() as connection:
        sight = sight_of(connection, by) if by else EVERYTHING
        root = lineage(connection, reference, direction, depth, limit, widest, sight)
    if direction == "back":
        return root
    try:
        rows = _rows(lab, root)
    except AliquotError as error:
        return replace(root, facts={**root.facts, "hub": error.message})
    return _with_rows(root, rows)


def _rows(lab: Lab, root: Node) -> dict[str, list[tuple[str, int]]]:
    """Ask the hub once for each version in the tree: rows by the name of the file's node."""
    from aliquot.hub.lineage import lineage_of

    wanted: dict[tuple[str, int], dict[str, str]] = {}
    for node in _files(root):
        reference = parse_reference(node.name)
        if reference.path and reference.version.isdecimal():
            wanted.setdefault((reference.dataset, int(reference.version)), {})[reference.path] = node.name
    found: dict[str, list[tuple[str, int]]] = {}
    for (dataset, version), names in wanted.items():
        for table, path, count in lineage_of(lab.hub, dataset, version, list(names)):
            found.setdefault(names[path], []).append((table, count))
    return found


def _files(node: Node) -> Iterator[Node]:
    if node.kind == "file":
        yield node
    for each in (*node.back, *node.forward):
        yield from _files(each)


def _with_rows(node: Node, rows: dict[str, list[tuple[str, int]]]) -> Node:
    forward = tuple(_with_rows(each, rows) for each in node.forward)
    if node.kind == "file" and not node.told:
        forward += tuple(Node("rows", table, _row_facts(count)) for table, count in rows.get(node.name, []))
    return replace(node, forward=forward)


def _row_facts(count: int) -> dict[str, Any]:
    return {"rows": count}
