"""Taking in what came of attempts: results, outputs, retries, in one transaction under the fence."""

import random
import time
from collections.abc import Sequence
from typing import Any

import jmespath
from sqlalchemy import Connection, bindparam, insert, update

from aliquot.datasets import places
from aliquot.db.rows import insert_missing
from aliquot.db.tables import attempt, output, result, task
from aliquot.engine.claim import held
from aliquot.engine.flight import Flight
from aliquot.model.pipeline import Step
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome

_STATE_OF = {
    Cause.USER: State.EXECUTOR_ERROR,
    Cause.OOM: State.EXECUTOR_ERROR,
    Cause.TIMEOUT: State.EXECUTOR_ERROR,
    Cause.LOST: State.SYSTEM_ERROR,
    Cause.REFUSED: State.SYSTEM_ERROR,
    Cause.OURS: State.SYSTEM_ERROR,
    Cause.CANCELED: State.CANCELED,
}

Finished = Sequence[tuple[Flight, Outcome]]


def collect(connection: Connection, owner: str, finished: Finished) -> None:
    """Record outcomes. What is no longer held under its fence is somebody else's, and touches no row."""
    if not finished:
        return
    mine = held(connection, owner, {flight.row.id: flight.row.fence for flight, _ in finished})
    valid = [(flight, outcome) for flight, outcome in finished if flight.row.id in mine]
    if not valid:
        return
    places.record(connection, [place for _, outcome in valid for place in outcome.locations])
    good = [(flight, outcome) for flight, outcome in valid if outcome.state is State.COMPLETE]
    _write_results(connection, good)
    record_attempts(connection, [(flight, _attempt_values(flight, outcome)) for flight, outcome in valid])
    connection.execute(
        update(task)
        .where(task.c.id == bindparam("b_id"), task.c.fence == bindparam("b_fence"))
        .values(
            state=bindparam("b_state"),
            cause=bindparam("b_cause"),
            message=bindparam("b_message"),
            attempts=bindparam("b_attempts"),
            not_before=bindparam("b_not_before"),
            ended_at=bindparam("b_ended_at"),
        ),
        [_task_values(flight, outcome) for flight, outcome in valid],
    )


def record_attempts(connection: Connection, rows: Sequence[tuple[Flight, dict[str, Any]]]) -> None:
    """Write attempts' rows, new or again."""
    fresh = [values for flight, values in rows if not flight.recorded]
    if fresh:
        connection.execute(insert(attempt), fresh)
    for flight, values in rows:
        if flight.recorded:
            connection.execute(
                update(attempt)
                .where(attempt.c.task_id == flight.row.id, attempt.c.fence == flight.row.fence)
                .values(**values)
            )
        flight.recorded = True


def running_values(flight: Flight) -> dict[str, Any]:
    """Give the row of an attempt that has not ended."""
    return _attempt_values(flight, Outcome(flight.row.id, flight.row.fence, State.RUNNING, started_at=time.time()))


def _write_results(connection: Connection, good: Finished) -> None:
    now = time.time()
    rows: list[dict[str, Any]] = []
    for flight, outcome in good:
        exports = _exports(flight.command.step, outcome)
        parts = {**flight.command.parts, "exports": flight.row.datum["exports"]}
        rows.append(
            {"key": flight.row.key, "parts": parts, "exports": exports, "task_id": flight.row.id, "created_at": now}
        )
    insert_missing(connection, result, rows)
    insert_missing(
        connection,
        output,
        [
            {"key": flight.row.key, "path": each.path, "digest": each.digest, "size": each.size}
            for flight, outcome in good
            for each in outcome.outputs
        ],
    )


def _exports(step: Step, outcome: Outcome) -> dict[str, Any] | None:
    if not step.exports:
        return None
    return {name: jmespath.search(path, outcome.exports) for name, path in step.exports.items()}


def _attempt_values(flight: Flight, outcome: Outcome) -> dict[str, Any]:
    ended = outcome.state is not State.RUNNING
    return {
        "task_id": flight.row.id,
        "fence": flight.row.fence,
        "executor": flight.executor.name,
        "handle": flight.handle,
        "state": outcome.state,
        "cause": outcome.cause,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "wall": outcome.usage.wall if ended else None,
        "cpu": outcome.usage.cpu if ended else None,
        "peak_memory": outcome.usage.peak_memory if ended else None,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "tail": outcome.tail,
        "image_digest": outcome.image_digest,
        "started_at": outcome.started_at or None,
        "ended_at": outcome.ended_at if ended else None,
    }


def _task_values(flight: Flight, outcome: Outcome) -> dict[str, Any]:
    row = flight.row
    values = {"b_id": row.id, "b_fence": row.fence, "b_cause": outcome.cause, "b_message": outcome.message}
    values |= {"b_attempts": row.attempts, "b_not_before": row.not_before, "b_ended_at": time.time()}
    if outcome.state is State.COMPLETE:
        return {**values, "b_state": State.COMPLETE}
    cause = outcome.cause or Cause.OURS
    values["b_attempts"] = made = row.attempts + 1
    retry = flight.command.step.retry
    if cause.value in retry.on and made < retry.attempts and not flight.canceled:
        pause = retry.backoff * 2 ** (made - 1) * random.uniform(0.8, 1.2)  # noqa: S311  # jitter
        return {**values, "b_state": State.QUEUED, "b_not_before": time.time() + pause, "b_ended_at": None}
    return {**values, "b_state": _STATE_OF[cause]}
