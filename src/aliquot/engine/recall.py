"""Making swept files again: a run of its own does the makers' tasks once more, under their old keys."""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, and_, delete, insert, or_, select, update

from aliquot.datasets import places
from aliquot.db.rows import among, chunks, insert_rows
from aliquot.db.tables import blob, key_input, output, result, run, run_step, task
from aliquot.engine.control import find_run
from aliquot.engine.gate import RECALL
from aliquot.engine.pipelines import by_id
from aliquot.engine.taken import Taken
from aliquot.model.errors import Conflict
from aliquot.model.state import ACTIVE, State
from aliquot.model.task import Outcome

PAUSE = 0.5
"""Seconds after which, at the earliest, a task whose input is being made again looks for it."""

_SHARE = 0.05
_LONGEST_PAUSE = 30.0
"""Seconds, and the share of a task's time so far, that it waits before it looks again."""

_SKEW = 60.0
"""Seconds by which the clocks of two machines may differ; less than any grace time."""

_AT_ONCE = 5_000

_COPIED = ("definition_id", "pipeline", "parameters", "inputs", "priority")

TaskRow = Row[*tuple[Any, ...]]


def ask(connection: Connection, digests: Collection[str], who: str, since: float = 0.0) -> str | None:
    """See to it that swept files are made again; gives the reason for which they cannot be, None while they may.

    Their makers are started unless somebody has asked already: call it again until the files are there. What was
    canceled or failed before `since`, in seconds since 1970, when the one who asks began, says nothing any more.
    """
    makers: dict[int, TaskRow] = {}
    for part in chunks(sorted(set(digests)), _AT_ONCE):
        reason = _find_makers(connection, part, since, makers)
        if reason is not None:
            return reason
    order(connection, [makers[number] for number in sorted(makers)], who)
    return None


def _find_makers(
    connection: Connection, digests: Sequence[str], since: float, makers: dict[int, TaskRow]
) -> str | None:
    """Add the tasks to do again for a few files, by id; gives the reason for which one cannot be made again."""
    swept = select(blob.c.digest, blob.c.swept_at).where(among(connection, blob.c.digest, digests))
    removed = {row.digest: row.swept_at for row in connection.execute(swept)}
    if missing := next((digest for digest in digests if removed.get(digest) is None), None):
        return f"The catalogue does not know where {missing} lies; `aliquot admin verify` says more."
    keys = _makers_keys(connection, digests)
    every = sorted({key for found in keys.values() for key in found})
    asked = _asked(connection, every, since)
    query = select(task, result.c.key.label("made")).join(result, result.c.task_id == task.c.id)
    first = {row.made: row for row in connection.execute(query.where(among(connection, result.c.key, every)))}
    for digest in digests:
        after = removed[digest] - _SKEW
        again = [row for key in keys.get(digest, ()) for row in asked.get(key, ()) if row.created_at > after]
        if any(row.ended_at is None for row in again):
            continue
        if again:
            last = max(again, key=lambda row: row.id)
            return (
                f"{digest} was swept, and task {last.run_id}/{last.step}/{last.ordinal}, which should make it again, "
                f"ended as {last.state}: `aliquot run show {last.run_id}` says why."
            )
        maker = next((first[key] for key in keys.get(digest, ()) if key in first), None)
        if maker is None:
            return (
                f"{digest} was swept, and nothing makes it any more: done again, its maker gave other bytes. "
                "Start the run again: it works with those."
            )
        makers[maker.id] = maker
    return None


def _asked(connection: Connection, keys: Sequence[str], since: float) -> Mapping[str, Sequence[TaskRow]]:
    """Give the tasks that make swept files again, by key: those under way, and those that ended after a time."""
    under_way = and_(task.c.ended_at.is_(None), run.c.state.in_(list(ACTIVE)))
    query = (
        select(task)
        .join(run, run.c.id == task.c.run_id)
        .where(among(connection, task.c.key, keys), task.c.recall, or_(under_way, task.c.ended_at > since))
    )
    found: dict[str, list[TaskRow]] = {}
    for row in connection.execute(query):
        found.setdefault(row.key, []).append(row)
    return found


def order(connection: Connection, makers: Sequence[TaskRow], who: str) -> list[int]:
    """Start runs that do these tasks again, a run for each that they were part of; gives their numbers."""
    groups: dict[int, list[TaskRow]] = {}
    for row in makers:
        groups.setdefault(row.run_id, []).append(row)
    return [_order(connection, number, rows, who) for number, rows in groups.items()]


def recompute(connection: Connection, number: int, who: str) -> list[int]:
    """Make the outputs of a run again as far as they were swept; `Conflict` when none was."""
    row = find_run(connection, number)
    pipeline = by_id(connection, row.definition_id).pipeline
    steps = {each.from_ for each in pipeline.outputs.values()} | {each.from_ for each in pipeline.tables.values()}
    gone = _of_swept_outputs(number, steps, task.c.id).subquery()
    makers = connection.execute(select(task).where(task.c.id.in_(select(gone.c.id))).order_by(task.c.id)).all()
    if not makers:
        raise Conflict(
            "nothing-swept", f"No output of run {number} was swept: `aliquot run outputs` has them.", run=number
        )
    return order(connection, makers, who)


def swept_outputs(connection: Connection, number: int, steps: Collection[str]) -> list[str]:
    """List the files of some of a run's steps that were swept, by digest."""
    if not places.is_any_doomed(connection):
        return []
    return sorted(connection.execute(_of_swept_outputs(number, steps, output.c.digest)).scalars())


def _of_swept_outputs(number: int, steps: Collection[str], column: Column[Any]) -> Select[tuple[Any]]:
    return (
        select(column)
        .distinct()
        .join_from(task, output, task.c.key == output.c.key)
        .join(blob, blob.c.digest == output.c.digest)
        .where(
            task.c.run_id == number,
            task.c.step.in_(steps),
            task.c.state == State.COMPLETE,
            blob.c.swept_at.isnot(None),
        )
    )


def wait_for_inputs(connection: Connection, owner: str, rows: Sequence[Taken]) -> None:
    """Let claimed tasks wait as if never claimed: their inputs are being made again.

    The longer a task is there, the longer it waits, so that thousands of them cost little while hours of work are done.
    """
    now = time.time()
    for row in rows:
        pause = min(max(PAUSE, (now - row.created_at) * _SHARE), _LONGEST_PAUSE)
        connection.execute(
            update(task)
            .where(task.c.id == row.id, task.c.fence == row.fence, task.c.owner == owner)
            .values(state=State.QUEUED, owner=None, lease_until=None, not_before=now + pause)
        )


def compare(connection: Connection, key: str, outcome: Outcome) -> Outcome:
    """Compare what a maker gave with what it gave before; where that differs, say so, and let the new files stand."""
    before = {
        row.path: row.digest
        for row in connection.execute(select(output.c.path, output.c.digest).where(output.c.key == key))
    }
    after = {each.path: str(each.digest) for each in outcome.outputs}
    if before == after:
        return replace(outcome, message="The same bytes as before the sweep.")
    differ = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    connection.execute(delete(output).where(output.c.key == key))
    rows = [(key, each.path, each.digest, each.size) for each in outcome.outputs]
    insert_rows(connection, output, ("key", "path", "digest", "size"), rows, missing=True)
    shown = ", ".join(differ[:5]) + (f" and {len(differ) - 5} more" if len(differ) > 5 else "")
    return replace(
        outcome,
        message=f"Other bytes than before the sweep: {shown}. The step does not give the same files each time; "
        "what is made of them from now on is made of the new ones.",
    )


def _makers_keys(connection: Connection, digests: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """List the keys that gave files, by digest, without those that took it themselves: they only handed it on."""
    taken = select(key_input.c.key).where(
        key_input.c.key == output.c.key, key_input.c.digest == output.c.digest
    ).exists()  # fmt: skip
    query = select(output.c.digest, output.c.key).where(among(connection, output.c.digest, digests), ~taken)
    found: dict[str, list[str]] = {}
    for digest, key in connection.execute(query.order_by(output.c.digest, output.c.key)):
        found.setdefault(digest, []).append(key)
    return found


def _order(connection: Connection, number: int, makers: Sequence[TaskRow], who: str) -> int:
    now = time.time()
    of = connection.execute(select(run).where(run.c.id == number)).one()
    # Listed one by one: what bounds or ends the maker's run (its deadline, a stop, a signature) is not for this one.
    values: dict[str, Any] = {
        **{name: getattr(of, name) for name in _COPIED},
        "cause": RECALL, "publish": False, "pinned": True, "state": State.QUEUED, "message": "", "parked": 0,
        "cancel_asked": False, "stop_asked": False, "who": who, "fence": 0, "created_at": now,
    }  # fmt: skip
    new: int = connection.execute(insert(run).values(values).returning(run.c.id)).scalar_one()
    counts = Counter(row.step for row in makers)
    for row in connection.execute(select(run_step).where(run_step.c.run_id == number)).all():
        copied = {**_values(row, run_step), "run_id": new, "planned_at": now, "datums": counts[row.step]}
        copied |= {"carried_from": None, "carried": 0}
        connection.execute(insert(run_step).values(copied))
    for part in chunks(list(makers)):
        connection.execute(insert(task), [_again(row, new, now) for row in part])
    return new


def _again(row: TaskRow, number: int, now: float) -> dict[str, Any]:
    return {
        **_values(row, task),
        "run_id": number, "state": State.QUEUED, "reused": False, "recall": True, "cause": None, "message": "",
        "attempts": 0, "failures": None, "takeovers": 0, "same_as": None, "owner": None, "fence": 0,
        "lease_until": None, "not_before": 0.0, "created_at": now, "ended_at": None,
    }  # fmt: skip


def _values(row: TaskRow, table: Table) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in table.c if column.name != "id"}
