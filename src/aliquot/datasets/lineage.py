"""Lineage: what a file came from, back to its arrival, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection

from aliquot.datasets import lineage_rows as rows
from aliquot.datasets.read import Version, entries, find_dataset, resolve
from aliquot.model.errors import Missing
from aliquot.model.reference import Reference

Direction = Literal["back", "forward", "both"]
Way = Literal["back", "forward"]


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in a lineage, what it came from (`back`) and what came of it (`forward`).

    `kind` is `version`, `file` (in a version), `output` (a file that stays with its run), `task`, `arrival`, `table`
    (of the hub), or `more`, which stands for `facts["count"]` nodes that are left out. A node that stands elsewhere in
    the tree already is `told` and has nothing below it here.
    """

    kind: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    back: tuple["Node", ...] = ()
    forward: tuple["Node", ...] = ()
    told: bool = False

    def document(self) -> dict[str, Any]:
        """Give the tree as the values that `--json` and the API print."""
        return {
            "kind": self.kind,
            "name": self.name,
            "facts": dict(self.facts),
            "back": [each.document() for each in self.back],
            "forward": [each.document() for each in self.forward],
            "told": self.told,
        }


def lineage(
    connection: Connection, reference: Reference, direction: Direction = "back", depth: int = 20, limit: int = 500
) -> Node:
    """Give the lineage of a file, of the files in a folder, or of all files of a version.

    `depth` is how many nodes a path of the tree may have below the root; `limit` how many nodes the tree may have in
    all, shared evenly among branches. What does not fit is counted by nodes of kind `more`.
    """
    of = resolve(connection, reference)
    path = reference.path or "/"
    ways: tuple[Way, ...] = ("back", "forward") if direction == "both" else (direction,)
    if path != "/":
        found = rows.file_at(connection, of.dataset, of.number, path)
        if found:
            grown = {way: _Tree(connection, way).grow(found, depth, limit // len(ways)) for way in ways}
            name, facts = found.name, found.facts
            nothing = Node("file", name)
            return Node("file", name, facts, grown.get("back", nothing).back, grown.get("forward", nothing).forward)
    return _many(connection, of, path, ways, depth, limit)


def _many(connection: Connection, of: Version, path: str, ways: Sequence[Way], depth: int, limit: int) -> Node:
    listed = list(entries(connection, of, below=path, limit=limit + 1))
    if not listed and path != "/":
        raise Missing(
            "file-missing",
            f"{of} has no file or folder {path}; `aliquot dataset files {of}` lists them.",
            dataset=of.dataset,
            version=of.number,
            path=path,
        )
    head = find_dataset(connection, of.dataset)
    facts = {"digest": of.digest, "files": of.files, "bytes": of.bytes, "newest": head.head == of.number}
    roots = [
        found for each in listed if (found := rows.file_at(connection, of.dataset, of.number, each.path)) is not None
    ]
    name = str(of) if path == "/" else f"{of}:{path}"
    left_out = max(0, of.files - limit) if path == "/" else 0
    sides = {way: _Tree(connection, way).share(roots[:limit], depth, limit // len(ways), left_out) for way in ways}
    return Node("version", name, facts, sides.get("back", ()), sides.get("forward", ()))


class _Tree:
    """Grows a tree one way. Each thing is told in full once: shared ancestors neither repeat nor go in circles."""

    def __init__(self, connection: Connection, way: Way) -> None:
        self._connection = connection
        self._way = way
        self._told: set[tuple[str, str]] = set()
        self._next = rows.Neighbours(connection)

    def grow(self, thing: rows.Thing, depth: int, budget: int) -> Node:
        """Give the node of a thing with at most `budget` nodes in and below it."""
        key = (thing.kind, thing.name)
        if key in self._told:
            return Node(thing.kind, thing.name, thing.facts, told=True)
        if depth <= 0:
            return Node(thing.kind, thing.name, thing.facts)
        self._told.add(key)
        step = self._next.back if self._way == "back" else self._next.forward
        # One more than there is room for is enough to know that some are left out.
        found, count = step(thing, max(budget, 1))
        below = self.share(found, depth - 1, budget - 1, count - len(found))
        if self._way == "back":
            return Node(thing.kind, thing.name, thing.facts, back=below)
        return Node(thing.kind, thing.name, thing.facts, forward=below)

    def share(self, things: Sequence[rows.Thing], depth: int, budget: int, left_out: int) -> tuple[Node, ...]:
        """Give the nodes of several things, each with its even share of what room there is."""
        shown = list(things[: max(budget, 0)])
        left_out += len(things) - len(shown)
        nodes: list[Node] = []
        for position, thing in enumerate(shown):
            node = self.grow(thing, depth, budget // (len(shown) - position))
            nodes.append(node)
            budget -= _size(node)
        if left_out:
            nodes.append(Node("more", f"and {left_out} more", {"count": left_out}))
        return tuple(nodes)


def _size(node: Node) -> int:
    return 1 + sum(_size(each) for each in (*node.back, *node.forward))
