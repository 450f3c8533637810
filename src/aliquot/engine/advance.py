"""Moving one run on: planning the steps whose inputs are there, stopping it, ending it."""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

import structlog
from sqlalchemy import Connection, Row, and_, func, select, update

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import run, run_step, task
from aliquot.engine.claim import cancel_tasks, has_open_tasks
from aliquot.engine.environments import COMING
from aliquot.engine.gate import RECALL, Gate, judge
from aliquot.engine.parked import FAILED
from aliquot.engine.pipelines import Applied, by_id
from aliquot.engine.planner import Planner, unplanned_steps
from aliquot.engine.publish import finish, step_counts
from aliquot.engine.recall import ask, swept_outputs
from aliquot.engine.turns import Turn, take_turn
from aliquot.engine.waits import MAY_COME, Waits
from aliquot.model.collector import seldom
from aliquot.model.errors import AliquotError, Conflict, Damaged, Invalid, Unavailable
from aliquot.model.free_memory import give_back
from aliquot.model.quantity import time_in_words
from aliquot.model.schedule import RunLimit
from aliquot.model.seams import Executor
from aliquot.model.state import ACTIVE, ENDED, State, before

log: Any = structlog.get_logger()

_MANY = 20_000
"""So many datums of a run leave much memory free behind them."""
_LOOK_AGAIN = 1.0
"""Seconds until a run whose image is being fetched is looked at again."""

RunRow = Row[*tuple[Any, ...]]


class Advance:
    """Moves runs on that a supervisor looks after."""

    def __init__(self, catalogue: Catalogue, store: Store, executor_for: Callable[[str | None], Executor]) -> None:
        self._catalogue = catalogue
        self._store = store
        self._planner = Planner(catalogue, executor_for)
        self._applied: dict[int, Applied] = {}
        self._waits = Waits()

    @seldom()
    def __call__(self, row: RunRow) -> bool:
        """Do what a run needs now; says whether it moved. What is wrong with the run alone ends the run alone.

        `Unavailable` only when the catalogue or the store is: nothing is lost, and it may be called again.
        """
        asked = row.cancel_asked or row.stop_asked
        if self._waits.resting(row.id) and not asked:
            return False
        try:
            return self._waited(row, self._advance(row))
        except Conflict:
            # Somebody else has moved what we looked at: the next look decides anew.
            return False
        except Unavailable as error:
            if error.code.startswith(("catalogue", "store")):
                raise
            if error.code == COMING:
                self._waits.rest(row.id, _LOOK_AGAIN)
                return self._note(row, f"waits: {error.message}")
            if error.code in MAY_COME and self._waits.again(row.id):
                return self._note(row, f"waits: {error.message}")
            return self._fail(row, error.message, State.SYSTEM_ERROR)
        except Invalid as error:
            return self._fail(row, error.message, State.EXECUTOR_ERROR)
        except AliquotError as error:
            return self._fail(row, error.message, State.SYSTEM_ERROR)
        except Exception as error:
            log.exception("a fault of Aliquot", run=row.id)
            return self._fail(row, f"A fault of Aliquot: {type(error).__name__}: {error}", State.SYSTEM_ERROR)

    def keep_only(self, runs: Collection[int]) -> None:
        """Let go of what is remembered of other runs: they have ended, or are no longer ours."""
        self._planner.keep_only(runs)

    def applied(self, connection: Connection, number: int) -> Applied:
        """Give an applied version of a pipeline; such rows never change."""
        if number not in self._applied:
            if len(self._applied) > 1000:
                self._applied.clear()
            self._applied[number] = by_id(connection, number)
        return self._applied[number]

    def _advance(self, row: RunRow) -> bool:
        if row.cancel_asked or row.state == State.CANCELING:
            return self._catalogue.repeat(lambda connection: _cancel(connection, row))
        if is_over(row):
            return self._fail(row, _over(row), State.EXECUTOR_ERROR)
        if row.state == State.PAUSED:
            return False
        with self._catalogue.read() as connection:
            applied = self.applied(connection, row.definition_id)
        moved = False
        if row.state in {State.QUEUED, State.INITIALIZING}:
            if not self._catalogue.repeat(lambda connection: self._begin(connection, row)):
                return False
            log.info("run started", run=row.id, pipeline=row.pipeline, cause=row.cause)
            moved = True
        while True:
            with self._catalogue.read() as connection:
                stop = row.stop_asked or _must_stop(connection, row, applied)
                planning = None if stop else self._planner.due(connection, row, applied.pipeline)
                under_way = planning is None and has_open_tasks(connection, row.id)
                unplanned = planning is None and bool(unplanned_steps(connection, row.id))
            if planning is None:
                break
            self._planner.plan(row, applied, planning, lambda connection: _require_ours(connection, row))
            moved = True
        if stop and under_way:
            return self._catalogue.repeat(lambda connection: _stop_tasks(connection, row)) or moved
        if under_way or (unplanned and not stop):
            return moved
        return self._finish(row, applied) or moved

    def gate(self, connection: Connection, active: Iterable[RunRow]) -> Gate:
        """Judge by the limits of their pipelines which of these runs, that have not ended, may begin."""

        def limit_of(row: RunRow) -> RunLimit | None:
            try:
                return self.applied(connection, row.definition_id).pipeline.runs
            except Damaged:
                # Nothing can be read from it: the run is let through, to end as that error.
                return None

        return judge(active, limit_of)

    def _begin(self, connection: Connection, row: RunRow) -> bool:
        """Let a run begin, if its pipeline has a place for it; else say why it waits, or end those that it replaces."""
        if row.cause != RECALL and self.applied(connection, row.definition_id).pipeline.runs is not None:
            take_turn(connection, Turn.BEGIN)
            same = select(run).where(run.c.pipeline == row.pipeline, run.c.state.in_(list(ACTIVE)))
            gate = self.gate(connection, connection.execute(same).all())
            for old, new in gate.replaced.items():
                connection.execute(
                    update(run)
                    .where(run.c.id == old, ~run.c.cancel_asked)
                    .values(cancel_asked=True, message=f"Run {new} has taken its place.")
                )
            if row.id in gate.replaced:
                return False
            if row.id in gate.held:
                mine = and_(run.c.id == row.id, run.c.fence == row.fence, run.c.state == State.QUEUED)
                connection.execute(update(run).where(mine).values(message=gate.held[row.id]))
                return False
        if row.state == State.QUEUED:
            _set_state(connection, row, State.INITIALIZING, started_at=time.time(), message="")
        return _set_state(connection, row, State.RUNNING)

    def _waited(self, row: RunRow, moved: bool) -> bool:  # what a look at the run has given
        """Take back what was said of a run that waited and has what it waited for."""
        if self._waits.over(row.id):
            self._note(row, "")
        return moved

    def _note(self, row: RunRow, message: str) -> bool:
        """Say in a run's row what it waits for."""
        said = update(run).where(run.c.id == row.id, run.c.fence == row.fence, run.c.state.not_in(ENDED))
        self._catalogue.repeat(lambda connection: connection.execute(said.values(message=message)))
        return False

    def _finish(self, row: RunRow, applied: Applied) -> bool:
        if row.publish and self._made_again(row, applied):
            return False
        with self._catalogue.read() as connection:
            datums = connection.execute(select(func.sum(run_step.c.datums)).where(run_step.c.run_id == row.id)).scalar()
        if (datums or 0) >= _MANY:
            # Thousands of attempts have come and gone; what is published is held at once.
            give_back()
        verdict = finish(self._catalogue, self._store, row, applied)
        if verdict is None:
            return False
        log.info("run ended", run=row.id, pipeline=row.pipeline, state=verdict.state, message=verdict.message)
        return True

    def _made_again(self, row: RunRow, applied: Applied) -> bool:
        """Have what a run publishes made again where it was swept; says whether that has to be waited for."""
        pipeline = applied.pipeline
        steps = {each.from_ for each in (*pipeline.outputs.values(), *pipeline.tables.values())}
        with self._catalogue.read() as connection:
            gone = swept_outputs(connection, row.id, steps)
        if not gone:
            return False
        reason = self._catalogue.repeat(lambda connection: ask(connection, gone, "recall", row.created_at))
        if reason is not None:
            raise Invalid("output-swept", f"Outputs cannot be published: {reason}", run=row.id)
        return True

    def _fail(self, row: RunRow, message: str, state: State) -> bool:
        try:
            ended = self._catalogue.repeat(lambda connection: _fail(connection, row, message, state))
        except Conflict:
            return False
        except Unavailable:
            raise
        except Exception:
            # The run stays as it is and is looked at again; the others go on.
            log.exception("a run could not be ended", run=row.id)
            return False
        if ended:
            log.error("run failed", run=row.id, pipeline=row.pipeline, reason=message)
        return ended


def is_over(row: RunRow) -> bool:
    """Say whether a run that has not ended shall end: a person has asked for it, or its deadline has passed."""
    late = row.deadline is not None and row.started_at is not None and time.time() > row.started_at + row.deadline
    return row.cancel_asked or late


def _over(row: RunRow) -> str:
    return f"timeout: it was not done within its deadline of {time_in_words(row.deadline)} and was ended"


def _must_stop(connection: Connection, row: RunRow, applied: Applied) -> bool:
    """Say whether a step whose policy is to stop has a failure."""
    stopping = [name for name, step in applied.pipeline.steps.items() if step.failures == "stop"]
    if not stopping:
        return False
    failed = select(task.c.id).where(task.c.run_id == row.id, task.c.step.in_(stopping), task.c.state.in_(FAILED))
    return connection.execute(failed.limit(1)).first() is not None


def _cancel(connection: Connection, row: RunRow) -> bool:
    if row.state == State.QUEUED:
        cancel_tasks(connection, row.id)
        return _set_state(connection, row, State.CANCELED, ended_at=time.time())
    moved = False
    if row.state != State.CANCELING:
        moved = _set_state(connection, row, State.CANCELING)
    moved |= _stop_tasks(connection, row)
    if not has_open_tasks(connection, row.id):
        moved = _set_state(connection, row, State.CANCELED, ended_at=time.time())
    return moved


def _stop_tasks(connection: Connection, row: RunRow) -> bool:
    """Cancel the tasks that nobody works on, and ask for the end of the others."""
    connection.execute(update(run).where(run.c.id == row.id, ~run.c.stop_asked).values(stop_asked=True))
    return cancel_tasks(connection, row.id) > 0


def _fail(connection: Connection, row: RunRow, message: str, state: State) -> bool:
    """End a run that cannot go on, once nothing of it is under way; until then, note why."""
    now: State = connection.execute(select(run.c.state).where(run.c.id == row.id).with_for_update()).scalar_one()
    if now in ENDED:
        return False
    _stop_tasks(connection, row)
    if has_open_tasks(connection, row.id):
        noted = update(run).where(run.c.id == row.id, run.c.fence == row.fence, run.c.ends_as.is_(None))
        connection.execute(noted.values(message=message, ends_as=state))
        return False
    if now == State.QUEUED:
        _set_state(connection, row, State.INITIALIZING, started_at=time.time())
    parked = sum(each.failed for each in step_counts(connection, row.id))
    return _set_state(connection, row, state, message=message, parked=parked, ended_at=time.time())


def _set_state(connection: Connection, row: RunRow, state: State, **values: Any) -> bool:
    # Between the look at a run and this, a person may have paused it.
    legal = run.c.state.in_(before("run", state))
    changed = connection.execute(
        update(run)
        .where(run.c.id == row.id, run.c.fence == row.fence, run.c.owner == row.owner, legal)
        .values(state=state, **values)
    )
    if changed.rowcount != 1:
        raise _not_ours(row)
    return True


def _require_ours(connection: Connection, row: RunRow) -> None:
    """Hold a run that is still ours and wants tasks: not one whose end was asked for while it was planned."""
    ours = select(run.c.id).where(
        run.c.id == row.id, run.c.fence == row.fence, run.c.owner == row.owner, ~run.c.cancel_asked, ~run.c.stop_asked
    )
    if connection.execute(ours.with_for_update()).first() is None:
        raise _not_ours(row)


def _not_ours(row: RunRow) -> Conflict:
    words = f"Run {row.id} is looked after by another supervisor now, or was paused or canceled meanwhile."
    return Conflict("run-not-ours", words, run=row.id)
