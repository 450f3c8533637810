"""Which runs may begin: a pipeline may have so many under way at a time, and more wait or replace them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from aliquot.model.schedule import RunLimit
from aliquot.model.state import State

RunRow = Row[*tuple[Any, ...]]

RECALL = "recall"
"""The cause of runs that make swept files again: others wait for those, so that no limit may hold or end them."""


@dataclass(slots=True)
class Gate:
    """What the limits say of runs: `held` gives why a queued one must wait, `replaced` by which newer one it is."""

    held: dict[int, str] = field(default_factory=dict[int, str])
    replaced: dict[int, int] = field(default_factory=dict[int, int])


def judge(active: Iterable[RunRow], limit_of: Callable[[RunRow], RunLimit | None]) -> Gate:
    """Judge the runs that have not ended, all of them or all of one pipeline; each queued one by its own limit."""
    gate = Gate()
    by_pipeline: dict[str, list[RunRow]] = defaultdict(list)
    for row in active:
        if row.cause != RECALL:
            by_pipeline[row.pipeline].append(row)
    for rows in by_pipeline.values():
        queued = [row for row in rows if row.state == State.QUEUED and not row.cancel_asked]
        begun = [row for row in rows if has_begun(row)]
        for row in sorted(queued, key=lambda each: (-each.priority, each.id)):
            limit = limit_of(row)
            if limit is not None and limit.then == "newest":
                _replace(gate, rows, limit)
            if row.id in gate.replaced:
                continue
            if limit is not None and len(begun) >= limit.at_most:
                gate.held[row.id] = _reason(row, limit, begun, gate)
            else:
                begun.append(row)
    return gate


def has_begun(row: RunRow) -> bool:
    """Say whether a run that has not ended takes one of its pipeline's places."""
    return row.state != State.QUEUED and (row.state != State.PAUSED or row.started_at is not None)


def _replace(gate: Gate, rows: Sequence[RunRow], limit: RunLimit) -> None:
    """Keep the newest runs, and let the newest of all take the place of the others."""
    wanted = sorted((row.id for row in rows if not row.cancel_asked), reverse=True)
    for number in wanted[limit.at_most :]:
        gate.replaced.setdefault(number, wanted[0])


def _reason(row: RunRow, limit: RunLimit, begun: Sequence[RunRow], gate: Gate) -> str:
    ending = [each for each in begun if each.cancel_asked or each.id in gate.replaced]
    if ending:
        return f"takes the place of run {ending[0].id}, and waits until that has ended"
    who = ", ".join(f"{each.id}{' (paused)' if each.state == State.PAUSED else ''}" for each in begun[:5])
    many = f"run {who}" if len(begun) == 1 else f"one of the runs {who}"
    how = "one run" if limit.at_most == 1 else f"{limit.at_most} runs"
    return f"waits for the end of {many}: {row.pipeline} has at most {how} at a time"
