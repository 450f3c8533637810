"""Starting a run for somebody: the same checks, whether a page, a program or a command asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from aliquot.access.by import By
from aliquot.db.tables import definition
from aliquot.engine import control
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order
from aliquot.lab import acts_run


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
    if wish.priority is not None:
        control.require_priority(wish.priority)
    order = Order(
        current(connection, wish.pipeline), wish.parameters, wish.inputs, publish=wish.publish, priority=wish.priority,
        deadline=wish.deadline, who=by.name,
    )  # fmt: skip
    return acts_run.start(connection, by, order)


def project_of_definition(connection: Connection, number: int) -> str:
    """Give the project of one applied version of a definition."""
    return connection.execute(select(definition.c.project).where(definition.c.id == number)).scalar_one()
