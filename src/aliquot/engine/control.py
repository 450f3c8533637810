"""What people ask of runs: end it, hold it for a while, let it go first, do again what failed."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, false, func, select, update

from aliquot.db.tables import definition, run, task
from aliquot.engine.claim import cancel_tasks
from aliquot.engine.parked import FAILED, parked_tasks, try_again
from aliquot.engine.pipelines import by_id
from aliquot.engine.start import Order, start
from aliquot.model.errors import Conflict, Invalid, Missing
from aliquot.model.schedule import MOST_PRIORITY
from aliquot.model.state import ENDED, State, require
from aliquot.model.task import Cause


def find_run(connection: Connection, number: int) -> Row[*tuple[Any, ...]]:
    """Give a run's row, or `Missing`."""
    row = connection.execute(select(run).where(run.c.id == number)).first()
    if row is None:
        raise Missing("run-missing", f"There is no run {number}; `aliquot run list` shows them.", run=number)
    return row


def find_task(connection: Connection, number: int, name: str) -> Row[*tuple[Any, ...]]:
    """Give a task's row by `step/ordinal` or by its own number, or `Missing`."""
    find_run(connection, number)
    step, _, ordinal = name.rpartition("/")
    query = select(task).where(task.c.run_id == number)
    if step and ordinal.isdigit():
        query = query.where(task.c.step == step, task.c.ordinal == int(ordinal))
    elif name.isdigit():
        query = query.where(task.c.id == int(name))
    else:
        query = query.where(false())
    row = connection.execute(query).first()
    if row is None:
        raise Missing(
            "task-missing",
            f"Run {number} has no task {name!r}; name it as `aliquot run show {number}` does, like step/1.",
            run=number,
            task=name,
        )
    return row


def newest_run(connection: Connection) -> int:
    """Give the highest number of a run, 0 without one."""
    return connection.execute(select(func.max(run.c.id))).scalar() or 0


def cancel(connection: Connection, number: int) -> Row[*tuple[Any, ...]]:
    """Ask for the end of a run, and give its row; its supervisors end everything that they started.

    One that has not begun is ended at once.
    """
    row = _not_ended(connection, number)
    values: dict[str, Any] = {"cancel_asked": True}
    if row.state == State.QUEUED:
        # The raised fence keeps out a supervisor that is about to begin it.
        values |= {"state": State.CANCELED, "ended_at": time.time(), "fence": row.fence + 1}
        # One that makes swept files again is born with its tasks, and others wait for them.
        cancel_tasks(connection, number)
    return connection.execute(update(run).where(run.c.id == number).values(values).returning(*run.c)).one()


def pause(connection: Connection, number: int) -> Row[*tuple[Any, ...]]:
    """Let no new task of a run start, and give its row; what is under way goes on to its end."""
    row = _not_ended(connection, number)
    if row.cancel_asked or row.stop_asked or row.state == State.CANCELING:
        raise Conflict("run-ending", f"Run {number} is being ended; it cannot be paused any more.", run=number)
    if row.state == State.PAUSED:
        return row
    require("run", State(row.state), State.PAUSED)
    return connection.execute(
        update(run).where(run.c.id == number).values(state=State.PAUSED).returning(*run.c)
    ).one()  # fmt: skip


def resume(connection: Connection, number: int) -> Row[*tuple[Any, ...]]:
    """Let a paused run go on, and give its row."""
    row = _not_ended(connection, number)
    if row.state != State.PAUSED:
        raise Conflict("run-not-paused", f"Run {number} is not paused, but {row.state}.", run=number, state=row.state)
    state = State.QUEUED if row.started_at is None else State.RUNNING
    return connection.execute(update(run).where(run.c.id == number).values(state=state).returning(*run.c)).one()


def prioritise(connection: Connection, number: int, priority: int) -> Row[*tuple[Any, ...]]:
    """Let the tasks of a run start before those of runs with a lower number from now on, and give its row."""
    require_priority(priority)
    _not_ended(connection, number)
    return connection.execute(
        update(run).where(run.c.id == number).values(priority=priority).returning(*run.c)
    ).one()  # fmt: skip


def looked_after(row: Row[*tuple[Any, ...]]) -> bool:
    """Say whether a supervisor holds a run now."""
    return (row.lease_until or 0.0) >= time.time()


def require_priority(priority: int) -> None:
    """Refuse a priority that is out of bounds, with `Invalid`."""
    if abs(priority) > MOST_PRIORITY:
        words = f"A priority lies between -{MOST_PRIORITY} and {MOST_PRIORITY}; {priority} does not."
        raise Invalid("priority-refused", words, priority=priority)


def _not_ended(connection: Connection, number: int) -> Row[*tuple[Any, ...]]:
    find_run(connection, number)
    row = connection.execute(select(run).where(run.c.id == number).with_for_update()).one()
    if State(row.state) in ENDED:
        raise Conflict("run-ended", f"Run {number} has ended already ({row.state}).", run=number, state=row.state)
    return row


def outdated(connection: Connection, number: int) -> str | None:
    """Name the pipeline of a run when another definition of it is applied by now."""
    row = find_run(connection, number)
    now = connection.execute(
        select(definition.c.id).where(
            definition.c.kind == "pipeline", definition.c.name == row.pipeline, definition.c.current
        )
    ).scalar()
    return row.pipeline if now is not None and now != row.definition_id else None


def retry(
    connection: Connection, number: int, who: str, names: Sequence[str] = (), causes: Sequence[Cause] = ()
) -> tuple[int, int]:
    """Try again what is parked in a run, or those of it that are named or failed by these causes, and nothing else.

    In a run that is under way, they wait again; gives its number and how many they are. Of one that has ended, a new
    run starts, of the same definition, parameters and input versions: what has succeeded is skipped by its key, and
    what is parked and was not chosen is left so. Gives the new run's number and how many were chosen.
    """
    row = find_run(connection, number)
    chosen = parked_tasks(connection, number, names, causes)
    if not chosen and (causes or State(row.state) not in ENDED):
        raise Conflict(
            "nothing-parked", f"Run {number} has nothing parked like that: there is nothing to retry.", run=number
        )
    if State(row.state) not in ENDED:
        return number, try_again(connection, row, chosen)
    failed = connection.execute(
        select(task.c.id).where(task.c.run_id == number, task.c.state.in_([*FAILED, State.CANCELED])).limit(1)
    ).first()
    if failed is None and row.state == State.COMPLETE:
        raise Conflict("run-complete", f"Run {number} is complete: there is nothing to do again.", run=number)
    order = Order(
        applied=by_id(connection, row.definition_id),
        parameters=row.parameters,
        bound={name: (dataset, version) for name, (dataset, version) in row.inputs.items()},
        publish=row.publish,
        pinned=row.pinned,
        retries=[each.key for each in chosen] if names or causes else None,
        priority=row.priority,
        deadline=row.deadline,
        cause="retry",
        signature=None,
        who=who,
    )
    new = start(connection, order)
    assert new is not None
    return new, len(chosen)
