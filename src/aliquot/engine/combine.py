"""The datums of a step: its inputs, crossed, joined, grouped and put side by side.

The rules are Pachyderm's, as its documentation of cross, union, join and group inputs gives them. Each part of the
tree becomes one table: its datums, and beside each the values by which it is joined and grouped further out. Joins and
groups look values up; nothing is ever compared with everything.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from operator import getitem

from aliquot.engine.datums import Datum, File, Part
from aliquot.engine.entries import filler, parts_of
from aliquot.model.errors import Invalid
from aliquot.model.inputs import Combination, Combined, Leaf, leaves
from aliquot.model.pipeline import Step

MOST_DATUMS = 2_000_000
"""A combination that would have more datums is refused before it is made."""

_Values = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class _Table:
    """Datums, and in the same order: by which value each is joined and grouped, and whether it may stay unmatched."""

    datums: Sequence[Datum]
    join: _Values
    group: _Values
    outer: Sequence[bool]


def form(step: Step, files: Mapping[str, Sequence[File]]) -> list[Datum]:
    """Make the datums of a step from the files of each input, in an order that the paths alone decide.

    `Invalid` when the step's inputs would make more than two million datums of few files.
    """
    tree = step.combination
    datums = list(_table(tree, step, files).datums)
    if _in_order(tree, list(step.inputs)):
        return datums
    position = {name: at for at, name in enumerate(step.inputs)}
    return [tuple(sorted(datum, key=lambda part: position[part.input])) for datum in datums]


def early(step: Step, foretold: Collection[str] = ()) -> frozenset[str]:
    """Name the inputs of which a datum can be made before all of their files are there.

    What such an input gives later adds datums and changes none. A datum is complete when its parts of these inputs are
    each one file (`Part.single`) and its other inputs are complete; an entry that is a directory may still grow. Not
    among them: `/` and globs of directories, what is grouped, and what another input of an outer join waits for.
    Where the results of the step that an input takes from are `foretold`, its directories are among them.
    """
    return frozenset(_early(step.combination, step, foretold))


def _early(part: Combination, step: Step, foretold: Collection[str]) -> set[str]:
    if isinstance(part, Leaf):
        given = step.inputs[part.name]
        waits = given.glob == "/" or (given.glob.endswith("/") and given.from_ not in foretold)
        return set() if waits else {part.name}
    if part.how == "group":
        return set()
    found: set[str] = set()
    for at, each in enumerate(part.of):
        beside = part.of[:at] + part.of[at + 1 :]
        if part.how != "join" or not any(step.inputs[name].outer_join for name in _joined_here(beside)):
            found |= _early(each, step, foretold)
    return found


def _joined_here(parts: Sequence[Combination]) -> list[str]:
    """Name the inputs below some parts of a join for which this is the nearest join."""
    names: list[str] = []
    for part in parts:
        if isinstance(part, Leaf):
            names.append(part.name)
        elif part.how != "join":
            names += _joined_here(part.of)
    return names


def _table(part: Combination, step: Step, files: Mapping[str, Sequence[File]]) -> _Table:
    if isinstance(part, Leaf):
        return _entries(part.name, step, files)
    tables = [_table(each, step, files) for each in part.of]
    match part.how:
        case "cross":
            return _cross(part, tables)
        case "join":
            return _join(part, tables)
        case "group":
            return _group(tables)
        case "union":
            return _union(tables)


def _entries(name: str, step: Step, files: Mapping[str, Sequence[File]]) -> _Table:
    given = step.inputs[name]
    parts = parts_of(name, given.glob, files[name])
    return _Table(
        [(part,) for part in parts],
        _filled(given.join_on, parts),
        _filled(given.group_by, parts),
        [given.outer_join] * len(parts),
    )


def _filled(template: str | None, parts: Sequence[Part]) -> _Values:
    if not template:
        return [None] * len(parts)
    fill = filler(template)
    return [fill(part.captures) for part in parts]


def _cross(part: Combined, tables: Sequence[_Table]) -> _Table:
    count = prod(len(each.datums) for each in tables)
    _require_few(part, tables, count)
    if len(tables) == 1:
        return tables[0]
    return _Table(
        [tuple(itertools.chain.from_iterable(each)) for each in itertools.product(*(each.datums for each in tables))],
        _crossed([each.join for each in tables], count),
        _crossed([each.group for each in tables], count),
        [any(each) for each in itertools.product(*(each.outer for each in tables))],
    )


def _crossed(columns: Sequence[_Values], count: int) -> _Values:
    if not any(value is not None for column in columns for value in column):
        return [None] * count
    return [_first(each) for each in itertools.product(*columns)]


def _join(part: Combined, tables: Sequence[_Table]) -> _Table:
    """Combine the datums that share a value; where a part has none, those that may stay unmatched go without it."""
    found = [_by_value(each.join) for each in tables]
    chosen: list[tuple[str, list[Sequence[int]]]] = []
    for value in sorted(set[str]().union(*found)):
        rows: list[Sequence[int]] = [each.get(value, ()) for each in found]
        if not all(rows):
            rows = [[at for at in some if table.outer[at]] for table, some in zip(tables, rows, strict=True)]
        if any(rows):
            chosen.append((value, rows))
    _require_few(part, tables, sum(prod(len(some) or 1 for some in rows) for _, rows in chosen))
    made: list[Datum] = []
    join: list[str] = []
    group: list[str | None] = []
    for value, rows in chosen:
        there = tables if all(rows) else [table for table, some in zip(tables, rows, strict=True) if some]
        datums, groups = [each.datums for each in there], [each.group for each in there]
        for picked in itertools.product(*filter(None, rows)):
            made.append(tuple(itertools.chain.from_iterable(map(getitem, datums, picked))))
            join.append(value)
            group.append(_first(map(getitem, groups, picked)))
    return _Table(made, join, group, [False] * len(made))


def _group(tables: Sequence[_Table]) -> _Table:
    """Put together what shares a value; an entry that came in several combinations is there once."""
    members: dict[str, dict[str, dict[int, Part]]] = {}
    join: dict[str, str | None] = {}
    outer: dict[str, bool] = {}
    for table in tables:
        for at, datum in enumerate(table.datums):
            value = table.group[at] or ""
            inputs = members.setdefault(value, {})
            for part in datum:
                inputs.setdefault(part.input, {})[id(part)] = part
            join[value] = _first([join.get(value), table.join[at]])
            outer[value] = outer.get(value, False) or table.outer[at]
    values = sorted(members)
    return _Table(
        [tuple(_together(name, list(parts.values())) for name, parts in members[value].items()) for value in values],
        [join[value] for value in values],
        values,
        [outer[value] for value in values],
    )


def _together(name: str, parts: Sequence[Part]) -> Part:
    first = parts[0].captures
    shared = {each: value for each, value in first.items() if all(part.captures.get(each) == value for part in parts)}
    return Part(name, "/", shared, tuple(file for part in parts for file in part.files), single=False)


def _union(tables: Sequence[_Table]) -> _Table:
    return _Table(
        [datum for each in tables for datum in each.datums],
        [value for each in tables for value in each.join],
        [value for each in tables for value in each.group],
        [may for each in tables for may in each.outer],
    )


def _by_value(values: _Values) -> Mapping[str, Sequence[int]]:
    alone: dict[str | None, tuple[int]] = dict(zip(values, zip(range(len(values))), strict=True))
    if len(alone) == len(values) and None not in alone:
        return {value: at for value, at in alone.items() if value is not None}
    found: dict[str, list[int]] = {}
    for at, value in enumerate(values):
        if value is not None:
            found.setdefault(value, []).append(at)
    return found


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _in_order(part: Combination, names: Sequence[str]) -> bool:
    """Say whether the parts of each datum come in the order of the names as they are combined."""
    return [each.name for each in leaves(part)] == names and not _mixed(part)


def _mixed(part: Combination) -> bool:
    """Say whether a group holds combinations: it gathers their inputs in the order in which they turn up."""
    if isinstance(part, Leaf):
        return False
    return any((part.how == "group" and isinstance(each, Combined)) or _mixed(each) for each in part.of)


def _require_few(part: Combined, tables: Sequence[_Table], count: int) -> None:
    if count <= MOST_DATUMS:
        return
    sizes = [f"{_words(each)} ({len(table.datums):,})" for each, table in zip(part.of, tables, strict=True)]
    advice = (
        "join them by what their names share, or narrow their globs"
        if part.how == "cross"
        else "let join_on tell more of them apart"
    )
    raise Invalid(
        "datums-too-many",
        f"The {part.how} of {' and '.join(sizes)} would make {count:,} datums; no more than {MOST_DATUMS:,} are made: "
        f"{advice}.",
        datums=count,
        most=MOST_DATUMS,
        inputs={_words(each): len(table.datums) for each, table in zip(part.of, tables, strict=True)},
    )


def _words(part: Combination) -> str:
    names = " and ".join(each.name for each in leaves(part))
    return names if isinstance(part, Leaf) else f"the {part.how} of {names}"
