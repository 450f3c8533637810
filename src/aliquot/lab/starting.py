"""Starting a run for somebody: the same checks, whether a page, a program or a command asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from aliquot.access import audit
from aliquot.access.by import By, refusal
from aliquot.db.tables import dataset, definition
from aliquot.engine import control
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.model.reference import parse_reference


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to run: parameters as JSON values, inputs as references where they are not the newest.

    `priority` None takes the pipeline's own, `deadline` is in seconds, None takes the pipeline's own.
    """

    pipeline: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    publish: bool = False
    priority: int | None = None
    deadline: float | None = None


def start_wished(connection: Connection, wish: Wish, by: By) -> int:
    """Queue a run for somebody who may start it, with a row in the audit; gives its number."""
    applied = current(connection, wish.pipeline)
    project = project_of_definition(connection, applied.id)
    asked = {"run.start": True, "run.publish": wish.publish, "run.prioritise": wish.priority is not None}
    for action in (each for each, needed in asked.items() if needed):
        if not by.may(action, project):
            raise refusal(by, action, project, f"pipeline {wish.pipeline}")
    for reference in wish.inputs.values():
        _require_readable(connection, by, reference)
    if wish.priority is not None:
        control.require_priority(wish.priority)
    order = Order(
        applied, wish.parameters, wish.inputs, publish=wish.publish, priority=wish.priority, deadline=wish.deadline,
        who=by.name,
    )  # fmt: skip
    number = start(connection, order)
    assert number is not None  # only an order with a signature can find its run there already
    after = {"pipeline": wish.pipeline, "parameters": dict(wish.parameters), "inputs": dict(wish.inputs)}
    audit.append(
        connection, by, "run.start", f"run {number}", project=project, after={**after, "publish": wish.publish}
    )
    return number


def project_of_definition(connection: Connection, number: int) -> str:
    """Give the project of one applied version of a definition."""
    return connection.execute(select(definition.c.project).where(definition.c.id == number)).scalar_one()


def _require_readable(connection: Connection, by: By, reference: str) -> None:
    """Refuse an input that somebody may not read: what a run gives would show it to them."""
    name = parse_reference(reference).dataset
    project = connection.execute(select(dataset.c.project).where(dataset.c.name == name)).scalar()
    if project is not None and not by.may("dataset.read", project):
        raise refusal(by, "dataset.read", project, f"dataset {name}")
