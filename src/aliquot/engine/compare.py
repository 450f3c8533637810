"""Comparing two runs: what decided them, and what they gave."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from aliquot.db.tables import run_step
from aliquot.engine.compare_members import Members, datums, files, step_tasks
from aliquot.engine.control import find_run
from aliquot.engine.explain import PartDifference, differences
from aliquot.engine.pipelines import by_id

RunRow = Row[*tuple[Any, ...]]


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


def compare(connection: Connection, before: int, after: int, most: int | None = None) -> Comparison:
    """Compare two runs, of one pipeline or of two; what a run has not come to yet counts as not there.

    `most` names of datums and of files that differ in each way are given, None: all.
    """
    one, other = find_run(connection, before), find_run(connection, after)
    parts = [_parts(connection, row.id) for row in (one, other)]
    applied = [by_id(connection, row.definition_id) for row in (one, other)]
    steps = list(dict.fromkeys([*applied[1].pipeline.order(), *applied[0].pipeline.order()]))
    giving = {each.from_ for of in applied for each in of.pipeline.outputs.values()}
    both = {step: (step_tasks(connection, before, step), step_tasks(connection, after, step)) for step in steps}
    return Comparison(
        before,
        after,
        (one.definition_id, other.definition_id),
        parameters=differences(one.parameters, other.parameters),
        inputs=differences(_versions(one), _versions(other)),
        images=differences(*({step: each.image for step, each in a.pipeline.steps.items()} for a in applied)),
        environments=differences(*({step: each["environment"] for step, each in of.items()} for of in parts)),
        code=differences(applied[0].bundle, applied[1].bundle),
        datums=tuple(datums(*of, most) for of in both.values()),
        results=tuple(files(connection, *of, most) for step, of in both.items() if step in giving or not giving),
    )


def _parts(connection: Connection, number: int) -> dict[str, Any]:
    query = select(run_step.c.step, run_step.c.parts).where(run_step.c.run_id == number, run_step.c.parts.is_not(None))
    return {row.step: row.parts for row in connection.execute(query) if row.parts}


def _versions(row: RunRow) -> dict[str, str]:
    return {name: f"{dataset}@{number}" for name, (dataset, number) in row.inputs.items()}
