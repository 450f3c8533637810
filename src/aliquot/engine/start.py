"""Starting runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select

from aliquot.datasets.read import Version, resolve
from aliquot.db.tables import dataset, run, run_step
from aliquot.engine.parameters import complete
from aliquot.engine.pipelines import Applied
from aliquot.model.errors import Invalid
from aliquot.model.reference import Reference, parse_reference
from aliquot.model.state import State


@dataclass(frozen=True, slots=True)
class Order:
    """What a person or a trigger asks for. `inputs` binds inputs to other versions than the pipeline says."""

    applied: Applied
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    bound: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    """Inputs as an earlier run had them, dataset and number, version 0 included."""
    publish: bool = False
    pinned: bool = False
    retries: Sequence[str] | None = None
    """Keys of parked work to try again, and no other that failed by its datum; None: all of it."""
    priority: int | None = None
    """None takes the pipeline's own."""
    deadline: float | None = None
    """Seconds that the run may take from its start; None takes the pipeline's own."""
    cause: str = "manual"
    signature: str | None = None
    covers: float | None = None
    """The latest time of a schedule that the run answers, in seconds since 1970."""
    who: str = ""


def start(connection: Connection, order: Order) -> int | None:
    """Write a run that supervisors will take up; gives its number, or None when its signature has a run already."""
    pipeline = order.applied.pipeline
    parameters = complete(pipeline, order.parameters)
    inputs = bind(connection, order)
    row = {
        "definition_id": order.applied.id,
        "pipeline": pipeline.pipeline,
        "parameters": parameters,
        "inputs": {name: [version.dataset, version.number] for name, version in inputs.items()},
        "cause": order.cause,
        "signature": order.signature,
        "retries": None if order.retries is None else list(order.retries),
        "covers": order.covers,
        "publish": order.publish,
        "pinned": order.pinned or bool(order.inputs),
        "state": State.QUEUED,
        "message": "",
        "parked": 0,
        "cancel_asked": False,
        "stop_asked": False,
        "priority": pipeline.priority if order.priority is None else order.priority,
        "deadline": pipeline.deadline if order.deadline is None else order.deadline,
        "who": order.who,
        "project": pipeline.project,
        "fence": 0,
        "created_at": time.time(),
    }
    if order.signature is not None:
        taken = select(run.c.id).where(
            run.c.pipeline == pipeline.pipeline, run.c.cause == order.cause, run.c.signature == order.signature
        )
        if connection.execute(taken).first():
            return None
    number: int = connection.execute(insert(run).values(**row)).inserted_primary_key[0]  # pyright: ignore[reportOptionalSubscript]
    connection.execute(
        insert(run_step),
        [
            {"run_id": number, "step": step, "position": position, "datums": 0, "pool": pipeline.steps[step].pool}
            for position, step in enumerate(pipeline.order())
        ],
    )
    return number


def bind(connection: Connection, order: Order) -> dict[str, Version]:
    """Find the version of each input. A dataset that is not there yet counts as empty."""
    pipeline = order.applied.pipeline
    for name in order.inputs:
        if name not in pipeline.inputs:
            known = ", ".join(pipeline.inputs) or "none"
            raise Invalid(
                "input-unknown",
                f"The pipeline {pipeline.pipeline} has no input {name!r}; it has: {known}.",
                input=name,
            )
    bound: dict[str, Version] = {}
    for name, given in pipeline.inputs.items():
        if name in order.bound:
            bound[name] = _as_before(connection, *order.bound[name])
            continue
        if name in order.inputs:
            reference = parse_reference(order.inputs[name])
            if reference.path:
                raise Invalid(
                    "input-refused", f"An input is a whole version; leave the path out of {reference}.", input=name
                )
        else:
            reference = Reference(given.dataset)
            if connection.execute(select(dataset.c.id).where(dataset.c.name == given.dataset)).first() is None:
                bound[name] = Version(given.dataset, 0, 0)
                continue
        bound[name] = resolve(connection, reference)
    return bound


def _as_before(connection: Connection, name: str, number: int) -> Version:
    return resolve(connection, Reference(name, str(number))) if number else Version(name, 0, 0)
