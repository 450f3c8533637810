"""Attempts under way, as their supervisor knows them: submitting, looking, cancelling."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from aliquot.engine.document import Command
from aliquot.engine.taken import Taken
from aliquot.model.errors import AliquotError, Unavailable
from aliquot.model.seams import Executor, Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, Resources, TaskDocument

log: Any = structlog.get_logger()

_SHOWN_AFTER = 0.5
"""Seconds after which an attempt is shown as running; quicker ones go straight to their end."""


_LOOK_AFTER = 0.25
"""Seconds between two looks at all attempts; between them only those are looked at that the executors name."""
_FEW = 250
"""So many attempts are all looked at each time."""
_UNABLE_FOR = 30.0
"""Seconds for which tasks of a step are left to other hosts, when this one cannot run them."""


@dataclass(slots=True)
class Flight:
    """A claimed task and its attempt.

    `command` is None when it could not be found, `executor` and `handle` as long as nothing was submitted. `shown`
    says that the catalogue has it as running; `running_since` is when it was first seen to run, by the clock of
    `claimed_at`; `given_up` that the task gets no other attempt; `asked` what it may use.
    """

    row: Taken
    command: Command | None = None
    executor: Executor | None = None
    handle: Handle | None = None
    running_since: float | None = None
    shown: bool = False
    canceled: bool = False
    given_up: bool = False
    input_bytes: int | None = None
    asked: Resources | None = None
    claimed_at: float = field(default_factory=time.monotonic)

    def failed(self, cause: Cause, message: str) -> Outcome:
        """Give the outcome of an attempt that the executor cannot give."""
        now = time.time()
        return Outcome(
            self.row.id, self.row.fence, State.SYSTEM_ERROR, cause, message=message, started_at=now, ended_at=now
        )


Ended = tuple[Flight, Outcome]
Prepared = tuple[Flight, TaskDocument]


class Flights:
    """The attempts of one supervisor. Nothing is forgotten before `landed` says that its end is in the catalogue.

    `executors` lists those that may have attempts of supervisors that are gone; by default the one of steps without
    an image. `clock` gives seconds that never go back.
    """

    def __init__(
        self,
        executor_for: Callable[[str | None], Executor],
        executors: Callable[[], Sequence[Executor]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._executor_for = executor_for
        self.executors_here = executors or (lambda: [executor_for(None)])
        self._flights: dict[int, Flight] = {}
        self._ended: dict[int, Outcome] = {}
        self._executors: dict[str, Executor] = {}
        # Thousands wait in the executors for their turn: each cycle touches only those of which something is new.
        self._waiting: dict[int, Flight] = {}
        self._submitted: dict[str, dict[Handle, Flight]] = {}
        self._look_at = 0.0
        self.returned: dict[int, int] = {}
        """Fences of tasks that were taken back, until the catalogue says that they wait."""
        self.unable: dict[tuple[int, str], float] = {}
        """Until when no tasks of a run's step should be claimed: this host has no executor for them."""

    def __len__(self) -> int:
        return len(self._flights)

    def __iter__(self) -> Iterator[Flight]:
        return iter(self._flights.values())

    @property
    def room(self) -> int:
        """Say how many tasks it makes sense to claim now."""
        known = self._executors.values() or [self._executor_for(None)]
        return max(executor.capacity for executor in known) - len(self._flights)

    def add(self, rows: Sequence[Taken], *, begun: bool = False) -> None:
        """Take tasks that were claimed; `begun` says that attempts at them run already."""
        now = self._clock()
        for row in rows:
            older = self._flights.get(row.id)
            if older and older.executor and older.handle:
                # Claimed anew, after we had lost it: what comes of the older attempt is nothing to us any more.
                self._submitted[older.executor.name].pop(older.handle, None)
            flight = Flight(row, running_since=now if begun else None, claimed_at=now)
            self._flights[row.id] = self._waiting[row.id] = flight

    def avoided(self) -> frozenset[tuple[int, str]]:
        """Give the steps of runs of which this host should claim nothing now."""
        now = self._clock()
        self.unable = {place: until for place, until in self.unable.items() if until > now}
        return frozenset(self.unable)

    @property
    def waiting(self) -> list[Flight]:
        """List the tasks that are not submitted yet."""
        return [each for number, each in self._waiting.items() if number not in self._ended]

    def fail(self, flight: Flight, cause: Cause, message: str) -> None:
        """End an attempt that cannot be submitted."""
        self._ended[flight.row.id] = flight.failed(cause, message)

    def submit(self, prepared: Sequence[Prepared]) -> None:
        """Submit attempts; those that an executor will not take are failed, those that it cannot take now wait.

        Those whose executor cannot be had here are taken back, and their steps noted in `unable`.
        """
        by_executor: dict[str, list[Prepared]] = {}
        of_image: dict[str | None, Executor] = {}
        for flight, document in prepared:
            try:
                executor = of_image.get(document.image) or self._executor_for(document.image)
            except Unavailable as error:
                log.warning("this host cannot run a task now; others may", task=flight.row.id, reason=error.message)
                self.unable[flight.row.run_id, flight.row.step] = self._clock() + _UNABLE_FOR
                self.withdraw([flight])
                continue
            except AliquotError as error:
                self.fail(flight, Cause.REFUSED, error.message)
                continue
            flight.input_bytes = sum([file.blob.size for file in document.files if file.path.startswith("in/")])
            flight.asked = document.resources
            if document.image not in of_image:
                of_image[document.image] = self._executors[executor.name] = executor
            by_executor.setdefault(executor.name, []).append((flight, document))
        for name, several in by_executor.items():
            executor = self._executors[name]
            handles = executor.submit([document for _, document in several])
            submitted = self._submitted.setdefault(name, {})
            for (flight, _), handle in zip(several, handles, strict=True):
                flight.executor, flight.handle = executor, handle
                submitted[handle] = flight
                self._waiting.pop(flight.row.id, None)

    def look(self) -> tuple[list[Ended], list[Flight]]:
        """See which attempts have ended, and which have run for a while without being shown."""
        shown: list[Flight] = []
        now = self._clock()
        at_all = now >= self._look_at or len(self._flights) <= _FEW
        for name, submitted in self._submitted.items():
            executor = self._executors[name]
            fresh = executor.fresh()
            for sighting in executor.look(list(submitted) if at_all else [each for each in fresh if each in submitted]):
                flight = submitted[sighting.handle]
                if sighting.outcome:
                    self._ended[flight.row.id] = sighting.outcome
                elif sighting.lost:
                    message = "The executor no longer knows this attempt; the machine may have restarted."
                    self._ended[flight.row.id] = flight.failed(Cause.LOST, message)
                elif sighting.running and not flight.shown:
                    flight.running_since = flight.running_since or now
                    if now - flight.running_since >= _SHOWN_AFTER:
                        shown.append(flight)
        if at_all:
            self._look_at = now + max(_LOOK_AFTER, 20 * (self._clock() - now))
        return [(self._flights[number], outcome) for number, outcome in self._ended.items()], shown

    def landed(self, ended: Sequence[Ended]) -> None:
        """Let go of attempts whose end is in the catalogue."""
        by_executor: dict[str, list[Handle]] = {}
        for flight, _ in ended:
            self._ended.pop(flight.row.id, None)
            # A task that is tried again may have been claimed anew already.
            if self._flights.get(flight.row.id) is flight:
                del self._flights[flight.row.id]
                self._waiting.pop(flight.row.id, None)
            if flight.executor and flight.handle:
                by_executor.setdefault(flight.executor.name, []).append(flight.handle)
        for name, handles in by_executor.items():
            self._executors[name].forget(handles)
            submitted = self._submitted[name]
            for handle in handles:
                submitted.pop(handle, None)

    def drop(self, flight: Flight) -> None:
        """Forget a task that was given back before it was submitted."""
        self._flights.pop(flight.row.id, None)
        self._waiting.pop(flight.row.id, None)

    def cancel(self, runs: Collection[int]) -> None:
        """End the attempts of these runs."""
        if runs:
            self.end([flight for flight in self if flight.row.run_id in runs])

    def end(self, flights: Sequence[Flight]) -> None:
        """End attempts, once each; those that were not submitted end at once."""
        for flight in flights:
            if flight.canceled:
                continue
            if flight.executor and flight.handle:
                flight.executor.cancel([flight.handle])
            else:
                self.fail(flight, Cause.CANCELED, "The attempt was canceled before it was submitted.")
            flight.canceled = True

    @property
    def not_begun(self) -> list[Flight]:
        """List the attempts that have not begun as far as was seen, the newest first."""
        found = [each for each in self if each.running_since is None and each.row.id not in self._ended]
        return [each for each in reversed(found) if not each.canceled]

    def withdraw(self, flights: Sequence[Flight]) -> None:
        """Take back those of these attempts that have not begun, into `returned`."""
        for flight in flights:
            if flight.executor and flight.handle:
                if not flight.executor.withdraw([flight.handle]):
                    continue
                self._submitted[flight.executor.name].pop(flight.handle, None)
            self.drop(flight)
            self.returned[flight.row.id] = flight.row.fence

    def wait(self, seconds: float) -> bool:
        """Wait on the executor that is busy, if it is one alone; says whether it was."""
        busy = [name for name, submitted in self._submitted.items() if submitted]
        if len(busy) != 1:
            return False
        self._executors[busy[0]].wait(seconds)
        return True

    def close(self) -> None:
        """End everything that runs."""
        for executor in self._executors.values():
            try:
                executor.close()
            except (AliquotError, OSError) as error:
                log.warning("an executor could not be closed", executor=executor.name, reason=str(error))
