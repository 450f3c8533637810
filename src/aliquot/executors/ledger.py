"""The attempts of an executor of this machine, from their submission until their outcome has been recorded."""

import threading
from collections.abc import Callable, Iterable, Sequence

from aliquot.executors.attempt import Attempt
from aliquot.executors.command import task_mark
from aliquot.model.seams import Handle, Sighting
from aliquot.model.task import Cause, Outcome, TaskDocument


class Ledger:
    """Knows every attempt by its handle; `owner` is the name that the executor's folder has.

    Whoever makes an attempt claims it first (`Attempt.claim`), so that it is made, canceled or withdrawn, and only one
    of them.
    """

    def __init__(self, kind: str, owner: str) -> None:
        self._prefix = f"{kind}:{owner}"
        self._lock = threading.Lock()
        self._attempts: dict[Handle, Attempt] = {}
        self._outcomes: dict[Handle, Outcome] = {}
        self._fresh: dict[Handle, None] = {}
        self._changed = threading.Event()
        self._closed = False
        self.active = 0
        """Attempts that were submitted and have no outcome yet."""

    def enter(self, documents: Sequence[TaskDocument]) -> tuple[list[Handle], list[Attempt]]:
        """Take attempts; gives their handles, and those that are new: not what is known, nor any if closed."""
        handles = [Handle(f"{self._prefix}:{task_mark(document)}") for document in documents]
        new: list[Attempt] = []
        with self._lock:
            for handle, document in zip(handles, documents, strict=True):
                if handle not in self._attempts and not self._closed:
                    attempt = self._attempts[handle] = Attempt(handle, document)
                    new.append(attempt)
            self.active += len(new)
        return handles, new

    def renew(self, attempt: Attempt) -> Attempt:
        """Put a fresh attempt, claimed already, in the place of one whose failure says nothing about it."""
        again = Attempt(attempt.handle, attempt.document)
        again.claim()
        with self._lock:
            self._attempts[attempt.handle] = again
        return again

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """See what became of attempts; one of another executor's is lost."""
        sightings: list[Sighting] = []
        for handle in handles:
            attempt = self._attempts.get(handle)
            outcome = self._outcomes.get(handle)
            running = attempt is not None and attempt.running and outcome is None
            sightings.append(Sighting(handle, running, attempt is None, outcome))
        return sightings

    def fresh(self) -> list[Handle]:
        """Give the attempts whose outcome was shown since the last time."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        return list(fresh)

    def cancel(self, handles: Iterable[Handle], end: Callable[[Attempt, Outcome], None]) -> None:
        """Condemn attempts; those that nobody has begun need not wait for their turn, and `end` is told at once."""
        for handle in handles:
            attempt = self._attempts.get(handle)
            if attempt is None or handle in self._outcomes:
                continue
            attempt.condemn(Cause.CANCELED, "The attempt was canceled.")
            if attempt.verdict and attempt.claim():
                end(attempt, attempt.failed(attempt.verdict))

    def withdraw(self, handles: Iterable[Handle], may: Callable[[Attempt], bool] = lambda _: True) -> list[Handle]:
        """Forget attempts that nobody has begun and that `may` be forgotten; gives those."""
        taken: list[Handle] = []
        for handle in handles:
            attempt = self._attempts.get(handle)
            if attempt is not None and may(attempt) and attempt.claim():
                with self._lock:
                    del self._attempts[handle]
                    self.active -= 1
                taken.append(handle)
        return taken

    def end(self, count: int = 1) -> None:
        """Note that so many more attempts have an outcome, which is shown once its bytes are durable."""
        with self._lock:
            self.active -= count

    def show(self, ended: Sequence[tuple[Attempt, Outcome]]) -> None:
        """Show outcomes, and wake whoever waits for them."""
        for attempt, outcome in ended:
            self._outcomes[attempt.handle] = outcome
        with self._lock:
            self._fresh |= dict.fromkeys([attempt.handle for attempt, _ in ended])
        self._changed.set()

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of attempts that have ended; others stay."""
        with self._lock:
            for handle in handles:
                if self._outcomes.pop(handle, None):
                    del self._attempts[handle]
                    self._fresh.pop(handle, None)

    def wait(self, seconds: float) -> None:
        """Return when outcomes have appeared since the last time, or after so many seconds."""
        self._changed.wait(seconds)
        self._changed.clear()

    def close(self) -> bool:
        """Take no more attempts and condemn all that there are; says False when that was done before."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.condemn(Cause.CANCELED, "The executor was closed.")
        return True

    @property
    def closed(self) -> bool:
        """Say whether no more attempts are taken."""
        return self._closed
