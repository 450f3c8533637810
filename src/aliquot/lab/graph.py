"""Graphs laid out in layers, from left to right: where each box goes, how the lines run between; that of a pipeline."""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

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
    placed = lay_out(list(labels), links)
    nodes = [Node(*labels[each], *placed.places[each]) for each in labels]
    return Graph(nodes, [Edge(*each) for each in placed.lines], placed.width, placed.height)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where boxes have their upper left corners, lines as (from, to, path of an SVG), and the size of the drawing."""

    places: dict[str, tuple[float, float]]
    lines: list[tuple[str, str, str]]
    width: float
    height: float


def lay_out(
    names: Sequence[str], links: Sequence[tuple[str, str]], sizes: Mapping[str, tuple[float, float]] | None = None
) -> Placed:
    """Lay out boxes; each name comes after those that lead to it, and all boxes are as large unless `sizes` says so."""
    sizes = {each: (sizes or {}).get(each, (WIDTH, HEIGHT)) for each in names}
    chains, rows = _with_bends(layers(names, links), links)
    _uncross(rows, chains)
    spans = _spans(rows, sizes)
    lines = [(chain[0], chain[-1], _path([spans[each] for each in chain])) for chain in chains]
    places = {each: (spans[each].left, spans[each].middle - sizes[each][1] / 2) for each in names}
    tall = max((y + sizes[each][1] for each, (_, y) in places.items()), default=0.0) + _MARGIN
    wide = max((span.right for span in spans.values()), default=0.0) + _MARGIN
    return Placed(places, lines, wide, tall)


def layers(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
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
        seen: list[int] = []
        for each in row:
            ends = sorted(there[other] for other in after.get(each, ()))
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


class _Span(NamedTuple):
    """Where lines meet a box or a bend: at its left and its right, half way down."""

    left: float
    right: float
    middle: float


def _spans(rows: Sequence[Sequence[str]], sizes: Mapping[str, tuple[float, float]]) -> dict[str, _Span]:
    """Place each layer in a column, in the middle of the drawing; bends are as thin as lines."""
    tall = [sum(_height(sizes, each) for each in row) + _GAP_Y * max(0, len(row) - 1) for row in rows]
    highest, left = max(tall, default=0), float(_MARGIN)
    spans: dict[str, _Span] = {}
    for row, total in zip(rows, tall, strict=True):
        wide = max((sizes[each][0] for each in row if each in sizes), default=WIDTH)
        y = _MARGIN + (highest - total) / 2
        for each in row:
            height = _height(sizes, each)
            right = left + (sizes[each][0] if each in sizes else wide)
            spans[each] = _Span(left, right, y + height / 2)
            y += height + _GAP_Y
        left += wide + _GAP_X
    return spans


def _height(sizes: Mapping[str, tuple[float, float]], name: str) -> float:
    return sizes[name][1] if name in sizes else _BEND


def _path(spans: Sequence[_Span]) -> str:
    said = f"M{spans[0].right:g} {spans[0].middle:g}"
    for at, (before, span) in enumerate(pairwise(spans), 1):
        half = span.left - _GAP_X / 2
        said += f"C{half:g} {before.middle:g} {half:g} {span.middle:g} {span.left:g} {span.middle:g}"
        if at < len(spans) - 1:
            said += f"H{span.right:g}"
    return said
