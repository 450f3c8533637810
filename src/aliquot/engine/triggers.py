"""What starts runs by itself: new versions, and the clock.

A trigger that arrives while a triggered run of its pipeline is under way is folded into the next: when that run has
ended, one further run sees the newest inputs, whatever and however much has happened meanwhile.
"""

from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, func, select

from aliquot.db import Catalogue
from aliquot.db.tables import dataset, definition, run
from aliquot.engine.clock import coming, latest
from aliquot.engine.pipelines import Applied, all_current, current
from aliquot.engine.start import Order, start
from aliquot.engine.turns import Turn, take_turn
from aliquot.model.errors import Invalid, Missing
from aliquot.model.schedule import Schedule
from aliquot.model.state import ACTIVE

log: Any = structlog.get_logger()

WHO = "trigger"
CAUSES = ("new_version", "schedule")
_ON_TIME = 60.0
"""Seconds for which a time of a schedule counts as reached and not as missed."""


def start_triggered(catalogue: Catalogue, now: datetime | None = None) -> list[int]:
    """Start the runs that new versions or the clock ask for; each state of things starts one run, whoever looks.

    `now` is the time that schedules are held against, with its zone; the machine's own when it is not given.
    """
    moment = now or datetime.now(UTC)
    with catalogue.read() as connection:
        names = [each.pipeline.pipeline for each in all_current(connection) if _order(connection, each, moment)]
    started: list[int] = []
    for name in names:
        try:
            number = catalogue.repeat(lambda connection, name=name: _start(connection, name, moment))
        except (Invalid, Missing) as error:
            # A pipeline whose parameters or inputs do not do must not keep the others from starting.
            log.warning("a trigger could not start its run", pipeline=name, reason=error.message)
            continue
        if number is not None:
            started.append(number)
    return started


def _start(connection: Connection, name: str, now: datetime) -> int | None:
    # Several may look at once: what they saw is looked at again by one at a time.
    take_turn(connection, Turn.TRIGGER)
    order = _order(connection, current(connection, name), now)
    return None if order is None else start(connection, order)


def _order(connection: Connection, applied: Applied, now: datetime) -> Order | None:
    trigger, limit = applied.pipeline.trigger, applied.pipeline.runs
    if not trigger.new_version and not trigger.schedule:
        return None
    newest_wins = limit is not None and limit.then == "newest"
    if not newest_wins and _under_way(connection, applied):
        return None
    due = _due(connection, applied, trigger.schedule, now) if trigger.schedule else None
    covers = due.timestamp() if due else None
    if trigger.new_version and (seen := _seen(connection, applied)) and not _has_run(connection, applied, seen):
        # One run answers both; only where each missed time shall have its own, it answers the version alone.
        each_its_own = trigger.schedule is not None and trigger.schedule.missed == "all"
        return _ordered(applied, "new_version", seen, None if each_its_own else covers)
    return _ordered(applied, "schedule", due.isoformat(), covers) if due else None


def _ordered(applied: Applied, cause: str, signature: str, covers: float | None) -> Order:
    return Order(applied, publish=True, retries=(), cause=cause, signature=signature, covers=covers, who=WHO)


def _triggered(applied: Applied) -> ColumnElement[bool]:
    return (run.c.pipeline == applied.pipeline.pipeline) & run.c.cause.in_(CAUSES)


def _under_way(connection: Connection, applied: Applied) -> bool:
    active = select(run.c.id).where(_triggered(applied), run.c.state.in_(list(ACTIVE))).limit(1)
    return connection.execute(active).first() is not None


def _seen(connection: Connection, applied: Applied) -> str | None:
    """Say what the trigger sees: the definition, and the newest version of each dataset that it names."""
    heads = _heads(connection, applied)
    if not any(heads.values()):
        return None
    return " ".join([f"definition {applied.id}", *(f"{name}@{head}" for name, head in heads.items())])


def _heads(connection: Connection, applied: Applied) -> dict[str, int]:
    inputs = applied.pipeline.inputs
    names = sorted({inputs[each].dataset if each in inputs else each for each in applied.pipeline.trigger.new_version})
    found = connection.execute(select(dataset.c.name, dataset.c.head).where(dataset.c.name.in_(names)))
    return dict.fromkeys(names, 0) | {row.name: row.head for row in found}


def _has_run(connection: Connection, applied: Applied, seen: str) -> bool:
    """Say whether this has its run: one of its own, or the latest that the clock has started since."""
    own = select(run.c.id).where(_triggered(applied), run.c.cause == "new_version", run.c.signature == seen).limit(1)
    if connection.execute(own).first() is not None:
        return True
    last = connection.execute(select(run).where(_triggered(applied)).order_by(run.c.id.desc()).limit(1)).first()
    if last is None or last.definition_id != applied.id:
        return False
    bound: dict[str, int] = dict(last.inputs.values())
    return all(bound.get(name, -1) >= head for name, head in _heads(connection, applied).items())


def _due(connection: Connection, applied: Applied, schedule: Schedule, now: datetime) -> datetime | None:
    """Give the time of the schedule that wants a run now: reached, since the schedule is there, and without a run."""
    reached = latest(schedule, now)
    if reached is None:
        return None
    covered = connection.execute(select(func.max(run.c.covers)).where(_triggered(applied))).scalar()
    if covered is not None and reached.timestamp() <= covered:
        return None
    since = _there_since(connection, applied, schedule)
    if reached.timestamp() < since:
        return None
    if schedule.missed == "all":
        before = max(since - 1e-3, covered or 0.0)
        return coming(schedule, datetime.fromtimestamp(before, UTC))
    if schedule.missed == "none" and not _on_time(connection, applied, reached, now):
        return None
    return reached


def _on_time(connection: Connection, applied: Applied, reached: datetime, now: datetime) -> bool:
    """Say whether a time was not missed: it has just come, or it came while a run was under way that it waits for."""
    if (now - reached).total_seconds() <= _ON_TIME:
        return True
    at = reached.timestamp()
    busy = select(run.c.id).where(_triggered(applied), run.c.created_at <= at, run.c.ended_at >= at).limit(1)
    return connection.execute(busy).first() is not None


def _there_since(connection: Connection, applied: Applied, schedule: Schedule) -> float:
    """Give the time from which on the pipeline has had this schedule, through all versions that left it as it is."""
    versions = connection.execute(
        select(definition.c.document, definition.c.applied_at)
        .where(definition.c.kind == "pipeline", definition.c.name == applied.pipeline.pipeline)
        .order_by(definition.c.id.desc())
    )
    since = 0.0
    for position, (document, applied_at) in enumerate(versions):
        if position and not _has_schedule(document, schedule):
            break
        since = applied_at
    return since


def _has_schedule(document: Any, schedule: Schedule) -> bool:
    trigger = document.get("trigger") if isinstance(document, dict) else None
    given: Any = trigger.get("schedule") if isinstance(trigger, dict) else None
    return isinstance(given, str | dict) and Schedule.model_validate(given) == schedule


def next_due(schedule: Schedule) -> float | None:
    """Give the time at which a schedule comes next, in seconds since 1970."""
    found = coming(schedule, datetime.now(UTC))
    return None if found is None else found.timestamp()
