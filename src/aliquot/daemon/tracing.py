"""Spans of what a supervisor does: its cycles, and the runs that it has ended, with attempts in them."""

import time
from collections.abc import Callable

from sqlalchemy import select

from aliquot.db import Catalogue
from aliquot.db.tables import attempt, run, task
from aliquot.lab.tracing import Traces, traces
from aliquot.model.state import State

_MOST = 200
"""Attempts of a run that have spans of their own: a run may have a hundred thousand."""


class TracedCycles:
    """Cycles of one supervisor, told to a collector of traces where there is one."""

    def __init__(self, catalogue: Catalogue, owner: str) -> None:
        self._catalogue = catalogue
        self._owner = owner
        self._since = time.time()

    def cycle(self, once: Callable[[], bool]) -> bool:
        """Do a cycle; one in which nothing moved is not told."""
        told = traces()
        if told is None:
            return once()
        began = time.time()
        moved = once()
        if moved:
            told.note("engine cycle", began, time.time(), {"aliquot.owner": self._owner})
            self._tell_runs(told)
        return moved

    def _tell_runs(self, told: Traces) -> None:
        # Its own alone: of several supervisors, one tells of each run.
        query = select(run).where(run.c.ended_at > self._since, run.c.owner == self._owner).order_by(run.c.ended_at)
        with self._catalogue.read() as connection:
            for row in connection.execute(query).all():
                self._since = row.ended_at
                failed = row.state not in {State.COMPLETE, State.CANCELED}
                values = {
                    "aliquot.run": row.id, "aliquot.pipeline": row.pipeline, "aliquot.state": str(row.state),
                    "aliquot.parked": row.parked, "aliquot.failed": failed,
                }  # fmt: skip
                within = told.note("run", row.started_at or row.created_at, row.ended_at, values)
                tried = (
                    select(attempt, task.c.step, task.c.ordinal)
                    .join(task, task.c.id == attempt.c.task_id)
                    .where(task.c.run_id == row.id, attempt.c.started_at.is_not(None), attempt.c.ended_at.is_not(None))
                    .limit(_MOST)
                )
                for each in connection.execute(tried):
                    told.note(
                        "attempt", each.started_at, each.ended_at,
                        {
                            "aliquot.run": row.id, "aliquot.step": each.step, "aliquot.task": each.ordinal,
                            "aliquot.executor": each.executor, "aliquot.state": str(each.state),
                            "aliquot.cause": str(each.cause or ""), "aliquot.failed": each.state != State.COMPLETE,
                        },
                        within,
                    )  # fmt: skip
