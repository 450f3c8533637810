"""Lineage: what a file came from, back to its arrival, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection

from aliquot.datasets.lineage_rows import Neighbours
from aliquot.datasets.lineage_sight import EVERYTHING, Sight
from aliquot.datasets.lineage_things import FileRef, Thing, things_of
from aliquot.datasets.read import Version, entries, find_dataset, missing_file, resolve
from aliquot.model.reference import Reference

Direction = Literal["back", "forward", "both"]
Way = Literal["back", "forward"]

_NARROWEST = 10


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
    connection: Connection, reference: Reference, direction: Direction = "back", depth: int = 20, limit: int = 500,
    widest: int | None = None, sight: Sight = EVERYTHING,
) -> Node:  # fmt: skip
    """Give the lineage of a file, of the files in a folder, or of all files of a version.

    `depth` is how many nodes a path of the tree may have below the root; `limit` how many nodes the tree may have in
    all: the nearest come first, and no branch takes more than a tenth, or `widest`. What does not fit is counted by
    nodes of kind `more`; what is not in `sight` is not.
    """
    of = resolve(connection, reference)
    path = reference.path or "/"
    ways: tuple[Way, ...] = ("back", "forward") if direction == "both" else (direction,)
    if path != "/":
        asked: FileRef = ("file", of.dataset, of.number, path)
        found = things_of(connection, [asked]).get(asked)
        if found:
            room = limit // len(ways)
            grown = {way: _Tree(connection, way, room, widest, sight).grow([found], depth)[0] for way in ways}
            name, facts = found.name, found.facts
            nothing = Node("file", name)
            return Node("file", name, facts, grown.get("back", nothing).back, grown.get("forward", nothing).forward)
    return _many(connection, of, path, ways, depth, limit, widest, sight)


def _many(
    connection: Connection, of: Version, path: str, ways: Sequence[Way], depth: int, limit: int, widest: int | None,
    sight: Sight,
) -> Node:  # fmt: skip
    listed = list(entries(connection, of, below=path, limit=limit + 1))
    if not listed and path != "/":
        raise missing_file(connection, of, path)
    head = find_dataset(connection, of.dataset)
    facts = {"digest": of.digest, "files": of.files, "bytes": of.bytes, "newest": head.head == of.number}
    asked: list[FileRef] = [("file", of.dataset, of.number, each.path) for each in listed]
    known = things_of(connection, asked)
    roots = [known[each] for each in asked if each in known]
    name = str(of) if path == "/" else f"{of}:{path}"
    left_out = max(0, of.files - limit) if path == "/" else 0
    sides = {
        way: _Tree(connection, way, limit // len(ways), widest, sight).grow(roots[:limit], depth, left_out)
        for way in ways
    }
    return Node("version", name, facts, sides.get("back", ()), sides.get("forward", ()))


@dataclass(slots=True)
class _Growing:
    """A node whose neighbours are still looked for, `depth` nodes at most below it."""

    thing: Thing
    depth: int
    told: bool = False
    left_out: int = 0
    below: "list[_Growing]" = field(default_factory=list["_Growing"])


class _Tree:
    """Grows a tree one way, nearest things first. Each is told in full once: ancestors neither repeat nor circle."""

    def __init__(self, connection: Connection, way: Way, room: int, widest: int | None, sight: Sight) -> None:
        self._way = way
        self._room = room
        self._widest = widest or max(_NARROWEST, room // 10)
        self._told: set[tuple[str, str]] = set()
        neighbours = Neighbours(connection, sight)
        self._next = neighbours.back if way == "back" else neighbours.forward

    def grow(self, roots: Sequence[Thing], depth: int, left_out: int = 0) -> tuple[Node, ...]:
        """Give the nodes of several things and what is below them."""
        shown = [_Growing(thing, depth) for thing in roots[: self._room]]
        self._room -= len(shown)
        layer = shown
        while layer:
            layer = self._expand(layer)
        left_out += len(roots) - len(shown)
        return (*(self._node(each) for each in shown), *_more(left_out))

    def _expand(self, layer: "Sequence[_Growing]") -> "list[_Growing]":
        """Find the neighbours of things that are equally far away, with few statements for all of them together."""
        fresh: list[_Growing] = []
        for node in layer:
            key = (node.thing.kind, node.thing.name)
            node.told = key in self._told
            if not node.told and node.depth > 0:
                self._told.add(key)
                fresh.append(node)
        if not fresh:
            return []
        for node, (found, count) in zip(fresh, self._next([each.thing for each in fresh], self._allot), strict=True):
            node.below = [_Growing(thing, node.depth - 1) for thing in found]
            node.left_out = count - len(node.below)
        return [below for node in fresh for below in node.below]

    def _allot(self, many: int) -> int:
        """Say for how many of a thing's neighbours there is room, nearest things first, and take it."""
        taken = max(0, min(many, self._widest, self._room))
        self._room -= taken
        return taken

    def _node(self, node: _Growing) -> Node:
        below = (*(self._node(each) for each in node.below), *_more(node.left_out))
        back, forward = (below, ()) if self._way == "back" else ((), below)
        return Node(node.thing.kind, node.thing.name, node.thing.facts, back, forward, node.told)


def _more(count: int) -> tuple[Node, ...]:
    return (Node("more", f"and {count} more", {"count": count}),) if count else ()
