"""Lineage in a lab on a server."""

from dataclasses import dataclass
from typing import Any

from aliquot.datasets.lineage import Direction, Node
from aliquot.model.reference import Reference
from aliquot.remote.client import Client, file_path, path_of


@dataclass(frozen=True, slots=True)
class Lineage:
    """A tree, by its root."""

    root: dict[str, Any]


def lineage(client: Client, asked: Reference, direction: Direction, depth: int) -> Node:
    """Give the lineage of what a reference names."""
    path = path_of("datasets", asked.dataset, "versions", asked.version, "lineage")
    if asked.path and asked.path != "/":
        path += file_path(asked.path)
    return _node(client.get(Lineage, path, direction=direction, depth=depth).root)


def _node(said: dict[str, Any]) -> Node:
    back, forward = (tuple(_node(each) for each in said[way]) for way in ("back", "forward"))
    return Node(said["kind"], said["name"], said["facts"], back, forward, said["told"])
