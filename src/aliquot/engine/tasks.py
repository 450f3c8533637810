"""The tasks of a run's step, as rows."""

import time
from collections.abc import Sequence
from json.encoder import encode_basestring as _quoted
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, update

from aliquot.db.rows import insert_rows, json_text
from aliquot.db.tables import key_input, run_step, task
from aliquot.engine.datums import Part
from aliquot.engine.keys import StepParts
from aliquot.engine.parked import Left, left_parked
from aliquot.engine.plan import Planned
from aliquot.model.state import State

_COLUMNS = ("run_id", "step", "ordinal", "key", "datum", "message", "attempts", "fence", "not_before", "created_at",
            "state", "reused", "cause", "same_as", "ended_at")  # fmt: skip


_AT_ONCE = 10_000


def write_tasks(
    connection: Connection,
    run_id: int,
    step: str,
    parts: StepParts,
    planned: Sequence[Planned],
    *,
    before: int,
    left_out: int,
    last: bool,
) -> None:
    """Write tasks of a step that has so many `before`; those whose key has succeeded are complete from the start.

    `left_out` is how many datums its `when` has left out so far; `last` says that no more tasks will come.
    Those that are left parked have failed from the start, for the reason for which they failed before.
    """
    now = time.time()
    this = (run_step.c.run_id == run_id, run_step.c.step == step)
    if planned:
        left = left_parked(connection, run_id, step, [each.key for each in planned if not each.known])
        # Not all at once: as rows they take more memory than as datums.
        for first in range(0, len(planned), _AT_ONCE):
            several = planned[first : first + _AT_ONCE]
            rows = [
                (run_id, step, ordinal, each.key, _datum(each), *_standing(each.known, left.get(each.key), now))
                for ordinal, each in enumerate(several, before + first + 1)
            ]
            insert_rows(connection, task, _COLUMNS, rows)
            # In the order of the index: neighbours are written to one page after the other.
            inputs = [
                (each.key, part.input, file.path, file.digest)
                for each in sorted(several, key=attrgetter("key"))
                if not each.known
                for part in each.datum
                for file in part.files
            ]
            insert_rows(connection, key_input, ("key", "input", "path", "digest"), inputs, missing=True)
    connection.execute(
        update(run_step)
        .where(*this)
        .values(
            planned_at=now if last else None,
            datums=before + len(planned),
            left_out=left_out,
            parts=parts.document(),
        )
    )


def _standing(known: bool, left: Left | None, now: float) -> tuple[Any, ...]:  # one place calls it
    if known:
        return "", 0, 0, 0.0, now, State.COMPLETE, True, None, None, now
    if left:
        return left.message, 0, 0, 0.0, now, left.state, True, left.cause, left.task, now
    return "", 0, 0, 0.0, now, State.QUEUED, False, None, None, None


def _datum(planned: Planned) -> str:
    """Write a datum as the JSON `{"parts": {input: [matched, captures, single]}, "exports": {…}}`, by hand."""
    parts = ",".join([_part(part) for part in planned.datum])
    exports = json_text(planned.exports) if planned.exports else "{}"
    return f'{{"parts":{{{parts}}},"exports":{exports}}}'


def _part(part: Part) -> str:
    captures = ",".join([f"{_quoted(name)}:{_quoted(value)}" for name, value in part.captures.items()])
    return f"{_quoted(part.input)}:[{_quoted(part.matched)},{{{captures}}},{'true' if part.single else 'false'}]"
