"""What holds a run: a person, a pool, a limit of its pipeline; and what still runs of one that is being ended."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from aliquot.db.tables import run, run_step
from aliquot.engine.shares import pools_in_use, under_way
from aliquot.lab.runs import RunLine, StepLine, run_line
from aliquot.model.state import ACTIVE, State


def held_by(
    connection: Connection, row: Row[*tuple[Any, ...]], steps: Sequence[StepLine], pools: Mapping[str, int]
) -> str:
    """Say in words what keeps a run from going on, or what of it still runs; empty when nothing is to be said."""
    running = sum(each.running for each in steps)
    many = "1 task still runs" if running == 1 else f"{running:,} tasks still run" if running else "nothing of it runs"
    if row.state == State.CANCELING or (row.cancel_asked and row.state in ACTIVE):
        return f"it is being ended; {many}"
    if row.state == State.PAUSED:
        return f"no new task of it starts; {many}"
    if row.state != State.RUNNING:
        return ""
    waits = pool_waits(connection, row.id, steps, pools)
    return "; ".join(f"{step} waits for pool {words}" for step, words in waits.items())


def pool_waits(
    connection: Connection, number: int, steps: Sequence[StepLine], pools: Mapping[str, int]
) -> dict[str, str]:
    """Give the steps of a run that wait for a pool that is full, and how full it is."""
    query = select(run_step.c.step, run_step.c.pool).where(run_step.c.run_id == number, run_step.c.pool.is_not(None))
    pool_of: dict[str, str] = {row.step: row.pool for row in connection.execute(query)}
    waiting = {each.step: pool_of[each.step] for each in steps if each.waiting and each.step in pool_of}
    if not waiting:
        return {}
    used = pools_in_use(connection, under_way(connection))
    found: dict[str, str] = {}
    for step, pool in waiting.items():
        if pool not in pools:
            found[step] = f"{pool}, which aliquot.yaml does not have"
        elif used[pool] >= pools[pool]:
            found[step] = f"{pool} ({used[pool]} of {pools[pool]} in use)"
    return found


def held_runs(connection: Connection) -> list[RunLine]:
    """List the runs that wait for a person, or for the end of one that does."""
    query = select(run).where(run.c.state.in_([State.PAUSED, State.QUEUED])).order_by(run.c.id)
    return [run_line(row) for row in connection.execute(query)]
