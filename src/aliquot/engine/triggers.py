"""What starts runs by itself: new versions, and the clock."""

import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from cronsim import CronSim
from sqlalchemy import Connection, func, select

from aliquot.db import Catalogue
from aliquot.db.tables import dataset, definition, run
from aliquot.engine.pipelines import Applied, all_current
from aliquot.engine.start import Order, start
from aliquot.model.errors import Invalid, Missing
from aliquot.model.state import ACTIVE

log: Any = structlog.get_logger()

WHO = "trigger"


def start_triggered(catalogue: Catalogue, now: datetime | None = None) -> list[int]:
    """Start the runs that new versions or the clock ask for; each state of things starts one run, whoever looks.

    `now` is the time that schedules are held against, with its zone; the machine's own when it is not given.
    """
    moment = now or datetime.now().astimezone()
    with catalogue.read() as connection:
        orders = [order for applied in all_current(connection) for order in _orders(connection, applied, moment)]
    started: list[int] = []
    for order in orders:
        try:
            number = catalogue.repeat(lambda connection, order=order: start(connection, order))
        except (Invalid, Missing) as error:
            # A pipeline whose parameters or inputs do not do must not keep the others from starting.
            name = order.applied.pipeline.pipeline
            log.warning("a trigger could not start its run", pipeline=name, reason=error.message)
            continue
        if number is not None:
            started.append(number)
    return started


def _orders(connection: Connection, applied: Applied, now: datetime) -> list[Order]:
    trigger = applied.pipeline.trigger
    signatures: list[tuple[str, str | None]] = []
    if trigger.new_version:
        signatures.append(("new_version", _seen(connection, applied)))
    if trigger.schedule:
        signatures.append(("schedule", _due(connection, applied, trigger.schedule, now)))
    return [
        Order(applied, publish=True, retries=(), cause=cause, signature=signature, who=WHO)
        for cause, signature in signatures
        if signature and not _taken(connection, applied, cause, signature)
    ]


def _seen(connection: Connection, applied: Applied) -> str | None:
    """Say what the trigger sees: the definition, and the newest version of each dataset that it names."""
    inputs = applied.pipeline.inputs
    names = sorted({inputs[each].dataset if each in inputs else each for each in applied.pipeline.trigger.new_version})
    heads = {
        row.name: row.head
        for row in connection.execute(select(dataset.c.name, dataset.c.head).where(dataset.c.name.in_(names)))
    }
    if not any(heads.values()):
        return None
    return " ".join([f"definition {applied.id}", *(f"{name}@{heads.get(name, 0)}" for name in names)])


def _due(connection: Connection, applied: Applied, expression: str, now: datetime) -> str | None:
    """Give the latest time that the schedule has reached since the pipeline was first applied."""
    first = connection.execute(
        select(func.min(definition.c.applied_at)).where(
            definition.c.kind == "pipeline", definition.c.name == applied.pipeline.pipeline
        )
    ).scalar_one()
    # What comes before a moment does not include the moment itself.
    latest = next(CronSim(expression, now + timedelta(microseconds=1), reverse=True))
    return latest.isoformat() if latest.timestamp() >= first else None


def _taken(connection: Connection, applied: Applied, cause: str, signature: str) -> bool:
    """Say whether this has its run, or must wait for one of its kind that is under way."""
    name = applied.pipeline.pipeline
    mine = select(run.c.id).where(run.c.pipeline == name, run.c.cause == cause)
    same = mine.where(run.c.signature == signature).limit(1)
    active = mine.where(run.c.state.in_(list(ACTIVE))).limit(1)
    return connection.execute(same).first() is not None or connection.execute(active).first() is not None


def next_due(expression: str) -> float:
    """Give the time at which a schedule comes next, in seconds since 1970."""
    return next(CronSim(expression, datetime.fromtimestamp(time.time()).astimezone())).timestamp()
