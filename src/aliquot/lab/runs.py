"""Runs as people look at them: lines, counts by step, tasks, attempts and their output."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from aliquot.db.rows import chunks
from aliquot.db.tables import attempt, definition, run, run_step, task
from aliquot.engine.datums import label_of
from aliquot.engine.parked import FAILED
from aliquot.lab.unmoved import while_unmoved
from aliquot.model.errors import Invalid
from aliquot.model.state import State

_UNDER_WAY = (State.INITIALIZING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in short. Times are seconds since 1970 in UTC; `parked` counts what failed for good, `causes` why."""

    run: int
    pipeline: str
    state: str
    message: str
    cause: str
    publish: bool
    parked: int
    who: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    causes: Mapping[str, int] = field(default_factory=dict[str, int])

    def document(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StepLine:
    """How the tasks of a run's step stand; `planned` says whether all of its datums are known yet.

    `left_out` counts the datums that the step's `when` leaves out; they are not among its `datums`.
    """

    step: str
    planned: bool
    datums: int
    waiting: int = 0
    running: int = 0
    ran: int = 0
    skipped: int = 0
    failed: int = 0
    canceled: int = 0
    left_out: int = 0

    @property
    def ended(self) -> int:
        """Count the tasks that will not move any more."""
        return self.ran + self.skipped + self.failed + self.canceled

    def document(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task: `step/ordinal`, its datum for a person, and what became of it; `tail` ends its last attempt's output.

    `since` is the run that it failed in, where this one has left it parked.
    """

    task: str
    datum: str
    state: str
    reused: bool
    cause: str | None
    message: str
    attempts: int
    tail: str
    since: int | None = None

    def document(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try at a task: seconds of wall and CPU time, bytes of memory at its peak, digests of its output."""

    task: str
    attempt: int
    executor: str
    state: str
    cause: str | None
    message: str
    exit_code: int | None
    wall: float | None
    cpu: float | None
    peak_memory: int | None
    stdout: str | None
    stderr: str | None
    started_at: float | None
    ended_at: float | None

    def document(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return asdict(self)


def run_line(row: Row[*tuple[Any, ...]]) -> RunLine:
    """Give a run's row in short."""
    return RunLine(
        run=row.id,
        pipeline=row.pipeline,
        state=row.state,
        message=row.message,
        cause=row.cause,
        publish=row.publish,
        parked=row.parked,
        causes=row.causes or {},
        who=row.who,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def runs(
    connection: Connection,
    pipeline: str | None = None,
    state: str | None = None,
    limit: int | None = 20,
    before: int | None = None,
    projects: Collection[str] | None = None,
    who: str | None = None,
) -> list[RunLine]:
    """List runs, newest first; `pipeline` and `state` choose among them, `before` is the last of the page before.

    `projects` keeps to those of these projects; None: of all. `who` keeps to those that somebody started.
    """
    query = select(run).where(*_chosen(pipeline, state)).order_by(run.c.id.desc()).limit(limit)
    if who is not None:
        query = query.where(run.c.who == who, run.c.cause == "manual")
    if before is not None:
        query = query.where(run.c.id < before)
    if projects is not None:
        query = query.where(run.c.project.in_(projects))
    return [run_line(row) for row in connection.execute(query)]


def count_runs(connection: Connection, pipeline: str | None = None, state: str | None = None) -> int:
    """Count the runs that `runs` lists without a limit."""
    return connection.execute(select(func.count()).select_from(run).where(*_chosen(pipeline, state))).scalar_one()


def pipeline_names(connection: Connection, projects: Collection[str] | None = None) -> list[str]:
    """List the pipelines that are applied now, by name: those whose runs somebody may look for."""
    query = select(definition.c.name).where(definition.c.kind == "pipeline", definition.c.current)
    if projects is not None:
        query = query.where(definition.c.project.in_(projects))
    return list(connection.execute(query.order_by(definition.c.name)).scalars())


def _chosen(pipeline: str | None, state: str | None) -> list[ColumnElement[bool]]:
    chosen = [] if pipeline is None else [run.c.pipeline == pipeline]
    return chosen if state is None else [*chosen, run.c.state == _state(state)]


def steps(connection: Connection, number: int) -> list[StepLine]:
    """Count the tasks of each step of a run, in the order of the steps."""
    counts: dict[str, dict[str, int]] = {}
    for step, state, reused, many in counted_tasks(connection, number):
        of = counts.setdefault(step, {})
        stands = _stands(state, reused=reused)
        of[stands] = of.get(stands, 0) + many
    planned = select(run_step).where(run_step.c.run_id == number).order_by(run_step.c.position)
    return [
        StepLine(row.step, row.planned_at is not None, row.datums, **counts.get(row.step, {}), left_out=row.left_out)
        for row in connection.execute(planned)
    ]


def counted_tasks(connection: Connection, number: int) -> list[tuple[str, str, bool, int]]:
    """Count a run's tasks by step, state and whether they were reused; again only once some task has moved."""
    return while_unmoved(connection, ("counted tasks", number), lambda: _count_tasks(connection, number))


def _count_tasks(connection: Connection, number: int) -> list[tuple[str, str, bool, int]]:
    # Read from an index alone, in its order.
    ways = (task.c.step, task.c.state, task.c.reused)
    query = select(*ways, func.count()).where(task.c.run_id == number).group_by(*ways)
    return [(step, state, reused, many) for step, state, reused, many in connection.execute(query)]


def _stands(state: str, *, reused: bool) -> str:
    if state == State.COMPLETE:
        return "skipped" if reused else "ran"
    if state in FAILED:
        return "failed"
    if state in {State.CANCELED, State.PREEMPTED}:
        return "canceled"
    return "running" if state in _UNDER_WAY else "waiting"


def parked(connection: Connection, number: int, limit: int | None = 20) -> list[TaskLine]:
    """List the tasks of a run that failed, with the end of their output."""
    return tasks(connection, number, FAILED, limit)


def tasks(connection: Connection, number: int, states: Sequence[str] = (), limit: int | None = None) -> list[TaskLine]:
    """List tasks of a run in the order in which they were planned."""
    in_order = (run_step.c.position, task.c.ordinal)
    of_step = (run_step.c.run_id == task.c.run_id) & (run_step.c.step == task.c.step)
    query = select(task).join(run_step, of_step).order_by(*in_order)
    # Its steps are named for the index, which leads to the states of each.
    named = task.c.step.in_(select(run_step.c.step).where(run_step.c.run_id == number))
    which = [task.c.run_id == number, named, *([task.c.state.in_(states)] if states else [])]
    if limit is None:
        return task_lines(connection, list(connection.execute(query.where(*which))))
    # Which they are is told by an index alone; of those few the rows are read.
    first = select(task.c.id).join(run_step, of_step).where(*which).order_by(*in_order).limit(limit)
    query = query.where(task.c.id.in_(list(connection.execute(first).scalars())))
    return task_lines(connection, list(connection.execute(query)))


def task_lines(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[TaskLine]:
    """Give tasks' rows for people, with the last lines of those that failed."""
    failed = {row.id: row.same_as or row.id for row in rows if row.state in FAILED}
    tails = _tails(connection, list(failed.values()))
    since = _runs_of(connection, [row.same_as for row in rows if row.same_as])
    return [
        TaskLine(
            task=f"{row.step}/{row.ordinal}",
            datum=datum_label(row.datum),
            state=row.state,
            reused=row.reused,
            cause=row.cause,
            message=row.message,
            attempts=row.attempts,
            tail=tails.get(failed.get(row.id, 0), ""),
            since=since.get(row.same_as),
        )
        for row in rows
    ]


def _runs_of(connection: Connection, ids: Sequence[int]) -> dict[int | None, int]:
    found: dict[int | None, int] = {}
    for part in chunks(ids):
        query = select(task.c.id, task.c.run_id).where(task.c.id.in_(part))
        found |= {row.id: row.run_id for row in connection.execute(query)}
    return found


def attempts(connection: Connection, row: Row[*tuple[Any, ...]]) -> list[AttemptLine]:
    """List the attempts at a task's row, the first one first; at one that is left parked, those of its failure."""
    query = select(attempt).where(attempt.c.task_id == (row.same_as or row.id)).order_by(attempt.c.fence)
    return [
        AttemptLine(
            task=f"{row.step}/{row.ordinal}",
            attempt=position,
            executor=each.executor,
            state=each.state,
            cause=each.cause,
            message=each.message,
            exit_code=each.exit_code,
            wall=each.wall,
            cpu=each.cpu,
            peak_memory=each.peak_memory,
            stdout=each.stdout,
            stderr=each.stderr,
            started_at=each.started_at,
            ended_at=each.ended_at,
        )
        for position, each in enumerate(connection.execute(query), 1)
    ]


def tried_tasks(connection: Connection, number: int) -> Iterator[Row[*tuple[Any, ...]]]:
    """Give the rows of a run's tasks for which a command was started, in order."""
    query = select(task).where(task.c.run_id == number, task.c.id.in_(select(attempt.c.task_id))).order_by(task.c.id)
    yield from connection.execute(query)


def datum_label(datum: dict[str, Any]) -> str:
    """Name a stored datum for a person: what it matched, or what it captured."""
    return label_of([(part[0], part[1]) for part in datum["parts"].values()])


def _tails(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    tails: dict[int, str] = {}
    for part in chunks(ids):
        query = select(attempt.c.task_id, attempt.c.tail).where(attempt.c.task_id.in_(part)).order_by(attempt.c.fence)
        tails |= {row.task_id: row.tail for row in connection.execute(query)}
    return tails


def _state(text: str) -> State:
    try:
        return State(text.upper())
    except ValueError:
        known = ", ".join(State)
        raise Invalid("state-unknown", f"{text!r} is not a state; there are: {known}.", state=text) from None
