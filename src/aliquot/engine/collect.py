"""Taking in what came of attempts: results, outputs, retries, in one transaction under the fence."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from aliquot.datasets import places
from aliquot.db.rows import chunks, insert_rows, json_text
from aliquot.db.tables import attempt, output, result, task
from aliquot.engine.claim import held
from aliquot.engine.exports import exported_values
from aliquot.engine.flight import Ended, Flight
from aliquot.engine.recall import compare
from aliquot.model.retry import WAITED, Retry
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome

STATE_OF = {
    Cause.USER: State.EXECUTOR_ERROR,
    Cause.OOM: State.EXECUTOR_ERROR,
    Cause.TIMEOUT: State.EXECUTOR_ERROR,
    Cause.LOST: State.SYSTEM_ERROR,
    Cause.REFUSED: State.SYSTEM_ERROR,
    Cause.OURS: State.SYSTEM_ERROR,
    Cause.CANCELED: State.CANCELED,
}
"""In which state an attempt ends, by the cause of its failure."""

_LONGEST_MESSAGE = 2_000
_LONGEST_TAIL = 20_000


def collect(connection: Connection, owner: str, ended: Sequence[Ended]) -> None:
    """Record outcomes. What is no longer held under its fence is somebody else's, and touches no row."""
    if not ended:
        return
    mine = held(connection, owner, {flight.row.id: flight.row.fence for flight, _ in ended})
    valid = [_judged(flight, outcome) for flight, outcome in ended if flight.row.id in mine]
    if not valid:
        return
    # In one order everywhere, so that two supervisors with equal blobs wait for each other at most once.
    locations = sorted((place for _, outcome, _ in valid for place in outcome.locations), key=lambda each: each.digest)
    places.record(connection, locations)
    _write_results(connection, [each for each in valid if each[1].state is State.COMPLETE])
    valid = [
        (flight, compare(connection, flight.row.key, outcome), exports)
        if flight.row.recall and outcome.state is State.COMPLETE
        else (flight, outcome, exports)
        for flight, outcome, exports in valid
    ]
    record_attempts(connection, [_attempt_values(flight, outcome) for flight, outcome, _ in valid])
    connection.execute(
        update(task)
        .where(task.c.id == bindparam("b_id"), task.c.fence == bindparam("b_fence"))
        .values(
            state=bindparam("b_state"),
            cause=bindparam("b_cause"),
            message=bindparam("b_message"),
            attempts=bindparam("b_attempts"),
            failures=bindparam("b_failures"),
            not_before=bindparam("b_not_before"),
            ended_at=bindparam("b_ended_at"),
        ),
        [_task_values(flight, outcome) for flight, outcome, _ in valid],
    )


def record_attempts(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write attempts' rows, in place of those that are there already."""
    if rows:
        maker = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        new = maker(attempt)
        changed = {name: new.excluded[name] for name in rows[0] if name not in {"task_id", "fence"}}
        connection.execute(new.on_conflict_do_update(index_elements=["task_id", "fence"], set_=changed), list(rows))


def running_values(flight: Flight) -> dict[str, Any]:
    """Give the row of an attempt that has not ended."""
    return _attempt_values(flight, Outcome(flight.row.id, flight.row.fence, State.RUNNING, started_at=time.time()))


_Judged = tuple[Flight, Outcome, dict[str, Any] | None]


def _judged(flight: Flight, outcome: Outcome) -> _Judged:
    """Add what the step exports; content that does not fit its expressions is the user's error."""
    if outcome.message or outcome.tail:
        outcome = replace(
            outcome, message=_short(outcome.message, _LONGEST_MESSAGE), tail=_short(outcome.tail, _LONGEST_TAIL)
        )
    if outcome.state is not State.COMPLETE:
        cause = outcome.cause or (Cause.CANCELED if outcome.state is State.CANCELED else Cause.OURS)
        return flight, replace(outcome, state=STATE_OF[cause], cause=cause), None
    exported = flight.command.step.exports if flight.command else {}
    if not exported:
        return flight, outcome, None
    values, problem = exported_values(exported, outcome.exports)
    if problem:
        failed = replace(outcome, state=State.EXECUTOR_ERROR, cause=Cause.USER, message=problem, outputs=())
        return flight, failed, None
    return flight, outcome, values


def _write_results(connection: Connection, good: Sequence[_Judged]) -> None:
    now = time.time()
    rows = [
        (flight.row.key, _parts(flight), exports if exports is None else json_text(exports), flight.row.id, now)
        for flight, _, exports in sorted(good, key=lambda each: each[0].row.key)
    ]
    insert_rows(connection, result, ("key", "parts", "exports", "task_id", "created_at"), rows, missing=True)
    # Where somebody else was first with the same work, their files stand, and ours do not mix with them.
    files = [
        (flight.row.key, each.path, each.digest, each.size)
        for flight, outcome, _ in _first_of_their_key(connection, good)
        for each in outcome.outputs
    ]
    insert_rows(connection, output, ("key", "path", "digest", "size"), files, missing=True)


def _parts(flight: Flight) -> str:
    common = flight.command.parts if flight.command else {}
    return json_text({**common, "exports": flight.row.datum["exports"]})


def _first_of_their_key(connection: Connection, good: Sequence[_Judged]) -> list[_Judged]:
    first: dict[str, int | None] = {}
    for part in chunks([flight.row.key for flight, _, _ in good]):
        rows = connection.execute(select(result.c.key, result.c.task_id).where(result.c.key.in_(part)))
        first |= {row.key: row.task_id for row in rows}
    return [each for each in good if first[each[0].row.key] == each[0].row.id]


def _attempt_values(flight: Flight, outcome: Outcome) -> dict[str, Any]:
    ended = outcome.state is not State.RUNNING
    return {
        "task_id": flight.row.id,
        "fence": flight.row.fence,
        "executor": flight.executor.name if flight.executor else "",
        "handle": flight.handle or "",
        "state": outcome.state,
        "cause": outcome.cause,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "wall": outcome.usage.wall if ended else None,
        "cpu": outcome.usage.cpu if ended else None,
        "peak_memory": outcome.usage.peak_memory if ended else None,
        "input_bytes": flight.input_bytes,
        "asked": flight.asked,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "tail": outcome.tail,
        "image_digest": outcome.image_digest,
        "started_at": outcome.started_at or None,
        # A clock that was set back meanwhile must not give an attempt less than no time.
        "ended_at": max(outcome.ended_at, outcome.started_at) if ended else None,
    }


def _task_values(flight: Flight, outcome: Outcome) -> dict[str, Any]:
    row = flight.row
    values = {"b_id": row.id, "b_fence": row.fence, "b_cause": outcome.cause, "b_message": outcome.message}
    values |= {"b_attempts": row.attempts, "b_failures": row.failures}
    values |= {"b_not_before": row.not_before, "b_ended_at": time.time()}
    if outcome.state is State.COMPLETE:
        return {**values, "b_state": State.COMPLETE}
    cause = outcome.cause or Cause.OURS
    if cause is Cause.CANCELED:
        return {**values, "b_state": STATE_OF[cause]}
    counted = WAITED if outcome.may_pass else cause.value
    failures: dict[str, int] = {**(row.failures or {})}
    failures[counted] = failures.get(counted, 0) + 1
    values |= {"b_attempts": row.attempts + 1, "b_failures": failures}
    retry = flight.command.step.retry if flight.command else Retry()
    last = flight.canceled or flight.given_up
    pause = None if last else retry.again_after(cause, failures, may_pass=outcome.may_pass)
    if pause is not None:
        return {**values, "b_state": State.QUEUED, "b_not_before": time.time() + pause, "b_ended_at": None}
    return {**values, "b_state": STATE_OF[cause]}


def _short(text: str, most: int) -> str:
    """Cut a text in the middle, and take out what no database can hold."""
    text = text.replace("\0", "\ufffd").encode(errors="replace").decode()
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters were left out here ...]\n{text[-half:]}"
