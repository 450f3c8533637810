"""A pipeline's graph laid out in layers, from left to right: where each node goes and how the edges run between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aliquot.model.pipeline import Pipeline

WIDTH, HEIGHT = 176, 50
_GAP_X, _GAP_Y, _BEND = 56, 18, 12
_MARGIN = 8
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Node:
    """A box: what it is (`input`, `step` or `output`), its name, a word more, and where its upper left corner is."""

    kind: str
    name: str
    about: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between two boxes, as the path of an SVG."""

    before: str
    after: str
    path: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and lines in pixels; `width` and `height` are those of the whole drawing."""

    nodes: list[Node]
    edges: list[Edge]
    width: float
    height: float


def graph_of(pipeline: Pipeline) -> Graph:
    """Lay out a pipeline: the datasets that it takes, its steps, and the datasets that it publishes."""
    labels: dict[str, tuple[str, str, str]] = {}
    links: list[tuple[str, str]] = []
    used = {each.from_ for step in pipeline.steps.values() for each in step.inputs.values()}
    for name, given in pipeline.inputs.items():
        if name in used:
            labels[f"input:{name}"] = ("input", name, given.dataset)
    for name in pipeline.order():
        step = pipeline.steps[name]
        labels[f"step:{name}"] = ("step", name, step.title)
        sources = dict.fromkeys(each.from_ for each in step.inputs.values())
        links += [(f"{'step' if each in pipeline.steps else 'input'}:{each}", f"step:{name}") for each in sources]
    for name, output in pipeline.outputs.items():
        labels[f"output:{name}"] = ("output", name, output.publish or "not published")
        links.append((f"step:{output.from_}", f"output:{name}"))
    return _lay_out(labels, links)


def _lay_out(labels: Mapping[str, tuple[str, str, str]], links: Sequence[tuple[str, str]]) -> Graph:
    layer = _layers(list(labels), links)
    chains, rows = _with_bends(layer, links)
    _uncross(rows, chains)
    places = _places(rows, labels)
    nodes = [Node(*labels[each], *places[each]) for each in labels]
    edges = [Edge(chain[0], chain[-1], _path([places[each] for each in chain])) for chain in chains]
    tall = max((y for _, y in places.values()), default=0.0) + HEIGHT + _MARGIN
    wide = _MARGIN * 2 + len(rows) * WIDTH + max(0, len(rows) - 1) * _GAP_X
    return Graph(nodes, edges, wide, tall)


def _layers(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Give each node the layer after the last one that leads to it; what leads on goes right before the first."""
    before: dict[str, list[str]] = {each: [] for each in names}
    after: dict[str, list[str]] = {each: [] for each in names}
    for one, other in links:
        before[other].append(one)
        after[one].append(other)
    layer: dict[str, int] = {}
    # The names come in the order of the steps: each after those that lead to it.
    for each in names:
        layer[each] = max((layer[one] + 1 for one in before[each]), default=0)
    for each in names:
        if not before[each] and after[each]:
            layer[each] = min(layer[other] for other in after[each]) - 1
    least = min(layer.values(), default=0)
    return {each: at - least for each, at in layer.items()}


def _with_bends(layer: Mapping[str, int], links: Sequence[tuple[str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Let lines over several layers pass a bend in each between; gives the lines, and what is in each layer."""
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for each, at in layer.items():
        rows[at].append(each)
    chains: list[list[str]] = []
    for number, (one, other) in enumerate(links):
        bends = [f"bend:{number}:{at}" for at in range(layer[one] + 1, layer[other])]
        for at, bend in enumerate(bends, layer[one] + 1):
            rows[at].append(bend)
        chains.append([one, *bends, other])
    return chains, rows


def _uncross(rows: list[list[str]], chains: Sequence[Sequence[str]]) -> None:
    """Put each node at the mean of its neighbours, to and fro over the layers; keep the order that crosses least."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for chain in chains:
        for one, other in pairwise(chain):
            before.setdefault(other, []).append(one)
            after.setdefault(one, []).append(other)
    best, least = [list(row) for row in rows], _crossings(rows, after)
    for turn in range(_ROUNDS):
        if least == 0:
            break
        forth = turn % 2 == 0
        order = range(1, len(rows)) if forth else range(len(rows) - 2, -1, -1)
        near = before if forth else after
        for at in order:
            there = {each: place for place, each in enumerate(rows[at - 1 if forth else at + 1])}
            mean = {each: _mean([there[one] for one in near.get(each, ())], own) for own, each in enumerate(rows[at])}
            rows[at].sort(key=mean.__getitem__)
        now = _crossings(rows, after)
        if now < least:
            best, least = [list(row) for row in rows], now
    rows[:] = best


def _mean(places: Sequence[int], own: int) -> float:
    return sum(places) / len(places) if places else float(own)


def _crossings(rows: Sequence[Sequence[str]], after: Mapping[str, Sequence[str]]) -> int:
    total = 0
    for row, following in pairwise(rows):
        there = {each: place for place, each in enumerate(following)}
        ends = [sorted(there[other] for other in after.get(each, ())) for each in row]
        seen: list[int] = []
        for each in ends:
            total += sum(one > other for one in seen for other in each)
            seen += each
    return total


def _places(rows: Sequence[Sequence[str]], labels: Mapping[str, object]) -> dict[str, tuple[float, float]]:
    """Place each layer in a column, in the middle of the drawing; bends are as thin as lines."""
    heights = [[HEIGHT if each in labels else _BEND for each in row] for row in rows]
    tall = [sum(each) + _GAP_Y * max(0, len(each) - 1) for each in heights]
    highest = max(tall, default=0)
    places: dict[str, tuple[float, float]] = {}
    for column, (row, each, total) in enumerate(zip(rows, heights, tall, strict=True)):
        y = _MARGIN + (highest - total) / 2
        for name, height in zip(row, each, strict=True):
            # A line passes a bend at its middle, where it would meet the middle of a box.
            places[name] = (_MARGIN + column * (WIDTH + _GAP_X), y if name in labels else y + (height - HEIGHT) / 2)
            y += height + _GAP_Y
    return places


def _path(places: Sequence[tuple[float, float]]) -> str:
    x, y = places[0]
    said = f"M{x + WIDTH:g} {y + HEIGHT / 2:g}"
    for at, (x, y) in enumerate(places[1:], 1):
        middle, start = y + HEIGHT / 2, places[at - 1]
        half = x - _GAP_X / 2
        said += f"C{half:g} {start[1] + HEIGHT / 2:g} {half:g} {middle:g} {x:g} {middle:g}"
        if at < len(places) - 1:
            said += f"H{x + WIDTH:g}"
    return said
