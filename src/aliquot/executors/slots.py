"""An executor on this machine: a queue, and as many threads as commands may run at once."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import SimpleQueue

from aliquot.blobs import Store
from aliquot.executors.attempt import Attempt
from aliquot.executors.command import task_mark
from aliquot.executors.owner import Owner
from aliquot.executors.publisher import Publisher
from aliquot.executors.steps import Runner, perform
from aliquot.executors.watch import Watch
from aliquot.executors.width import Width
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.seams import Handle, Sighting
from aliquot.model.task import Cause, Outcome, TaskDocument

_AHEAD_SECONDS = 2.0
_CROWDED_SECONDS = 0.7
_MOST_AHEAD = 2000


class SlotExecutor:
    """What the executors of this machine share: each slot is a thread with a working directory of its own.

    `prepare` makes a slot's directory and runner. An attempt waits in a queue until a slot is free.
    """

    name = "slots"

    def __init__(
        self,
        store: Store,
        owner: Owner,
        watch: Watch,
        workers: int,
        prepare: Callable[[int], tuple[WorkingDirectory, Runner]],
    ) -> None:
        self._store = store
        self._owner = owner
        self._watch = watch
        self._prepare = prepare
        self._workers = max(1, workers)
        self._width = Width(self._workers)
        self._queue: SimpleQueue[Attempt | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._attempts: dict[Handle, Attempt] = {}
        self._outcomes: dict[Handle, Outcome] = {}
        self._active = 0
        self._mean = 0.0
        self._closed = False
        self._changed = threading.Event()
        self._publisher = Publisher(store.batch(), lambda: self._active == 0, self._show, self._crowded)
        self._slots = [prepare(number) for number in range(self._workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=slot, name=f"aliquot-slot-{number}", daemon=True)
            for number, slot in enumerate(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def capacity(self) -> int:
        """Say how many attempts to have here at once: the slots, and what they can finish in the next moment."""
        ahead = self._workers * _AHEAD_SECONDS / self._mean if self._mean else self._workers
        return self._workers + min(_MOST_AHEAD, math.ceil(ahead))

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        """Put attempts in the queue, once for each task and fence."""
        handles: list[Handle] = []
        for document in documents:
            handle = Handle(f"{self.name}:{self._owner.name}:{task_mark(document)}")
            handles.append(handle)
            with self._lock:
                if handle in self._attempts or self._closed:
                    continue
                attempt = self._attempts[handle] = Attempt(handle, document)
                self._active += 1
            self._queue.put(attempt)
        return handles

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """See what became of attempts; one of another executor's is lost."""
        sightings: list[Sighting] = []
        for handle in handles:
            attempt = self._attempts.get(handle)
            outcome = self._outcomes.get(handle)
            sightings.append(
                Sighting(
                    handle,
                    running=attempt is not None and attempt.running and outcome is None,
                    lost=attempt is None,
                    outcome=outcome,
                )
            )
        return sightings

    def cancel(self, handles: Iterable[Handle]) -> None:
        """End attempts, those that wait as well as those that run."""
        for handle in handles:
            attempt = self._attempts.get(handle)
            if attempt is None or handle in self._outcomes:
                continue
            attempt.condemn(Cause.CANCELED, "The attempt was canceled.")
            # One that no slot has taken yet need not wait for a slot to be free.
            if attempt.verdict and attempt.claim():
                self._end(attempt, attempt.failed(attempt.verdict))
        self._watch.hurry()

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
        """Take back attempts that no slot has taken yet; gives those."""
        taken: list[Handle] = []
        for handle in handles:
            attempt = self._attempts.get(handle)
            if attempt is not None and attempt.claim():
                with self._lock:
                    del self._attempts[handle]
                    self._active -= 1
                taken.append(handle)
        return taken

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of attempts that have ended; others stay."""
        with self._lock:
            for handle in handles:
                if self._outcomes.pop(handle, None):
                    del self._attempts[handle]

    def wait(self, seconds: float) -> None:
        """Return when outcomes have appeared since the last time, or after so many seconds."""
        self._changed.wait(seconds)
        self._changed.clear()

    def close(self) -> None:
        """End everything that runs, and remove the working directories."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.condemn(Cause.CANCELED, "The executor was closed.")
        self._watch.grace = 0.0
        self._watch.hurry()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._publisher.close()
        self._watch.close()
        for directory, runner in self._slots:
            runner.close()
            directory.close()
        self._owner.release()

    def _serve(self, directory: WorkingDirectory, runner: Runner) -> None:
        while (attempt := self._queue.get()) is not None:
            with self._width.take(attempt.document.resources.cpus, lambda attempt=attempt: attempt.verdict is not None):
                if not attempt.claim():
                    continue
                outcome = perform(attempt, directory, self._store, runner, self._publisher.open_batch)
            with suppress(OSError):
                directory.clean()
            spent = max(0.0, outcome.ended_at - outcome.started_at)
            self._mean = spent if not self._mean else 0.9 * self._mean + 0.1 * spent
            self._end(attempt, outcome)

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        with self._lock:
            self._active -= 1
        self._publisher.ended(attempt, outcome)

    def _crowded(self) -> bool:
        """Say whether more attempts wait than the slots will begin in the next moment."""
        return self._queue.qsize() * self._mean > _CROWDED_SECONDS * self._workers

    def _show(self, ended: list[tuple[Attempt, Outcome]]) -> None:
        for attempt, outcome in ended:
            self._outcomes[attempt.handle] = outcome
        self._changed.set()
