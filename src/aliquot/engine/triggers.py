"""What starts runs by itself: new versions, and the clock."""

import time
from datetime import datetime

from cronsim import CronSim
from sqlalchemy import Connection, func, select

from aliquot.db import Catalogue
from aliquot.db.tables import dataset, definition, run
from aliquot.engine.pipelines import Applied, all_current
from aliquot.engine.start import Order, start
from aliquot.model.state import ACTIVE

WHO = "trigger"


def start_triggered(catalogue: Catalogue) -> list[int]:
    """Start the runs that new versions or the clock ask for; each state of things starts one run, whoever looks."""
    with catalogue.read() as connection:
        orders = [order for applied in all_current(connection) for order in _orders(connection, applied)]
    started: list[int] = []
    for order in orders:
        number = catalogue.repeat(lambda connection, order=order: start(connection, order))
        if number is not None:
            started.append(number)
    return started


def _orders(connection: Connection, applied: Applied) -> list[Order]:
    trigger = applied.pipeline.trigger
    signatures: list[tuple[str, str | None]] = []
    if trigger.new_version:
        signatures.append(("new_version", _seen(connection, applied)))
    if trigger.schedule:
        signatures.append(("schedule", _due(connection, applied, trigger.schedule)))
    return [
        Order(applied, publish=True, cause=cause, signature=signature, who=WHO)
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


def _due(connection: Connection, applied: Applied, expression: str) -> str | None:
    """Give the latest time that the schedule has reached since the pipeline was first applied."""
    first = connection.execute(
        select(func.min(definition.c.applied_at)).where(
            definition.c.kind == "pipeline", definition.c.name == applied.pipeline.pipeline
        )
    ).scalar_one()
    now = datetime.now().astimezone()
    latest = next(CronSim(expression, now, reverse=True))
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
