"""Taking in what came of attempts: results, outputs, retries, in one transaction under the fence."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Double, Update, bindparam, select, update

from aliquot.datasets import places
from aliquot.db.rows import among_listed, chunks, insert_rows, json_text, listed, update_rows
from aliquot.db.tables import attempt, output, result, task
from aliquot.engine.claim import held
from aliquot.engine.exports import exported_values
from aliquot.engine.flight import Ended, Flight
from aliquot.engine.recall import compare
from aliquot.model.retry import WAITED, Retry
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, Resources

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

_COMPLETE = State.COMPLETE.value
_TOLD_AT_ONCE = 5_000
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
    places.record(connection, [place for _, outcome, _ in valid for place in outcome.locations])
    _write_results(connection, [each for each in valid if each[1].state is State.COMPLETE])
    valid = [
        (flight, compare(connection, flight.row.key, outcome), exports)
        if flight.row.recall and outcome.state is State.COMPLETE
        else (flight, outcome, exports)
        for flight, outcome, exports in valid
    ]
    record_attempts(connection, [_attempt_values(flight, outcome) for flight, outcome, _ in valid])
    now = time.time()
    _complete(connection, [flight.row.id for flight, outcome, _ in valid if _is_plain(outcome)], now)
    others = [_task_values(flight, outcome, now) for flight, outcome, _ in valid if not _is_plain(outcome)]
    update_rows(connection, task, _TASK, ("id", "fence"), others)


def record_attempts(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Write attempts' rows, in place of those that are there already."""
    insert_rows(connection, attempt, _ATTEMPT, rows, replace=("task_id", "fence"))


def running_values(flight: Flight) -> tuple[Any, ...]:
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
    # In the order of the indexes: neighbours are written to one page after the other.
    good = sorted(good, key=lambda each: each[0].row.key)
    rows = [
        (flight.row.key, _parts(flight), exports if exports is None else json_text(exports), flight.row.id, now)
        for flight, _, exports in good
    ]
    columns = ("key", "parts", "exports", "task_id", "created_at")
    new = insert_rows(connection, result, columns, rows, missing=True)
    # Where somebody else was first with the same work, their files stand, and ours do not mix with them.
    files = [
        (flight.row.key, each.path, each.digest, each.size)
        for flight, outcome, _ in (good if new == len(good) else _first_of_their_key(connection, good))
        for each in outcome.outputs
    ]
    insert_rows(connection, output, ("key", "path", "digest", "size"), files, missing=True)


def _parts(flight: Flight) -> str:
    command, exports = flight.command, flight.row.datum["exports"]
    if command is None or exports:
        return json_text({**(command.parts if command else {}), "exports": exports})
    # The same for thousands, and in one order: written once.
    if command.parts_text is None:
        command.parts_text = json_text({**command.parts, "exports": {}})
    return command.parts_text


def _first_of_their_key(connection: Connection, good: Sequence[_Judged]) -> list[_Judged]:
    first: dict[str, int | None] = {}
    for part in chunks([flight.row.key for flight, _, _ in good]):
        rows = connection.execute(select(result.c.key, result.c.task_id).where(result.c.key.in_(part)))
        first |= {row.key: row.task_id for row in rows}
    return [each for each in good if first[each[0].row.key] == each[0].row.id]


_ATTEMPT = ("task_id", "fence", "executor", "handle", "state", "cause", "message", "exit_code", "wall", "cpu",
            "peak_memory", "input_bytes", "asked", "stdout", "stderr", "tail", "image_digest", "started_at",
            "ended_at")  # fmt: skip


def _attempt_values(flight: Flight, outcome: Outcome) -> tuple[Any, ...]:
    row, state, used = flight.row, outcome.state, outcome.usage
    ended = state is not State.RUNNING
    return (
        row.id, row.fence, flight.executor.name if flight.executor else "", flight.handle or "",
        _COMPLETE if state is State.COMPLETE else state.value,
        outcome.cause.value if outcome.cause else None, outcome.message, outcome.exit_code,
        *((used.wall, used.cpu, used.peak_memory) if ended else (None, None, None)),
        flight.input_bytes, flight.asked and _asked(flight.asked), outcome.stdout, outcome.stderr,
        outcome.tail, outcome.image_digest, outcome.started_at or None,
        # A clock that was set back meanwhile must not give an attempt less than no time.
        max(outcome.ended_at, outcome.started_at) if ended else None,
    )  # fmt: skip


@lru_cache(100)
def _asked(given: Resources) -> str:
    return json_text({"cpus": given.cpus, "memory": given.memory, "time": given.time})


def _is_plain(outcome: Outcome) -> bool:
    """Say whether a task's row has nothing to tell but that it is complete."""
    return outcome.state is State.COMPLETE and not outcome.message


@cache
def _completing(dialect: str) -> Update:
    return (
        update(task)
        .where(among_listed(dialect, task.c.id))
        .values(state=State.COMPLETE, cause=None, message="", ended_at=bindparam("b_now", type_=Double))
    )


def _complete(connection: Connection, tasks: Sequence[int], now: float) -> None:
    """Note of tasks that are held that they are complete: thousands with one statement."""
    for part in chunks(tasks, _TOLD_AT_ONCE):
        connection.execute(_completing(connection.dialect.name), {"b_now": now, **listed(connection, part)})


_TASK = ("state", "cause", "message", "attempts", "failures", "not_before", "ended_at")


def _task_values(flight: Flight, outcome: Outcome, now: float) -> tuple[Any, ...]:
    row = flight.row
    failures: dict[str, int] = row.failures or {}
    attempts, not_before, ended_at = row.attempts, row.not_before, now
    if outcome.state is State.COMPLETE:
        kept = json_text(failures) if failures else None
        return _COMPLETE, None, outcome.message, attempts, kept, not_before, ended_at, row.id, row.fence
    cause = outcome.cause or Cause.OURS
    state = STATE_OF[cause]
    if cause is not Cause.CANCELED:
        counted = WAITED if outcome.may_pass else cause.value
        failures = {**failures, counted: failures.get(counted, 0) + 1}
        attempts += 1
        retry = flight.command.step.retry if flight.command else Retry()
        last = flight.canceled or flight.given_up
        pause = None if last else retry.again_after(cause, failures, may_pass=outcome.may_pass)
        if pause is not None:
            state, not_before, ended_at = State.QUEUED, now + pause, None
    told = outcome.cause.value if outcome.cause else None
    kept = json_text(failures) if failures else None
    return state.value, told, outcome.message, attempts, kept, not_before, ended_at, row.id, row.fence


def _short(text: str, most: int) -> str:
    """Cut a text in the middle, and take out what no database can hold."""
    text = text.replace("\0", "\ufffd").encode(errors="replace").decode()
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters were left out here ...]\n{text[-half:]}"
