"""What two runs have in common by steps: their datums, and the files that these gave; what differs has names."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, String, Text, cast, func, null, select, union_all

from aliquot.db.rows import among, chunks
from aliquot.db.tables import output, task
from aliquot.engine.datums import label_of
from aliquot.model.state import State

_AT_ONCE = 5_000
"""Keys of which the files are asked for by name; of more, all files of the step are read."""


@dataclass(frozen=True, slots=True)
class Members:
    """How two sets of named things compare: how many are the same, and the names of the others.

    Names are in the order of the run, or the first of them where fewer were asked for; the totals count all.
    """

    name: str
    same: int
    changed: tuple[str, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    changed_total: int = 0
    only_before_total: int = 0
    only_after_total: int = 0

    @property
    def equal(self) -> bool:
        """Say whether nothing differs."""
        return not (self.changed_total or self.only_before_total or self.only_after_total)


@dataclass(frozen=True, slots=True)
class StepTasks:
    """The tasks of one step of a run: key by datum, in order, and the keys of those that are complete."""

    run: int
    step: str
    keys: Mapping[str, str]
    complete: frozenset[str]


def step_tasks(connection: Connection, number: int, step: str) -> StepTasks:
    """Read the tasks of a step; a datum is the text that the catalogue keeps of it."""
    query = (
        select(cast(task.c.datum, String), task.c.key, task.c.state)
        .where(task.c.run_id == number, task.c.step == step)
        .order_by(task.c.ordinal)
    )
    rows = connection.execute(query).all()
    keys = {datum: key for datum, key, _ in rows}
    if len(keys) < len(rows):
        # The same datum again: blanks after it tell it apart, and are nothing to who reads the JSON.
        keys, times = dict[str, str](), Counter[str]()
        for datum, key, _ in rows:
            keys[datum + " " * times[datum]] = key
            times[datum] += 1
    return StepTasks(number, step, keys, frozenset(key for _, key, state in rows if state == State.COMPLETE))


def datums(before: StepTasks, after: StepTasks, most: int | None = None) -> Members:
    """Compare the keys of tasks that work on the same datum; `most` names of each kind, None: all.

    Datums that are written alike are the same; of the others those that are called alike.
    """
    one, other = before.keys, after.keys
    changed = [datum for datum, key in one.items() if datum in other and other[datum] != key]
    left, new = [each for each in one if each not in other], [each for each in other if each not in one]
    same = len(one) - len(left) - len(changed)
    if not left or not new:
        differing, gone, added = (_labels(each[:most]) for each in (changed, left, new))
        return Members(after.step, same, differing, gone, added, len(changed), len(left), len(new))
    named, others = _named(left, one), _named(new, other)
    both = [name for name in named if name in others]
    again = [name for name in both if named[name] != others[name]]
    gone_names = [each for each in named if each not in others]
    added_names = [each for each in others if each not in named]
    return Members(
        after.step, same + len(both) - len(again), (*_labels(changed[:most]), *again)[:most], tuple(gone_names[:most]),
        tuple(added_names[:most]), len(changed) + len(again), len(gone_names), len(added_names),
    )  # fmt: skip


def files(connection: Connection, before: StepTasks, after: StepTasks, most: int | None = None) -> Members:
    """Compare what the complete tasks of a step gave, by path; `most` names of each kind, None: all.

    Equal keys gave equal files: those are counted, and only the files of other keys are looked at. That is not enough
    where several tasks gave the same file: it may be among those of equal keys and of others.
    """
    total, other_total = _count(connection, before), _count(connection, after)
    if total is None or other_total is None:
        return _by_path(connection, before, after, most)
    left, new = before.complete - after.complete, after.complete - before.complete
    if most is not None and not (left and new):
        # One has all that the other has: what is more is counted, and its beginning named.
        same = min(total, other_total)
        gone, added = _first(connection, left, most), _first(connection, new, most)
        return Members(after.step, same, (), gone, added, 0, total - same, other_total - same)
    one, other = _files(connection, before, left), _files(connection, after, new)
    return _compared(after.step, total - len(one), one, other, most)


def _compared(name: str, same: int, one: Mapping[str, str], other: Mapping[str, str], most: int | None) -> Members:
    both = one.keys() & other.keys()
    changed = sorted(each for each in both if one[each] != other[each])
    gone, added = sorted(one.keys() - both), sorted(other.keys() - both)
    return Members(
        name, same + len(both) - len(changed), tuple(changed[:most]), tuple(gone[:most]), tuple(added[:most]),
        len(changed), len(gone), len(added),
    )  # fmt: skip


def _by_path(connection: Connection, before: StepTasks, after: StepTasks, most: int | None) -> Members:
    """Compare all files by path, in the catalogue."""
    sides = [
        select(
            output.c.path,
            (output.c.digest if side is before else cast(null(), Text)).label("one"),
            (output.c.digest if side is after else cast(null(), Text)).label("other"),
        )
        .join(task, task.c.key == output.c.key)
        .where(*_complete(side))
        for side in (before, after)
    ]
    both = union_all(*sides).subquery()
    by_path = select(both.c.path, func.max(both.c.one).label("one"), func.max(both.c.other).label("other"))
    each = by_path.group_by(both.c.path).subquery()
    gone, added = each.c.other.is_(None), each.c.one.is_(None)
    kinds = (each.c.one != each.c.other, gone, added)
    totals = select(*(func.count().filter(kind) for kind in (each.c.one == each.c.other, *kinds)))
    same, *counts = connection.execute(totals).one()
    names: list[tuple[str, ...]] = []
    for kind, count in zip(kinds, counts, strict=True):
        query = select(each.c.path).where(kind).order_by(each.c.path).limit(most)
        names.append(tuple(connection.execute(query).scalars()) if count and most != 0 else ())
    return Members(after.step, same, names[0], names[1], names[2], counts[0], counts[1], counts[2])


def _count(connection: Connection, of: StepTasks) -> int | None:
    """Count the files of a step; None when one was given more than once."""
    query = select(func.count(), func.count(output.c.path.distinct()))
    joined = query.select_from(task.join(output, output.c.key == task.c.key))
    given, paths = connection.execute(joined.where(*_complete(of))).one()
    return paths if given == paths else None


def _files(connection: Connection, of: StepTasks, keys: Collection[str]) -> dict[str, str]:
    if not keys:
        return {}
    query = select(output.c.path, output.c.digest, output.c.key)
    if len(keys) <= _AT_ONCE:
        query = query.where(among(connection, output.c.key, keys))
    else:
        query = query.join(task, task.c.key == output.c.key).where(*_complete(of))
    return {path: digest for path, digest, key in connection.execute(query) if key in keys}


def _first(connection: Connection, keys: Collection[str], most: int) -> tuple[str, ...]:
    found: list[str] = []
    for part in chunks(sorted(keys), most):
        query = select(output.c.path).where(among(connection, output.c.key, part))
        found.extend(connection.execute(query).scalars())
        if len(found) >= most:
            break
    return tuple(sorted(found)[:most])


def _complete(of: StepTasks) -> tuple[ColumnElement[bool], ...]:
    return task.c.run_id == of.run, task.c.step == of.step, task.c.state == State.COMPLETE


def _named(several: Sequence[str], keys: Mapping[str, str]) -> dict[str, str]:
    """Give keys by how their datums are called; two that are called alike are told apart by a number."""
    named: dict[str, str] = {}
    times: dict[str, int] = {}
    for datum in several:
        label = name = _label(datum)
        while name in named:
            times[label] = times.get(label, 1) + 1
            name = f"{label} #{times[label]}"
        named[name] = keys[datum]
    return named


def _labels(several: Sequence[str]) -> tuple[str, ...]:
    return tuple(_named(several, dict.fromkeys(several, "")))


def _label(datum: str) -> str:
    return label_of([(part[0], part[1]) for part in json.loads(datum)["parts"].values()])
