"""Comparing two runs: what decided them, and what they gave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from aliquot.db.tables import output, run_step, task
from aliquot.engine.control import find_run
from aliquot.engine.datums import label_of
from aliquot.engine.explain import PartDifference, differences
from aliquot.engine.pipelines import by_id
from aliquot.model.state import State

RunRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Members:
    """How two sets of named things compare: how many are the same, and the names of the others, in order."""

    name: str
    same: int
    changed: tuple[str, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Say whether nothing differs."""
        return not (self.changed or self.only_before or self.only_after)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    `definitions` are the ids of both definitions. `environments` are those of steps, `images` what their files name.
    `code` maps to digests of bundled files. `datums` compares, for each step, the keys of the tasks that work on the
    same datum; `results` the files of each step that is an output, or of every step when none is.
    """

    before: int
    after: int
    definitions: tuple[int, int]
    parameters: tuple[PartDifference, ...]
    inputs: tuple[PartDifference, ...]
    images: tuple[PartDifference, ...]
    environments: tuple[PartDifference, ...]
    code: tuple[PartDifference, ...]
    datums: tuple[Members, ...]
    results: tuple[Members, ...]

    @property
    def equal(self) -> bool:
        """Say whether both runs were decided alike and gave the same files."""
        decided = (self.parameters, self.inputs, self.images, self.environments, self.code)
        same_definition = self.definitions[0] == self.definitions[1]
        return same_definition and not any(decided) and all(each.equal for each in (*self.datums, *self.results))


def compare(connection: Connection, before: int, after: int) -> Comparison:
    """Compare two runs, of one pipeline or of two; what a run has not come to yet counts as not there."""
    one, other = find_run(connection, before), find_run(connection, after)
    parts = [_parts(connection, row.id) for row in (one, other)]
    applied = [by_id(connection, row.definition_id) for row in (one, other)]
    steps = list(dict.fromkeys([*applied[1].pipeline.order(), *applied[0].pipeline.order()]))
    giving = {each.from_ for of in applied for each in of.pipeline.outputs.values()}
    return Comparison(
        before,
        after,
        (one.definition_id, other.definition_id),
        parameters=differences(one.parameters, other.parameters),
        inputs=differences(_versions(one), _versions(other)),
        images=differences(*({step: each.image for step, each in a.pipeline.steps.items()} for a in applied)),
        environments=differences(*({step: each["environment"] for step, each in of.items()} for of in parts)),
        code=differences(applied[0].bundle, applied[1].bundle),
        datums=tuple(_datums(connection, before, after, step) for step in steps),
        results=tuple(_results(connection, before, after, step) for step in steps if step in giving or not giving),
    )


def members(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> Members:
    """Compare two mappings of names to digests."""
    both = before.keys() & after.keys()
    changed = sorted(each for each in both if before[each] != after[each])
    return Members(
        name,
        len(both) - len(changed),
        tuple(changed),
        tuple(sorted(before.keys() - both)),
        tuple(sorted(after.keys() - both)),
    )


def _parts(connection: Connection, number: int) -> dict[str, Any]:
    query = select(run_step.c.step, run_step.c.parts).where(run_step.c.run_id == number, run_step.c.parts.is_not(None))
    return {row.step: row.parts for row in connection.execute(query) if row.parts}


def _versions(row: RunRow) -> dict[str, str]:
    return {name: f"{dataset}@{number}" for name, (dataset, number) in row.inputs.items()}


def _datums(connection: Connection, before: int, after: int, step: str) -> Members:
    return members(step, *(_keys(connection, number, step) for number in (before, after)))


def _keys(connection: Connection, number: int, step: str) -> dict[str, str]:
    query = select(task.c.key, task.c.datum).where(task.c.run_id == number, task.c.step == step)
    query = query.order_by(task.c.ordinal)
    keys: dict[str, str] = {}
    times: dict[str, int] = {}
    for key, datum in connection.execute(query):
        label = label_of([(part[0], part[1]) for part in datum["parts"].values()])
        # Two datums may be called alike: they are told apart by a number.
        name = label
        while name in keys:
            times[label] = times.get(label, 1) + 1
            name = f"{label} #{times[label]}"
        keys[name] = key
    return keys


def _results(connection: Connection, before: int, after: int, step: str) -> Members:
    return members(step, *(_files(connection, number, step) for number in (before, after)))


def _files(connection: Connection, number: int, step: str) -> dict[str, str]:
    query = (
        select(output.c.path, output.c.digest)
        .join(task, task.c.key == output.c.key)
        .where(task.c.run_id == number, task.c.step == step, task.c.state == State.COMPLETE)
    )
    return {row.path: row.digest for row in connection.execute(query)}
