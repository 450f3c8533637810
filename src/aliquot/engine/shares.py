"""Whose turn it is: which runs' tasks are claimed next, so that no run waits behind another's thousands.

Runs of higher priority come first. Runs of equal priority get equal shares of what is under way, and within a run the
later steps come first, so that chains end before new ones begin. A pool's limit is counted here, over all supervisors.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection, Double, Select, and_, bindparam, exists, select, text

from aliquot.db.tables import run, run_step, task
from aliquot.model.state import State

# In the indexes' own words, or SQLite would not see that it can use them.
WAITS = text("task.state = 'QUEUED'")
IS_UNDER_WAY = text("task.state IN ('INITIALIZING','RUNNING')")
LEASED = (IS_UNDER_WAY, task.c.lease_until >= 0)
"""Every task that is under way. Each has a lease; said in so many words, SQLite takes the small index over these."""

TAKES_TASKS = and_(run.c.state == State.RUNNING, ~run.c.cancel_asked, ~run.c.stop_asked)
"""The condition for a run whose tasks may start."""


@dataclass(frozen=True, slots=True)
class Line:
    """The waiting tasks of one step of a run."""

    run: int
    step: str
    priority: int
    pool: str | None


class Shares:
    """What waits and what is under way at one moment; `took` keeps it up to date while tasks are claimed.

    `pools` gives the limit of each pool by name; of a pool that is not there no task starts. `avoided` are
    steps of runs that are left to others.
    """

    def __init__(
        self,
        connection: Connection,
        now: float,
        pools: Mapping[str, int],
        avoided: Collection[tuple[int, str]] = (),
    ) -> None:
        self._connection = connection
        self._lines = [line for line in waiting_lines(connection, now) if (line.run, line.step) not in avoided]
        self._taken: Counter[int] = Counter()
        self._free = dict(pools)
        if any(line.pool for line in self._lines):
            for pool, used in pools_in_use(connection, self._counts).items():
                self._free[pool] = self._free.get(pool, 0) - used

    @cached_property
    def _counts(self) -> dict[tuple[int, str], int]:
        return under_way(self._connection)

    @cached_property
    def _loads(self) -> Counter[int]:
        loads: Counter[int] = Counter()
        for (number, _), count in self._counts.items():
            loads[number] += count
        return loads

    def room(self, line: Line) -> float:
        """Give how many tasks of a line its pool lets start now."""
        return float("inf") if line.pool is None else max(0, self._free.get(line.pool, 0))

    @property
    def open_lines(self) -> list[Line]:
        """List the lines of which a task may start now."""
        return [line for line in self._lines if self.room(line) > 0]

    def took(self, line: Line, count: int) -> None:
        """Note that so many tasks of a line are under way now."""
        self._taken[line.run] += count
        if line.pool is not None:
            self._free[line.pool] -= count

    def by_priority(self) -> Iterator[dict[int, list[Line]]]:
        """Give the open lines by run, for each priority that there is, the highest first."""
        groups: dict[int, dict[int, list[Line]]] = defaultdict(lambda: defaultdict(list))
        for line in self.open_lines:
            groups[line.priority][line.run].append(line)
        for priority in sorted(groups, reverse=True):
            yield groups[priority]

    def quotas(self, runs: Sequence[int], most: int) -> dict[int, int]:
        """Share out so many tasks over runs, such that all of them come to have equally many under way."""
        if len(runs) == 1:
            return {runs[0]: most}
        return fill({number: self._loads[number] + self._taken[number] for number in runs}, most)

    def give_way(self, number: int, priority: int) -> bool:
        """Say whether a claimed task of a run should let one of another start first, and note that it does."""
        for line in self.open_lines:
            if line.run == number:
                continue
            mine, theirs = (self._loads[each] + self._taken[each] for each in (number, line.run))
            fairer = line.priority == priority and theirs + 1 < mine
            if line.priority > priority or fairer:
                self._taken[number] -= 1
                self.took(line, 1)
                return True
        return False


def waiting_lines(connection: Connection, now: float) -> list[Line]:
    """List the steps of running runs that have a task whose time has come; costs a probe for each step."""
    return [Line(*row) for row in connection.execute(_LINES, {"b_now": now}).all()]


def under_way(connection: Connection) -> dict[tuple[int, str], int]:
    """Count the tasks under way by run and step, over all supervisors."""
    return Counter((number, step) for number, step in connection.execute(_UNDER_WAY))


def pools_in_use(connection: Connection, counts: Mapping[tuple[int, str], int]) -> Counter[str]:
    """Count the tasks under way in each pool."""
    used: Counter[str] = Counter()
    numbers = sorted({number for number, _ in counts})
    query = select(run_step.c.run_id, run_step.c.step, run_step.c.pool).where(
        run_step.c.run_id.in_(numbers), run_step.c.pool.is_not(None)
    )
    for number, step, pool in connection.execute(query):
        used[pool] += counts.get((number, step), 0)
    return used


def fill(loads: Mapping[int, int], amount: int) -> dict[int, int]:
    """Pour an amount over loads so that the lowest rise first, to one level; gives what each gets, where it gets any.

    Of equal ones the lower number comes first.
    """
    order = sorted(loads, key=lambda number: (loads[number], number))
    given: dict[int, int] = {}
    for count in range(1, len(order) + 1):
        # The `count` lowest rise to the level of the next one, or as far as the amount reaches.
        level = loads[order[count]] if count < len(order) else None
        needed = None if level is None else sum(level - loads[number] for number in order[:count])
        if needed is not None and needed < amount:
            continue
        total = sum(loads[number] for number in order[:count]) + amount
        height, rest = divmod(total, count)
        for position, number in enumerate(order[:count]):
            if share := height + (position < rest) - loads[number]:
                given[number] = share
        return given
    return given


def _lines() -> Select[int, str, int, str | None]:
    of_the_step = and_(task.c.run_id == run.c.id, task.c.step == run_step.c.step)
    soon = task.c.not_before <= bindparam("b_now", type_=Double)
    waiting = exists(select(task.c.id).where(of_the_step, WAITS, soon).correlate(run, run_step))
    return (
        select(run.c.id, run_step.c.step, run.c.priority, run_step.c.pool)
        .join_from(run, run_step, run_step.c.run_id == run.c.id)
        .where(TAKES_TASKS, waiting)
        .order_by(run.c.id, run_step.c.position.desc())
    )


# Made once: SQLAlchemy takes longer over a statement than the database, and these are asked in every cycle.
_LINES = _lines()
# Counted here: for a count by run and step SQLite would go over all tasks, in the order of their runs.
_UNDER_WAY = select(task.c.run_id, task.c.step).where(*LEASED)
