"""One run as the command line, the pages and the API show it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from aliquot.db.tables import load
from aliquot.engine import control
from aliquot.lab.runs import RunLine, StepLine, TaskLine, parked, run_line, steps
from aliquot.lab.steering import held_by


@dataclass(frozen=True, slots=True)
class LoadLine:
    """A load into the hub that a run has asked for: WAITING, DONE with so many rows, or FAILED with the reason."""

    table: str
    state: str
    rows: int
    message: str


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run whole: `inputs` maps names to dataset and version; `held` says in words what keeps it from going on.

    `deadline` is in seconds from its start. `parked_tasks` are the first that failed. `loads` are by table.
    """

    run: RunLine
    parameters: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, int]]
    priority: int
    deadline: float | None
    held: str
    steps: list[StepLine]
    parked_tasks: list[TaskLine]
    loads: list[LoadLine]

    def document(self) -> dict[str, Any]:
        """Give the run as the values that `--json` prints."""
        return {
            **self.run.document(),
            "parameters": self.parameters,
            "inputs": {name: list(bound) for name, bound in self.inputs.items()},
            "priority": self.priority,
            "deadline": self.deadline,
            "held": self.held,
            "steps": [each.document() for each in self.steps],
            "parked_tasks": [asdict(each) for each in self.parked_tasks],
            "loads": [asdict(each) for each in self.loads],
        }


def run_detail(connection: Connection, number: int, pools: Mapping[str, int]) -> RunDetail:
    """Look at a run, or say that it is `Missing`; `pools` are the limits of the lab's settings."""
    row = control.find_run(connection, number)
    by_step = steps(connection, number)
    return RunDetail(
        run=run_line(row),
        parameters=row.parameters,
        inputs={name: (dataset, version) for name, (dataset, version) in row.inputs.items()},
        priority=row.priority,
        deadline=row.deadline,
        held=held_by(connection, row, by_step, pools),
        steps=by_step,
        parked_tasks=parked(connection, number),
        loads=_loads(connection, number),
    )


def _loads(connection: Connection, number: int) -> list[LoadLine]:
    query = select(load).where(load.c.run_id == number).order_by(load.c.table_name)
    return [LoadLine(row.table_name, row.state, row.rows or 0, row.message) for row in connection.execute(query)]
