"""The supervisor: claims runs and tasks, submits, looks, collects, and ends runs. It alone decides."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select, update

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.rows import chunks
from aliquot.db.tables import run, task
from aliquot.engine import claim, recall
from aliquot.engine.advance import Advance, RunRow, is_over
from aliquot.engine.collect import collect, record_attempts, running_values
from aliquot.engine.document import Command, command_of, document, input_places
from aliquot.engine.flight import Ended, Flight, Flights, Prepared
from aliquot.engine.gate import Gate
from aliquot.engine.lease import LEASE
from aliquot.engine.owner import this_process
from aliquot.engine.plan import known_keys
from aliquot.engine.reattach import claim_left
from aliquot.engine.set_back import mend_times
from aliquot.engine.shares import Shares
from aliquot.engine.sizing import UNKNOWN, Learner, Sizes
from aliquot.engine.taken import Taken
from aliquot.model.collector import seldom
from aliquot.model.errors import AliquotError, Conflict, Unavailable
from aliquot.model.seams import Executor
from aliquot.model.state import ACTIVE, REFUSED, State
from aliquot.model.task import Cause, Outcome

log: Any = structlog.get_logger()

_CHECK_AFTER = 0.5
"""Seconds after which a run is looked at though nothing of ours has ended: others may work on it too."""
_IMPATIENT_AFTER = 1.0
"""Seconds after which a claimed task that has not begun is given back, if there is reason to."""
_SHARES_AFTER = 0.5
"""Seconds between two looks at whether claimed tasks should give way to others."""
_LEASES_AFTER = min(5.0, LEASE / 4)
"""Seconds between two looks at who holds what."""
_ACTIVE = select(run).where(run.c.state.in_(list(ACTIVE))).order_by(run.c.id)
_SUBMITTED_AT_ONCE = 500
"""Tasks that are submitted together: executors begin with the first while the documents of others are made."""
MOST_TAKEOVERS = 50
"""How often a task is taken over from supervisors that are gone, before it is taken for the cause."""


@dataclass(slots=True)
class _View:
    """What a look at the catalogue shows: active runs, and whether there are runs and tasks to claim."""

    runs: list[RunRow]
    runs_wait: bool
    tasks_wait: bool


@dataclass(slots=True)
class _Taken:
    """What is ours after a cycle's transaction: runs, new tasks, and whether some turned out to be done already."""

    runs: list[RunRow]
    tasks: Sequence[Taken] = ()
    known: bool = False


class Supervisor:
    """One supervisor of a lab. Any number may work on one catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        executor_for: Callable[[str | None], Executor],
        name: str | None = None,
        pools: Mapping[str, int] | None = None,
        clock: Callable[[], float] = time.time,
        executors: Callable[[], Sequence[Executor]] | None = None,
    ) -> None:
        self.catalogue = catalogue
        self._pools = dict(pools or {})
        self.store = store
        self._clock = clock
        # Each supervisor has a name of its own, so that one that follows in this process knows what it does not hold.
        self.owner = name or f"{this_process()}/{secrets.token_hex(4)}"
        self._flights = Flights(executor_for, executors)
        self._advance = Advance(catalogue, store, executor_for)
        self._learner = Learner()
        self._commands: dict[tuple[int, str], Command] = {}
        self._check_at: dict[int, float] = {}
        self._strays_at = time.monotonic() + _LEASES_AFTER
        self._shares_at = 0.0
        self._stop = threading.Event()
        self._pulse = threading.Thread(target=self._renew, name="leases", daemon=True)

    def open(self) -> None:
        """Take over what dead processes of this machine held, and begin to keep leases."""
        self._let_the_dead_go()
        self._pulse.start()

    def cycle(self) -> bool:
        """Do once all that can be done now; says whether there may be more to do at once.

        `Unavailable` when catalogue or store cannot be used now; nothing is lost, and the next call goes on from there.
        """
        try:
            with seldom():
                return self._cycle()
        except Conflict as error:
            self._strays_at = 0.0
            raise Unavailable(error.code, error.message, **error.facts) from error
        except Exception:
            # A commit may have been made though its answer was lost: what we hold there is compared with what we know.
            self._strays_at = 0.0
            raise

    def wait(self, seconds: float) -> None:
        """Return when an attempt may have ended, or after so many seconds."""
        if not self._flights.wait(seconds):
            self._stop.wait(min(seconds, 0.1) if self.busy else seconds)

    @property
    def busy(self) -> bool:
        """Say whether attempts of ours are under way."""
        return bool(len(self._flights))

    def idle(self) -> bool:
        """Say whether no run waits or is under way, here or elsewhere, but for those that wait for a person."""
        if self.busy:
            return False
        with self.catalogue.read() as connection:
            active = list(connection.execute(select(run).where(run.c.state.in_(list(ACTIVE)))).all())
            held = self._advance.gate(connection, active).held
        return all((row.state == State.PAUSED and not is_over(row)) or row.id in held for row in active)

    def close(self) -> None:
        """End our attempts and give the leases back."""
        self._stop.set()
        if self._pulse.is_alive():
            self._pulse.join()
        self._flights.close()
        self.catalogue.repeat(lambda connection: claim.hand_back(connection, self.owner))

    def _cycle(self) -> bool:
        if time.monotonic() >= self._strays_at:
            self._let_strays_go()
            self._let_the_dead_go()
            self._strays_at = time.monotonic() + _LEASES_AFTER
        ended, shown = self._flights.look()
        if shown:
            self._show(shown)
        view = self._look_around()
        gave_back = self._give_back(view)
        room = self._flights.room + len(ended)
        taken = _Taken([row for row in view.runs if row.owner == self.owner])
        if ended or view.runs_wait or (view.tasks_wait and room > 0):
            taken = self._take(view, ended, room)
        self._flights.add(taken.tasks)
        self._flights.landed(ended)
        self._flights.cancel({row.id for row in view.runs if row.cancel_asked or row.stop_asked})
        self._submit()
        for number in {flight.row.run_id for flight, _ in ended} if not taken.tasks else ():
            self._check_at.pop(number, None)
        gate = self._gate({row.id: row for row in [*view.runs, *taken.runs]})
        self._advance.keep_only({row.id for row in taken.runs})
        moved = [self._care_for(row, gate) for row in taken.runs]
        return any(moved) or taken.known or gave_back or bool(self._flights.returned)

    def _gate(self, active: Mapping[int, RunRow]) -> Gate:
        if all(row.state != State.QUEUED for row in active.values()):
            return Gate()
        with self.catalogue.read() as connection:
            return self._advance.gate(connection, active.values())

    def _give_back(self, view: _View) -> bool:
        """Give back claimed tasks that have not begun: of paused runs, too many, or when others should come first."""
        runs = {row.id: row for row in view.runs}
        paused = {number for number, row in runs.items() if row.state == State.PAUSED}
        chosen = [each for each in self._flights.not_begun if each.row.run_id in paused] if paused else []
        now = time.monotonic()
        if now >= self._shares_at:
            self._shares_at = now + _SHARES_AFTER
            late = [each for each in self._flights.not_begun if now - each.claimed_at >= _IMPATIENT_AFTER]
            late = [each for each in late if each.row.run_id in runs and each.row.run_id not in paused]
            # A few too many are no harm: how long tasks take goes up and down.
            surplus = -self._flights.room if len(self._flights) > 2 * (len(self._flights) + self._flights.room) else 0
            chosen += late[:surplus]
            if view.tasks_wait and (rest := late[surplus:]):
                with self.catalogue.read() as connection:
                    shares = Shares(connection, time.time(), self._pools, self._flights.avoided())
                    chosen += [
                        each for each in rest if shares.give_way(each.row.run_id, runs[each.row.run_id].priority)
                    ]
        self._flights.withdraw(chosen)
        returned = dict(self._flights.returned)
        if returned:
            self.catalogue.repeat(lambda connection: claim.give_back(connection, self.owner, returned))
            self._flights.returned.clear()
        return bool(returned)

    def _care_for(self, row: RunRow, gate: Gate) -> bool:
        """Move a run on, if something of it has changed or it was not looked at for a while."""
        began = time.monotonic()
        if row.state == State.QUEUED and row.message and gate.held.get(row.id) == row.message and not row.cancel_asked:
            return False
        asked = row.cancel_asked or row.stop_asked
        if not asked and row.state == State.RUNNING and began < self._check_at.get(row.id, 0.0):
            return False
        moved = self._advance(row)
        ended = time.monotonic()
        # However many runs there are, looking at them takes a small part of the time.
        self._check_at[row.id] = 0.0 if moved else ended + max(_CHECK_AFTER, 20 * (ended - began))
        return moved

    def _look_around(self) -> _View:
        now = time.time()
        with self.catalogue.read() as connection:
            runs = list(connection.execute(_ACTIVE).all())
            tasks_wait = bool(runs) and claim.can_claim(connection, now, self._pools, self._flights.avoided())
        if len(self._check_at) > 2 * len(runs) + 100:
            self._check_at = {row.id: self._check_at.get(row.id, 0.0) for row in runs}
        free = [row for row in runs if row.lease_until is None or row.lease_until < now]
        runs_wait = any(row.state != State.PAUSED or is_over(row) for row in free)
        return _View(runs, runs_wait, tasks_wait)

    def _take(self, view: _View, ended: Sequence[Ended], room: int) -> _Taken:
        """Record what has ended, and take up runs and tasks, in one transaction."""

        def work(connection: Connection) -> _Taken:
            collect(connection, self.owner, ended)
            taken = _Taken([row for row in view.runs if row.owner == self.owner])
            if view.runs_wait:
                claim.claim_runs(connection, self.owner)
                mine = _ACTIVE.where(run.c.owner == self.owner)
                taken.runs = list(connection.execute(mine).all())
            if view.tasks_wait and room > 0:
                claimed = claim.claim_tasks(connection, self.owner, room, self._pools, self._flights.avoided())
                known = known_keys(connection, [row.key for row in claimed if not row.recall])
                taken.tasks = claim.keep_new_work(connection, claimed, known)
                taken.known = bool(known)
            return taken

        try:
            return self.catalogue.repeat(work)
        except Exception as error:
            if not ended or _is_told(error):
                raise
            log.exception("outcomes could not be recorded together")
        for each in ended:
            self._record_alone(*each)
        return _Taken([row for row in view.runs if row.owner == self.owner])

    def _record_alone(self, flight: Flight, outcome: Outcome) -> None:
        """Record one outcome; one that no row can hold becomes a failure, so that it does not hold up the others."""
        try:
            self.catalogue.repeat(lambda connection: collect(connection, self.owner, [(flight, outcome)]))
        except Exception as error:
            if _is_told(error):
                raise
            log.exception("an outcome could not be recorded", task=flight.row.id)
            message = f"A fault of Aliquot: the outcome could not be recorded ({type(error).__name__}). Report it."
            instead = flight.failed(Cause.OURS, message)
            self.catalogue.repeat(lambda connection: collect(connection, self.owner, [(flight, instead)]))

    def _show(self, flights: Sequence[Flight]) -> None:
        """Show attempts as running."""

        def work(connection: Connection) -> list[Flight]:
            mine = claim.held(connection, self.owner, {flight.row.id: flight.row.fence for flight in flights})
            still = [flight for flight in flights if flight.row.id in mine]
            connection.execute(
                update(task).where(task.c.id.in_([flight.row.id for flight in still])).values(state=State.RUNNING)
            )
            record_attempts(connection, [running_values(flight) for flight in still])
            return still

        for flight in self.catalogue.repeat(work):
            flight.shown = True

    def _submit(self) -> None:
        for several in chunks(self._flights.waiting, _SUBMITTED_AT_ONCE):
            self._submit_some(several)

    def _submit_some(self, waiting: Sequence[Flight]) -> None:
        prepared: list[Prepared] = []
        swept: list[tuple[Flight, Sequence[str]]] = []
        with self.catalogue.read() as connection:
            files = input_places(connection, [flight.row.key for flight in waiting])
            for flight in waiting:
                try:
                    flight.command = command = self._command(connection, flight.row)
                    if flight.row.takeovers > MOST_TAKEOVERS:
                        message = f"The supervisors of {flight.row.takeovers} attempts were lost; the task may be why."
                        flight.given_up = True
                        self._flights.fail(flight, Cause.LOST, message)
                        continue
                    given = files[flight.row.key]
                    if gone := [place.digest for _, _, place in given if place.size < 0]:
                        swept.append((flight, gone))
                        continue
                    sizes = self._sizes(connection, flight.row, command)
                    prepared.append((flight, document(flight.row, command, given, self.store.url, sizes)))
                except (Unavailable, Conflict):
                    raise
                except AliquotError as error:
                    self._flights.fail(flight, Cause.REFUSED, error.message)
        self._flights.submit(prepared)
        if swept:
            self._recall(swept)

    def _sizes(self, connection: Connection, row: Taken, command: Command) -> Sizes:
        """Give what similar datums needed, where the step leaves that open."""
        if command.fixed:
            return UNKNOWN
        pipeline, _, step = command.name.partition("/")
        return self._learner.sizes(connection, pipeline, step, anew=bool(row.failures))

    def _recall(self, swept: Sequence[tuple[Flight, Sequence[str]]]) -> None:
        """Have inputs that were swept made again; the tasks that need them wait, or fail with the reason."""

        def work(connection: Connection) -> dict[int, str]:
            every = {digest for _, gone in swept for digest in gone}
            oldest = min(flight.row.created_at for flight, _ in swept)
            together = recall.ask(connection, every, "recall", oldest)
            answers: dict[int, str | None] = {
                flight.row.id: together and recall.ask(connection, gone, "recall", flight.row.created_at)
                for flight, gone in swept
            }
            waiting = [flight.row for flight, _ in swept if answers[flight.row.id] is None]
            recall.wait_for_inputs(connection, self.owner, waiting)
            return {number: reason for number, reason in answers.items() if reason is not None}

        reasons = self.catalogue.repeat(work)
        for flight, _ in swept:
            if reason := reasons.get(flight.row.id):
                flight.given_up = True
                self._flights.fail(flight, Cause.REFUSED, reason)
            else:
                self._flights.drop(flight)

    def _command(self, connection: Connection, row: Taken) -> Command:
        place = (row.run_id, row.step)
        if place not in self._commands:
            if len(self._commands) > 1000:
                self._commands.clear()
            owner = connection.execute(select(run).where(run.c.id == row.run_id)).one()
            applied = self._advance.applied(connection, owner.definition_id)
            self._commands[place] = command_of(connection, applied, owner, row.step)
        return self._commands[place]

    def _let_strays_go(self) -> None:
        """Compare what we hold in the catalogue with what we know, and end what is no longer ours."""
        known = {flight.row.id: flight.row.fence for flight in self._flights} | self._flights.returned
        mine = self.catalogue.repeat(lambda connection: claim.let_strays_go(connection, self.owner, known))
        self._flights.end([flight for flight in self._flights if flight.row.id not in mine])

    def _let_the_dead_go(self) -> None:
        """Take over what dead processes of this machine held, and what a clock that was set back would keep.

        First the attempts that go on, then all else.
        """
        mended = self.catalogue.repeat(lambda connection: mend_times(connection, self._clock()))
        if mended:
            log.warning("the clock was set back: leases and pauses were brought back", rows=mended)
        for executor in self._flights.executors_here():
            self._reattach(executor)
        for owner in self.catalogue.repeat(claim.let_the_dead_go):
            log.info("took over from a process that is gone", owner=owner)

    def _reattach(self, executor: Executor) -> None:
        """Go on with the attempts that an executor has taken over, and have it end those that nobody wants."""
        left = executor.take_over()
        if not left:
            return
        claimed = self.catalogue.repeat(lambda connection: claim_left(connection, self.owner, left))
        self._flights.add(claimed, begun=True)
        wanted = {flight.row.id for flight in self._flights.waiting}
        executor.drop([each.task for each in left if each.task not in wanted])
        if claimed:
            log.info("went on with attempts whose supervisor is gone", attempts=len(claimed))

    def _renew(self) -> None:
        while not self._stop.wait(LEASE / 4):
            try:
                self.catalogue.repeat(lambda connection: claim.renew(connection, self.owner))
            except Exception as error:  # noqa: BLE001  # without a pulse we would lose all that we hold
                # Without renewal the lease lapses and others take over; our late writes touch no row.
                log.warning("leases could not be renewed", reason=str(error))


def _is_told(error: Exception) -> bool:
    """Say whether an error is one that may pass: no row that refuses an outcome, which would refuse it for ever."""
    return isinstance(error, AliquotError) and error.code != REFUSED
