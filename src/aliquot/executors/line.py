"""The attempts that wait in an executor: runs in the order in which theirs came, and of one run the deepest first.

A step that begins while the one before it still runs would otherwise stand behind all that was claimed of that one.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from aliquot.executors.attempt import Attempt


class Line:
    """A queue of attempts. A place in it belongs to a run, and goes to the deepest of the run's attempts.

    Not for several threads at once: whoever holds it brings a lock.
    """

    def __init__(self) -> None:
        self._places: deque[int] = deque()
        self._runs: dict[int, dict[int, deque[Attempt]]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Attempt]:
        for depths in self._runs.values():
            for waiting in depths.values():
                yield from waiting

    def extend(self, attempts: Iterable[Attempt]) -> None:
        """Put attempts at the end, in their order."""
        for attempt in attempts:
            self._places.append(attempt.document.run)
            self._of(attempt).append(attempt)

    def appendleft(self, attempt: Attempt) -> None:
        """Put an attempt that was taken back at the front, before all others of its depth."""
        self._places.appendleft(attempt.document.run)
        self._of(attempt).appendleft(attempt)

    def first(self) -> Attempt:
        """Show whose turn it is."""
        return self._next()[0]

    def popleft(self) -> Attempt:
        """Take the one whose turn it is."""
        waiting = self._next()
        attempt = waiting.popleft()
        run = self._places.popleft()
        if not waiting:
            depths = self._runs[run]
            del depths[attempt.document.depth]
            if not depths:
                del self._runs[run]
        return attempt

    def _of(self, attempt: Attempt) -> deque[Attempt]:
        depths = self._runs.setdefault(attempt.document.run, {})
        return depths.setdefault(attempt.document.depth, deque())

    def _next(self) -> deque[Attempt]:
        depths = self._runs[self._places[0]]
        return depths[max(depths)]
