"""A lineage as a graph from left to right: many alike fold into one box, and what is behind a box can be hidden."""

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aliquot.datasets.lineage import Node
from aliquot.lab.graph import lay_out, layers
from aliquot.lab.lineage_flat import Alike, Flat, about, alike, flatten, in_order, short_id, title

WIDTH, HEIGHT, LOW = 208.0, 50.0, 30.0
CELL_WIDTH, CELL_HEIGHT = 160.0, 24.0
_HEAD, _PAD = 28.0, 6.0
_FOLD = 5
"""So many alike become one box."""
_MOST_SINGLE = 40
"""So many boxes of their own an unfolded group has; more of them stand in rows and columns inside one box."""
ALL = "all"
"""In place of the ids of groups: each of them."""
_TOLD = ("run", "step", "ordinal", "pipeline", "state", "reused", "receipt", "arrived_at", "size", "rows", "version")


@dataclass(frozen=True, slots=True)
class Cell:
    """One of many in a box, and where in the drawing it is."""

    kind: str
    name: str
    title: str
    facts: Mapping[str, Any]
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the drawing: one thing, or `count` alike of which `known` were looked at.

    `kind` is that of the lineage's nodes, `way` on which side of the focus it is. `group` is the id by which what is
    alike folds and unfolds; `further` says whether something is behind it, seen from the focus, and `hidden` how many
    boxes of that are not drawn.
    """

    id: str
    kind: str
    way: str
    name: str
    title: str
    about: str
    facts: Mapping[str, Any]
    count: int
    known: int
    group: str
    focus: bool
    further: bool
    hidden: int
    x: float
    y: float
    width: float
    height: float
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line from what was there before to what came of it, by the ids of boxes, as the path of an SVG."""

    before: str
    after: str
    path: str


@dataclass(frozen=True, slots=True)
class Unfolded:
    """A group that is unfolded, and what it is called."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Boxes and lines in pixels. `things` counts what was found, `left_out` what there is beside."""

    boxes: list[Box]
    lines: list[Line]
    width: float
    height: float
    unfolded: list[Unfolded]
    things: int
    left_out: int


@dataclass(slots=True)
class _Draft:
    """A box before it has a place."""

    kind: str
    keys: list[str]
    label: Alike | None = None
    left_out: int = 0
    open: bool = False
    own: bool = False
    """Whether it is of an unfolded group, in a box of its own."""

    @property
    def count(self) -> int:
        return len(self.keys) + self.left_out


@dataclass(slots=True)
class _Drawing:
    """What is drawn: drafts by id, the id of the box that each thing is in, and lines between boxes."""

    flat: Flat
    drafts: dict[str, _Draft] = field(default_factory=dict[str, _Draft])
    box_of: dict[str, str] = field(default_factory=dict[str, str])
    links: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    unfolded: list[Unfolded] = field(default_factory=list[Unfolded])

    @property
    def focus(self) -> list[str]:
        return list(dict.fromkeys(self.box_of[each] for each in self.flat.focus))

    def away(self) -> dict[str, list[str]]:
        """List what is behind each box, seen from the focus."""
        found: dict[str, list[str]] = {}
        for one, other in self.links:
            if self._way(one) != "back" and self._way(other) == "forward":
                found.setdefault(one, []).append(other)
            elif self._way(one) == "back":
                found.setdefault(other, []).append(one)
        return found

    def _way(self, box: str) -> str:
        return self.flat.ways[self.drafts[box].keys[0]]


def lineage_graph(root: Node, unfold: Collection[str] = (), shut: Collection[str] = ()) -> LineageGraph:
    """Draw a lineage; `unfold` are groups whose members are shown, `shut` boxes behind which nothing is."""
    flat = flatten(root)
    drawing = _drafted(flat, unfold)
    away = drawing.away()
    shown = _reached(drawing.focus, away, shut)
    hidden = {each: len(_reached([each], away, ())) - 1 for each in shut if each in shown and each in away}
    names, links = in_order(
        [each for each in drawing.drafts if each in shown],
        [each for each in drawing.links if each[0] in shown and each[1] in shown],
    )
    sizes = {each: _size(drawing.drafts[each]) for each in names}
    placed = lay_out(names, links, sizes)
    partial = _partial(drawing, away)
    boxes = [
        _box(
            drawing, each, placed.places[each], sizes[each], partial=each in partial, further=each in away,
            hidden=hidden.get(each, 0),
        )
        for each in names
    ]  # fmt: skip
    return LineageGraph(
        boxes, [Line(*each) for each in placed.lines], placed.width, placed.height, drawing.unfolded,
        len(flat.things), sum(each.many for each in flat.left_out),
    )  # fmt: skip


def _drafted(flat: Flat, unfold: Collection[str]) -> _Drawing:
    """Gather what is alike and as far along into one draft each; a file in focus stays by itself."""
    names, links = in_order(list(flat.things), list(flat.links))
    layer = layers(names, links)
    groups: dict[tuple[Alike, int, str], list[str]] = {}
    for key in names:
        label = alike(flat.things[key])
        if label and (key not in flat.focus or len(flat.focus) > 1):
            groups.setdefault((label, layer[key], flat.ways[key]), []).append(key)
    group_of = {key: group for group, keys in groups.items() for key in keys}
    left_out, alone = _left_out(flat, group_of)
    drawing = _Drawing(flat)
    for group, keys in groups.items():
        _add_group(drawing, short_id(f"{group[0]} {group[1]} {group[2]}"), group[0], keys, left_out[group], unfold)
    for key in flat.things:
        if key not in drawing.box_of:
            _add(drawing, short_id(key), _Draft(flat.things[key].kind, [key]))
    joined = dict.fromkeys((drawing.box_of[one], drawing.box_of[other]) for one, other in links)
    drawing.links = [each for each in joined if each[0] != each[1]]
    for parent, way, count in alone:
        _add_more(drawing, drawing.box_of[parent], way, count)
    return drawing


def _left_out(
    flat: Flat, group_of: Mapping[str, tuple[Alike, int, str]]
) -> tuple[Counter[tuple[Alike, int, str]], list[tuple[str, str, int]]]:
    """Count what was not looked at with the group that most of its siblings are in, or by itself."""
    of_groups: Counter[tuple[Alike, int, str]] = Counter()
    alone: list[tuple[str, str, int]] = []
    below = {way: flat.below(way) for way in {each.way for each in flat.left_out}}
    for each in flat.left_out:
        siblings = Counter(group_of[key] for key in below[each.way].get(each.parent, ()) if key in group_of)
        if siblings:
            of_groups[siblings.most_common(1)[0][0]] += each.many
        else:
            alone.append((each.parent, each.way, each.many))
    return of_groups, alone


def _add_group(
    drawing: _Drawing, at: str, label: Alike, keys: list[str], left_out: int, unfold: Collection[str]
) -> None:
    if len(keys) + left_out < _FOLD:
        return
    opened = at in unfold or ALL in unfold
    if opened:
        drawing.unfolded.append(Unfolded(at, f"{len(keys) + left_out:,} {label.many} {label.of}"))
    if opened and len(keys) <= _MOST_SINGLE and not left_out:
        for key in keys:
            _add(drawing, short_id(key), _Draft(label.kind, [key], own=True))
        return
    _add(drawing, at, _Draft(label.kind, keys, label, left_out, open=opened))


def _add_more(drawing: _Drawing, box: str, way: str, count: int) -> None:
    at = short_id(f"more {box} {way}")
    if at not in drawing.drafts:
        drawing.flat.ways[at] = way
        drawing.drafts[at] = _Draft("more", [at])
        drawing.links.append((at, box) if way == "back" else (box, at))
    drawing.drafts[at].left_out += count


def _add(drawing: _Drawing, at: str, draft: _Draft) -> None:
    drawing.drafts[at] = draft
    drawing.box_of |= dict.fromkeys(draft.keys, at)


def _reached(starts: Sequence[str], away: Mapping[str, Sequence[str]], shut: Collection[str]) -> set[str]:
    found, waiting = set(starts), deque(starts)
    while waiting:
        each = waiting.popleft()
        fresh = [] if each in shut else [other for other in away.get(each, ()) if other not in found]
        found.update(fresh)
        waiting.extend(fresh)
    return found


def _partial(drawing: _Drawing, away: Mapping[str, Sequence[str]]) -> set[str]:
    """Find the boxes of which there may be more: those behind one of which not all was looked at."""
    cut = [each for each, draft in drawing.drafts.items() if draft.left_out]
    return _reached([other for each in cut for other in away.get(each, ())], away, ())


def _size(draft: _Draft) -> tuple[float, float]:
    if draft.open:
        columns = _columns(len(draft.keys))
        rows = -(-len(draft.keys) // columns)
        return max(WIDTH, 2 * _PAD + columns * CELL_WIDTH), _HEAD + _PAD + rows * CELL_HEIGHT
    return WIDTH, LOW if draft.own or draft.kind == "more" else HEIGHT


def _columns(count: int) -> int:
    """Give the columns that make the cells of a box about as wide as they are high together."""
    return max(1, round((count * CELL_HEIGHT / CELL_WIDTH) ** 0.5 * 1.3))


def _box(
    drawing: _Drawing, at: str, place: tuple[float, float], size: tuple[float, float], *, partial: bool, further: bool,
    hidden: int,
) -> Box:  # fmt: skip
    draft, flat = drawing.drafts[at], drawing.flat
    name, facts = "", dict[str, Any]()
    if draft.label:
        least = " or more" if partial else ""
        words = f"{draft.count:,}{least} {draft.label.many}", draft.label.of
    elif draft.kind == "more":
        words = f"and {draft.left_out:,} more", ""
    else:
        thing = flat.things[draft.keys[0]]
        name, facts = thing.name, _told(thing, flat.rows.get(draft.keys[0]))
        words = title(thing), about(thing, facts)
    return Box(
        id=at, kind=draft.kind, way=flat.ways[draft.keys[0]], name=name, title=words[0], about=words[1], facts=facts,
        count=draft.count, known=len(draft.keys), group=at if draft.label else "",
        focus=draft.keys[0] in flat.focus, further=further, hidden=hidden,
        x=place[0], y=place[1], width=size[0], height=size[1],
        cells=_cells(flat, draft, place) if draft.open else (),
    )  # fmt: skip


def _cells(flat: Flat, draft: _Draft, place: tuple[float, float]) -> tuple[Cell, ...]:
    columns = _columns(len(draft.keys))
    x, y = place[0] + _PAD, place[1] + _HEAD
    by_title: Callable[[str], str] = lambda key: title(flat.things[key])  # noqa: E731 - typed for sorted
    return tuple(
        Cell(
            flat.things[key].kind, flat.things[key].name, title(flat.things[key]), _told(flat.things[key], None),
            x + at % columns * CELL_WIDTH, y + at // columns * CELL_HEIGHT,
        )
        for at, key in enumerate(sorted(draft.keys, key=by_title))
    )  # fmt: skip


def _told(thing: Node, rows: int | None) -> dict[str, Any]:
    """Give what a box says of a thing; the whole of it is in the lineage itself."""
    facts = {name: thing.facts[name] for name in _TOLD if thing.facts.get(name) is not None}
    return {**facts, "rows": rows} if rows is not None else facts
