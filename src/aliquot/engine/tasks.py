"""The tasks of a run's step, as rows."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection, update

from aliquot.db.rows import insert_rows, json_text
from aliquot.db.tables import key_input, run_step, task
from aliquot.engine.keys import StepParts
from aliquot.engine.plan import Planned
from aliquot.model.state import State

_COLUMNS = ("run_id", "step", "ordinal", "key", "datum", "message", "attempts", "fence", "not_before", "created_at",
            "state", "reused", "ended_at")  # fmt: skip


def write_tasks(connection: Connection, run_id: int, step: str, parts: StepParts, planned: Sequence[Planned]) -> None:
    """Write a step's tasks; those whose key has succeeded are complete from the start."""
    now = time.time()
    if planned:
        rows = [
            (run_id, step, ordinal, each.key, _datum(each), "", 0, 0, 0.0, now)
            + ((State.COMPLETE, True, now) if each.known else (State.QUEUED, False, None))
            for ordinal, each in enumerate(planned, 1)
        ]
        insert_rows(connection, task, _COLUMNS, rows)
        inputs = [
            (each.key, part.input, file.path, file.digest)
            for each in planned
            if not each.known
            for part in each.datum
            for file in part.files
        ]
        insert_rows(connection, key_input, ("key", "input", "path", "digest"), inputs, missing=True)
    connection.execute(
        update(run_step)
        .where(run_step.c.run_id == run_id, run_step.c.step == step)
        .values(planned_at=now, datums=len(planned), parts=parts.document())
    )


def _datum(planned: Planned) -> str:
    parts = {part.input: [part.matched, part.captures, part.single] for part in planned.datum}
    return json_text({"parts": parts, "exports": planned.exports})
