"""The supervisor: claims runs and tasks, submits, looks, collects, and ends runs. It alone decides."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select, update

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import run, task
from aliquot.engine import claim
from aliquot.engine.advance import advance
from aliquot.engine.collect import collect, record_attempts, running_values
from aliquot.engine.document import Command, TaskRow, command_of, document, input_places
from aliquot.engine.flight import Flight
from aliquot.engine.owner import this_process
from aliquot.engine.pipelines import by_id
from aliquot.engine.plan import known_keys
from aliquot.model.errors import AliquotError
from aliquot.model.seams import Executor, Handle
from aliquot.model.state import ACTIVE, State
from aliquot.model.task import Cause, Outcome

log: Any = structlog.get_logger()

_SHOWN_AFTER = 0.5
"""Seconds after which an attempt is shown as running; quicker ones go straight to their end."""


class Supervisor:
    """One supervisor of a lab. Any number may work on one catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        executor_for: Callable[[str | None], Executor],
        name: str | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.store = store
        self.executor_for = executor_for
        self.owner = name or this_process()
        self._flights: dict[int, Flight] = {}
        self._commands: dict[tuple[int, str], Command] = {}
        self._executors: dict[str, Executor] = {}
        self._stop = threading.Event()
        self._pulse = threading.Thread(target=self._renew, name="leases", daemon=True)

    def open(self) -> None:
        """Take over what dead processes of this machine held, and begin to keep leases."""
        dead = self.catalogue.repeat(claim.let_the_dead_go)
        for owner in dead:
            log.info("took over from a process that is gone", owner=owner)
        self._pulse.start()

    def cycle(self) -> bool:
        """Do once all that can be done now; says whether anything moved."""
        finished = self._look()
        runs = self.catalogue.repeat(lambda connection: self._take_runs(connection, finished))
        moved = bool(finished)
        for row in runs:
            moved |= advance(self.catalogue, self.store, self.executor_for, row)
        claimed = self.catalogue.repeat(self._claim) if self._wanted() > 0 and self._has_work() else []
        self._submit(claimed)
        self._cancel_asked()
        return moved or bool(claimed)

    def wait(self, seconds: float) -> None:
        """Return when an attempt may have ended, or after so many seconds."""
        busy = {flight.executor.name: flight.executor for flight in self._flights.values()}
        if len(busy) == 1:
            next(iter(busy.values())).wait(seconds)
        else:
            self._stop.wait(min(seconds, 0.1) if busy else seconds)

    @property
    def busy(self) -> bool:
        """Say whether attempts of ours are under way."""
        return bool(self._flights)

    def idle(self) -> bool:
        """Say whether no run is waiting or under way, here or elsewhere."""
        with self.catalogue.read() as connection:
            waiting = select(run.c.id).where(run.c.state.in_([state for state in ACTIVE if state is not State.PAUSED]))
            return connection.execute(waiting.limit(1)).first() is None

    def close(self) -> None:
        """End our attempts and give the leases back."""
        self._stop.set()
        if self._pulse.is_alive():
            self._pulse.join()
        for executor in self._executors.values():
            executor.close()
        self.catalogue.repeat(lambda connection: claim.let_go(connection, self.owner))

    def _renew(self) -> None:
        while not self._stop.wait(claim.LEASE / 4):
            try:
                self.catalogue.repeat(lambda connection: claim.renew(connection, self.owner))
            except AliquotError as error:
                # Without renewal the lease lapses and others take over; our late writes touch no row.
                log.warning("leases could not be renewed", reason=error.message)

    def _wanted(self) -> int:
        capacity = self.executor_for(None).capacity
        return capacity - len(self._flights)

    def _has_work(self) -> bool:
        with self.catalogue.read() as connection:
            waiting = select(task.c.id).where(task.c.state.in_([State.QUEUED, State.INITIALIZING, State.RUNNING]))
            waiting = waiting.where((task.c.state == State.QUEUED) | (task.c.lease_until < time.time()))
            return connection.execute(waiting.limit(1)).first() is not None

    def _look(self) -> list[tuple[Flight, Outcome]]:
        finished: list[tuple[Flight, Outcome]] = []
        shown: list[Flight] = []
        by_executor: dict[str, list[Flight]] = {}
        for flight in self._flights.values():
            by_executor.setdefault(flight.executor.name, []).append(flight)
        for flights in by_executor.values():
            by_handle = {flight.handle: flight for flight in flights}
            for sighting in flights[0].executor.look(by_handle):
                flight = by_handle[sighting.handle]
                if sighting.outcome:
                    finished.append((flight, sighting.outcome))
                elif sighting.lost:
                    finished.append((flight, _lost(flight.row)))
                elif sighting.running and not flight.recorded and time.time() - flight.submitted_at > _SHOWN_AFTER:
                    shown.append(flight)
        if shown:
            self.catalogue.repeat(lambda connection: self._show(connection, shown))
        return finished

    def _show(self, connection: Connection, flights: Sequence[Flight]) -> None:
        mine = claim.held(connection, self.owner, {flight.row.id: flight.row.fence for flight in flights})
        still = [flight for flight in flights if flight.row.id in mine]
        connection.execute(
            update(task).where(task.c.id.in_([flight.row.id for flight in still])).values(state=State.RUNNING)
        )
        record_attempts(connection, [(flight, running_values(flight)) for flight in still])

    def _take_runs(
        self, connection: Connection, finished: Sequence[tuple[Flight, Outcome]]
    ) -> list[Row[*tuple[Any, ...]]]:
        """Record what has ended and take up runs, in one transaction; gives the runs that we look after."""
        collect(connection, self.owner, finished)
        for flight, _ in finished:
            self._flights.pop(flight.row.id, None)
            flight.executor.forget([flight.handle])
        claim.claim_runs(connection, self.owner)
        query = select(run).where(run.c.owner == self.owner, run.c.state.in_(list(ACTIVE))).order_by(run.c.id)
        return list(connection.execute(query).all())

    def _claim(self, connection: Connection) -> Sequence[TaskRow]:
        claimed = claim.claim_tasks(connection, self.owner, self._wanted())
        return claim.keep_new_work(connection, claimed, known_keys(connection, [row.key for row in claimed]))

    def _submit(self, claimed: Sequence[TaskRow]) -> None:
        if not claimed:
            return
        with self.catalogue.read() as connection:
            files = input_places(connection, [row.key for row in claimed])
            commands = [self._command(connection, row) for row in claimed]
        by_executor: dict[str, list[tuple[TaskRow, Command]]] = {}
        for row, command in zip(claimed, commands, strict=True):
            executor = self.executor_for(command.step.image)
            self._executors[executor.name] = executor
            by_executor.setdefault(executor.name, []).append((row, command))
        for name, rows in by_executor.items():
            executor = self._executors[name]
            documents = [document(row, command, files[row.key], self.store.url) for row, command in rows]
            for (row, command), handle in zip(rows, executor.submit(documents), strict=True):
                self._flights[row.id] = Flight(row, command, executor, Handle(handle), time.time())

    def _command(self, connection: Connection, row: TaskRow) -> Command:
        place = (row.run_id, row.step)
        if place not in self._commands:
            if len(self._commands) > 1000:
                self._commands.clear()
            owner = connection.execute(select(run).where(run.c.id == row.run_id)).one()
            self._commands[place] = command_of(connection, by_id(connection, owner.definition_id), owner, row.step)
        return self._commands[place]

    def _cancel_asked(self) -> None:
        if not self._flights:
            return
        with self.catalogue.read() as connection:
            asked = set(
                connection.execute(
                    select(run.c.id).where(run.c.cancel_asked | run.c.stop_asked, run.c.state.in_(list(ACTIVE)))
                ).scalars()
            )
        for flight in self._flights.values():
            if flight.row.run_id in asked and not flight.canceled:
                flight.canceled = True
                flight.executor.cancel([flight.handle])


def _lost(row: TaskRow) -> Outcome:
    outcome = Outcome(row.id, row.fence, State.SYSTEM_ERROR, Cause.LOST, ended_at=time.time())
    return replace(outcome, message="The executor no longer knows this attempt; the machine may have restarted.")
