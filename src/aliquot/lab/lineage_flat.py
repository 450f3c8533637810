"""A lineage's tree as things and links, each once, and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from aliquot.datasets.lineage import Node
from aliquot.model.reference import parse_reference

_WAYS = ("back", "forward")


class Alike(NamedTuple):
    """What makes things alike: their kind, the word for many of them, and what they are of."""

    kind: str
    many: str
    of: str


class LeftOut(NamedTuple):
    """How many neighbours of a thing, one way, were not looked at."""

    parent: str
    way: str
    many: int


@dataclass(slots=True)
class Flat:
    """Things by key, on which side of the focus each is, and links from what was before to what came of it."""

    things: dict[str, Node] = field(default_factory=dict[str, Node])
    ways: dict[str, str] = field(default_factory=dict[str, str])
    links: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])
    focus: dict[str, None] = field(default_factory=dict[str, None])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    """How many rows of each table come from what was found."""

    def below(self, way: str) -> dict[str, list[str]]:
        """Give the neighbours of each thing, one way."""
        found: dict[str, list[str]] = {}
        for one, other in self.links:
            parent, each = (other, one) if way == "back" else (one, other)
            found.setdefault(parent, []).append(each)
        return found


def flatten(root: Node) -> Flat:
    """Take a tree apart; of a version or folder, its files are in focus, of a file itself."""
    flat = Flat()
    if root.kind != "version":
        _note(flat, root, "focus")
    for way in _WAYS:
        for each in _next(root, way):
            if root.kind != "version":
                _walk(flat, key_of(root), each, way)
            elif each.kind != "more":
                _note(flat, each, "focus")
                for below in _next(each, way):
                    _walk(flat, key_of(each), below, way)
    return flat


def key_of(node: Node) -> str:
    """Give the key of a thing: the same for the same thing, wherever in a tree it stands."""
    if node.kind == "arrival":
        # The same name may arrive again and again.
        return f"arrival:{node.facts.get('receipt')}:{node.name}"
    # A load, and the rows that a file has in it, are one table.
    return f"{'table' if node.kind == 'rows' else node.kind}:{node.name}"


def short_id(key: str) -> str:
    """Give a short id for addresses, the same for the same key."""
    return blake2b(key.encode(), digest_size=5).hexdigest()


def in_order(names: Sequence[str], links: Sequence[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    """Put each name after those that lead to it; gives the links without those that would lead in a circle."""
    before = dict.fromkeys(names, 0)
    after: dict[str, list[str]] = {}
    for one, other in links:
        before[other] += 1
        after.setdefault(one, []).append(other)
    order: dict[str, int] = {}
    ready = [each for each in names if not before[each]]
    while len(order) < len(names):
        if not ready:
            ready = [next(each for each in names if each not in order)]
        each = ready.pop()
        if each in order:
            continue
        order[each] = len(order)
        for other in after.get(each, ()):
            before[other] -= 1
            if before[other] == 0:
                ready.append(other)
    return sorted(names, key=order.__getitem__), [each for each in links if order[each[0]] < order[each[1]]]


def alike(node: Node) -> Alike | None:
    """Say what else a thing is alike to; None for what always stands by itself."""
    facts = node.facts
    if node.kind == "file":
        reference = parse_reference(node.name)
        return Alike("file", "files", f"of {reference.dataset}@{reference.version}")
    if node.kind == "task":
        return Alike("task", "tasks", f"of {facts.get('step')}, run {facts.get('run')}")
    if node.kind == "output":
        run, _, step = node.name.partition(":")[0].removeprefix("run ").partition(" ")
        return Alike("output", "files", f"of {step}, run {run}")
    if node.kind == "arrival":
        return Alike("arrival", "arrivals", f"from {facts.get('source')}")
    return None


def title(node: Node) -> str:
    """Call a thing by its own name: a file without its folder, a task by step and number."""
    if node.kind == "task":
        return f"{node.facts.get('step')}/{node.facts.get('ordinal')}"
    if node.kind in {"file", "output", "arrival"}:
        return node.name.rpartition("/")[2] or node.name
    return node.name


def about(node: Node, facts: Mapping[str, Any]) -> str:
    """Say where a thing belongs, in few words."""
    if node.kind == "file":
        reference = parse_reference(node.name)
        return f"{reference.dataset}@{reference.version}"
    if node.kind == "task":
        return f"run {facts.get('run')} of {facts.get('pipeline')}"
    if node.kind == "output":
        return f"kept with {node.name.partition(':')[0]}"
    if node.kind == "arrival":
        return f"arrived from {node.facts.get('source')}"
    rows = facts.get("rows")
    return f"table, {rows:,} rows" if isinstance(rows, int) else "table"


def _note(flat: Flat, node: Node, way: str) -> str:
    key = key_of(node)
    known = flat.things.get(key)
    if known is None or (known.told and not node.told):
        flat.things[key] = node
    flat.ways.setdefault(key, way)
    if way == "focus":
        flat.focus[key] = None
    return key


def _walk(flat: Flat, parent: str, node: Node, way: str) -> None:
    if node.kind == "more":
        flat.left_out.append(LeftOut(parent, way, node.facts["count"]))
        return
    key = _note(flat, node, way)
    if node.kind == "rows":
        flat.rows[key] = flat.rows.get(key, 0) + node.facts["rows"]
    flat.links[(key, parent) if way == "back" else (parent, key)] = None
    for each in _next(node, way):
        _walk(flat, key, each, way)


def _next(node: Node, way: str) -> tuple[Node, ...]:
    return node.back if way == "back" else node.forward
