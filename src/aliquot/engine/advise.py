"""Learning from attempts: what the tasks of a step needed, and whether what they ask for fits."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from aliquot.db.tables import attempt, run, task
from aliquot.engine.pipelines import current
from aliquot.model.quantity import in_words
from aliquot.model.state import State
from aliquot.model.task import Cause

MOST = 10_000
"""Attempts of a step that are looked at, the latest."""
HEAD_ROOM = 1.3
"""What is asked for, over what was needed."""
_FEW = 3
_TOO_HIGH = 3.0
_MEMORY_STEP = 64 * 2**20
_LEAST_MEMORY = 256 * 2**20
_LEAST_TIME = 60.0


@dataclass(frozen=True, slots=True)
class Spread:
    """How an amount was spread over attempts: how many, the median, 95 of 100, the most."""

    n: int
    median: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What a step's attempts needed: spreads in bytes and seconds, what fits badly, and the line to write instead."""

    step: str
    memory: Spread | None
    cpus: Spread | None
    time: Spread | None
    input: Spread | None
    out_of_memory: int
    timed_out: int
    says: tuple[str, ...]
    line: str | None

    def document(self) -> dict[str, Any]:
        """Give the advice as JSON."""
        return asdict(self)


def advise(connection: Connection, pipeline: str) -> list[Advice]:
    """Say for each step of a pipeline what its attempts needed, and where what it asks for is far off."""
    steps = current(connection, pipeline).pipeline.steps
    return [_advice(name, attempts_of(connection, pipeline, name, MOST)) for name in steps]


def spread(values: Sequence[float]) -> Spread | None:
    """Say how values are spread; None without any."""
    if not values:
        return None
    ordered = sorted(float(each) for each in values)
    return Spread(len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95), ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """Give the smallest value that at least this share of all do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def memory_for(most: float) -> int:
    """Give the memory to ask for where so much was needed: with head-room, in steps of 64 MiB, 256 MiB at least."""
    return max(_LEAST_MEMORY, math.ceil(most * HEAD_ROOM / _MEMORY_STEP) * _MEMORY_STEP)


def attempts_of(connection: Connection, pipeline: str, step: str, most: int) -> Sequence[Any]:
    """Give what the latest attempts of a step that have ended were given and needed."""
    query = (
        select(
            attempt.c.state, attempt.c.cause, attempt.c.peak_memory, attempt.c.cpu, attempt.c.wall,
            attempt.c.input_bytes, attempt.c.asked,
        )
        .join(task, task.c.id == attempt.c.task_id)
        .join(run, run.c.id == task.c.run_id)
        .where(run.c.pipeline == pipeline, task.c.step == step, attempt.c.ended_at.isnot(None))
        .order_by(attempt.c.task_id.desc())
        .limit(most)
    )  # fmt: skip
    return connection.execute(query).all()


def _advice(step: str, rows: Sequence[Any]) -> Advice:
    good = [row for row in rows if row.state == State.COMPLETE]
    memory = spread([row.peak_memory for row in good if row.peak_memory])
    cpus = spread([row.cpu / row.wall for row in good if row.wall and row.cpu is not None and row.wall >= 1.0])
    time = spread([row.wall for row in good if row.wall])
    given = spread([row.input_bytes for row in good if row.input_bytes is not None])
    failed = [row for row in rows if row.cause == Cause.OOM]
    late = sum(row.cause == Cause.TIMEOUT for row in rows)
    asked = rows[0].asked or {} if rows else {}
    says: list[str] = []
    wanted: dict[str, str] = {}
    if memory and memory.n >= _FEW:
        fits = memory_for(max(memory.most, *(row.peak_memory or 0 for row in failed), 0))
        if failed:
            fits = max(fits, *(2 * int((row.asked or {}).get("memory") or 0) for row in failed[:1]))
            says.append(f"{len(failed)} attempts ran out of memory")
            wanted["memory"] = _size(fits)
        elif asked.get("memory") and asked["memory"] > _TOO_HIGH * fits:
            says.append(f"asks for {in_words(asked['memory'])} of memory, needed {in_words(memory.most)} at most")
            wanted["memory"] = _size(fits)
        elif asked.get("memory") and asked["memory"] < memory.most * 1.05:
            says.append(f"asks for {in_words(asked['memory'])} of memory, which is hardly enough")
            wanted["memory"] = _size(fits)
        elif not asked.get("memory"):
            says.append("has no limit on memory")
            wanted["memory"] = _size(fits)
    if cpus and cpus.n >= _FEW and asked.get("cpus"):
        needed = max(1, math.ceil(cpus.p95 - 0.1))
        if asked["cpus"] >= 2 * needed:
            says.append(f"asks for {asked['cpus']:g} processors, used {cpus.p95:.1f}")
            wanted["cpus"] = str(needed)
        elif cpus.p95 > asked["cpus"] * 1.5:
            says.append(f"asks for {asked['cpus']:g} processors, but uses {cpus.p95:.1f}")
            wanted["cpus"] = str(needed)
    if late and asked.get("time"):
        says.append(f"{late} attempts took too long")
        wanted["time"] = f"{math.ceil(2 * asked['time'])}s"
    elif time and time.n >= _FEW and asked.get("time") and asked["time"] > 20 * max(time.most, _LEAST_TIME):
        says.append(f"may take {asked['time']:g} s, took {time.most:.0f} s at most")
        wanted["time"] = f"{math.ceil(max(_LEAST_TIME, 3 * time.most))}s"
    line = "resources: {" + ", ".join(f"{name}: {value}" for name, value in wanted.items()) + "}" if wanted else None
    return Advice(step, memory, cpus, time, given, len(failed), late, tuple(says), line)


def _size(amount: int) -> str:
    return f"{amount // 2**20}MiB"
