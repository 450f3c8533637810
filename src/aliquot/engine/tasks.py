"""The tasks of a run's step, as rows."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection, insert, update

from aliquot.db.rows import insert_missing
from aliquot.db.tables import key_input, run_step, task
from aliquot.engine.keys import StepParts
from aliquot.engine.plan import Planned
from aliquot.model.state import State


def write_tasks(connection: Connection, run_id: int, step: str, parts: StepParts, planned: Sequence[Planned]) -> None:
    """Write a step's tasks; those whose key has succeeded are complete from the start."""
    now = time.time()
    if planned:
        connection.execute(
            insert(task),
            [
                {
                    "run_id": run_id,
                    "step": step,
                    "ordinal": ordinal,
                    "key": each.key,
                    "datum": {
                        "parts": {part.input: [part.matched, part.captures, part.single] for part in each.datum},
                        "exports": each.exports,
                    },
                    "state": State.COMPLETE if each.known else State.QUEUED,
                    "reused": each.known,
                    "message": "",
                    "attempts": 0,
                    "fence": 0,
                    "not_before": 0.0,
                    "created_at": now,
                    "ended_at": now if each.known else None,
                }
                for ordinal, each in enumerate(planned, 1)
            ],
        )
        insert_missing(
            connection,
            key_input,
            [
                {"key": each.key, "input": part.input, "path": file.path, "digest": file.digest}
                for each in planned
                if not each.known
                for part in each.datum
                for file in part.files
            ],
        )
    connection.execute(
        update(run_step)
        .where(run_step.c.run_id == run_id, run_step.c.step == step)
        .values(planned_at=now, datums=len(planned), parts=parts.document())
    )
