"""What the tasks of a run used: wall time, processor time and memory, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from aliquot.db.tables import attempt, run_step, task
from aliquot.engine.control import find_run
from aliquot.lab.unmoved import while_unmoved
from aliquot.model.state import State

MOST = 2_000
"""Tasks of a run that are looked at, in equal shares for its steps; of more, as many in equal distances."""
_LEAST = 60
_COLUMNS = 60
_FEW = 6


@dataclass(frozen=True, slots=True)
class Band:
    """What several tasks in a row used: the least, the middle and the most, from task `first` on."""

    first: int
    least: float
    middle: float
    most: float


@dataclass(frozen=True, slots=True)
class Spread:
    """What the tasks of a step used of one thing: the middle, what 95 of 100 stay below, the most, and bands over them.

    `asked` is the highest amount that they might use, None without a limit.
    """

    middle: float
    high: float
    most: float
    asked: float | None
    bands: list[Band]


@dataclass(frozen=True, slots=True)
class StepUse:
    """What a step's tasks used: wall and cpu in seconds, memory in bytes at the peak.

    `seen` counts the tasks that were looked at, of `tasks` that were planned.
    """

    step: str
    tasks: int
    seen: int
    wall: Spread | None
    cpu: Spread | None
    memory: Spread | None


def resources(connection: Connection, number: int, plotted: str = "") -> list[StepUse]:
    """Give what each step of a run used, by the last attempts of tasks that were run, whether they succeeded or not.

    Bands are given of the step that is `plotted`, without one of every step of a run that has few.
    """
    find_run(connection, number)
    query = select(run_step.c.step, run_step.c.datums).where(run_step.c.run_id == number).order_by(run_step.c.position)
    rows = connection.execute(query).all()
    share = max(_LEAST, MOST // max(1, len(rows)))
    if not plotted and len(rows) > _FEW:
        plotted = rows[0].step

    def look() -> list[StepUse]:
        return [
            _of_step(connection, number, row.step, row.datums, share, bands=plotted in {"", row.step}) for row in rows
        ]

    # What an attempt used is written with the state that its task has then.
    return while_unmoved(connection, ("resources", number, plotted), look)


def _of_step(connection: Connection, number: int, step: str, datums: int, share: int, *, bands: bool) -> StepUse:
    every = max(1, -(-datums // share))
    which = and_(task.c.run_id == number, task.c.step == step, task.c.reused.is_(False), task.c.state != State.QUEUED)
    if every > 1:
        which = and_(which, task.c.ordinal % every == 0)
    query = (
        select(
            task.c.ordinal, attempt.c.wall, attempt.c.cpu, attempt.c.peak_memory, attempt.c.asked, attempt.c.ended_at
        )
        .join(attempt, attempt.c.task_id == task.c.id)
        .where(which)
        .order_by(task.c.ordinal, attempt.c.fence)
    )  # fmt: skip
    newest = {row.ordinal: row for row in connection.execute(query)}
    rows = [row for row in newest.values() if row.ended_at is not None]
    memory = [row.asked["memory"] for row in rows if row.asked and row.asked.get("memory")]
    time = [row.asked["time"] for row in rows if row.asked and row.asked.get("time")]
    return StepUse(
        step,
        datums,
        len(rows),
        _spread([(row.ordinal, row.wall) for row in rows if row.wall is not None], time, bands=bands),
        _spread([(row.ordinal, row.cpu) for row in rows if row.cpu is not None], [], bands=bands),
        _spread([(row.ordinal, float(row.peak_memory)) for row in rows if row.peak_memory], memory, bands=bands),
    )


def _spread(found: Sequence[tuple[int, float]], asked: Sequence[float], *, bands: bool) -> Spread | None:
    if not found:
        return None
    values = sorted(value for _, value in found)
    width = -(-len(found) // _COLUMNS)
    made: list[Band] = []
    for start in range(0, len(found), width) if bands else ():
        part = sorted(value for _, value in found[start : start + width])
        made.append(Band(found[start][0], part[0], part[len(part) // 2], part[-1]))
    high = values[min(len(values) - 1, int(0.95 * len(values)))]
    return Spread(values[len(values) // 2], high, values[-1], max(asked, default=None), made)
