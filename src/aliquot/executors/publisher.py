"""Making the results of many attempts durable together, and only then showing them."""

import threading
import time
from collections import deque
from collections.abc import Callable

from aliquot.blobs import Batch
from aliquot.executors.attempt import Attempt, Verdict
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import AliquotError, Unavailable
from aliquot.model.task import Cause, Outcome

_FIRST_DELAY = 0.05
_DELAY = 0.2
_LONG_DELAY = 0.6
_MANY = 1024


class Publisher:
    """One thread that flushes the batch for all attempts that have ended since the last time.

    An outcome is shown when every byte that it names is durable. A flush waits for more attempts to end: until there
    are many, or 0.2 s have passed, or `idle` says that nothing else is under way. While `crowded` says that more wait
    than could begin by then, it waits for 0.6 s: the slots have enough to do without what follows from an outcome, and
    each flush costs the supervisor a turn, however little it brings. The first few wait less, so that steps behind the
    first one begin soon.
    """

    def __init__(
        self,
        batch: Batch,
        idle: Callable[[], bool],
        show: Callable[[list[tuple[Attempt, Outcome]]], None],
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._batch = batch
        self._idle = idle
        self._crowded = crowded
        self._show = show
        self._changed = threading.Condition()
        self._ended: list[tuple[Attempt, Outcome]] = []
        self._oldest = 0.0
        self._problem: Exception | None = None
        self._flushes = 0
        self._collecting: dict[Attempt, int] = {}
        self._written: deque[tuple[int, dict[Digest, Location]]] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="aliquot-publish", daemon=True)
        self._thread.start()

    def open_batch(self, attempt: Attempt) -> Batch:
        """Give the batch to an attempt that begins to add to it: flushes from now on may hold blobs of it."""
        self._collecting[attempt] = self._flushes
        return self._batch

    def ended(self, *ended: tuple[Attempt, Outcome]) -> None:
        """Take the outcomes of attempts that have added all that they have."""
        with self._changed:
            before = len(self._ended)
            self._ended += ended
            if not before:
                self._oldest = time.monotonic()
                self._changed.notify()
            elif before < _MANY <= len(self._ended) or self._idle():
                self._changed.notify()

    def close(self) -> None:
        """Show what has ended, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (ended := self._next()) is not None:
            self._flush()
            self._show([(attempt, self._durable(attempt, outcome)) for attempt, outcome in ended])
            self._drop_old([attempt for attempt, _ in ended])

    def _next(self) -> list[tuple[Attempt, Outcome]] | None:
        with self._changed:
            while not self._due():
                if self._closed:
                    return None
                left = self._oldest + self._delay() - time.monotonic() if self._ended else None
                self._changed.wait(left)
            ended, self._ended = self._ended, []
            return ended

    def _due(self) -> bool:
        if not self._ended:
            return False
        waited = time.monotonic() - self._oldest >= self._delay()
        return waited or self._closed or len(self._ended) >= _MANY or self._idle()

    def _delay(self) -> float:
        first = _FIRST_DELAY * 2 ** min(self._flushes, 10)
        return min(first, _LONG_DELAY if self._crowded() else _DELAY)

    def _flush(self) -> None:
        """Make durable what was added, or keep the reason for which it could not be."""
        self._flushes += 1
        try:
            locations = self._batch.flush()
        except Exception as error:  # noqa: BLE001  # a fault here must not leave attempts without an outcome
            # An attempt may have added blobs before this flush and end after it: it is told this reason then.
            self._problem = error
            return
        if locations:
            self._written.append((self._flushes, {location.digest: location for location in locations}))

    def _durable(self, attempt: Attempt, outcome: Outcome) -> Outcome:
        """Complete an outcome with locations; one whose bytes are not all safe becomes a failure of ours."""
        digests = [output.digest for output in outcome.outputs]
        digests += [log for log in (outcome.stdout, outcome.stderr) if log]
        if attempt.document.only_checks:
            # What is only passed on was durable before, and the catalogue knows where it lies by now.
            passed = {file.blob.digest for file in attempt.document.files}
            digests = [digest for digest in digests if digest not in passed]
        if not digests:
            return outcome
        locations: dict[Digest, Location] = {}
        for digest in digests:
            location = self._find(digest)
            if location is None:
                return attempt.failed(_not_stored(self._problem), outcome.exit_code, outcome.tail)
            locations[digest] = location
        return outcome.lying_at(tuple(locations.values()))

    def _find(self, digest: Digest) -> Location | None:
        if self._written and (location := self._written[-1][1].get(digest)):
            return location
        return next((written[digest] for _, written in self._written if digest in written), None)

    def _drop_old(self, shown: list[Attempt]) -> None:
        for attempt in shown:
            self._collecting.pop(attempt, None)
        needed = min(list(self._collecting.values()), default=self._flushes + 1)
        while self._written and self._written[0][0] < needed:
            self._written.popleft()


def _not_stored(problem: Exception | None) -> Verdict:
    """Say why results are not safe; what a full or silent store is to blame for may pass."""
    reason = "the store did not say where they lie"
    if problem:
        reason = problem.message if isinstance(problem, AliquotError) else f"{type(problem).__name__}: {problem}"
    message = f"The results could not be stored: {reason.rstrip('.')}. The attempt can be made again."
    return Verdict(Cause.OURS, message, isinstance(problem, Unavailable))
