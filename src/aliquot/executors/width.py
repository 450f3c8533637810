"""How wide attempts are: one that asks for several processors takes as many of an executor's slots."""

import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

_LOOK_EVERY = 0.2


class Width:
    """Counts the slots that are taken. One that asks for more than there are takes all of them, and runs alone."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._free = slots
        self._waiting = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, cpus: float, abandoned: Callable[[], bool]) -> Generator[None]:
        """Hold the slots for so many processors; comes through at once when the attempt is `abandoned`."""
        wanted = min(self._slots, max(1, math.ceil(cpus)))
        with self._changed:
            # Whoever comes later stands behind a wide one that waits, or that would wait for ever.
            if self._free < wanted or self._waiting:
                self._wait(wanted, abandoned)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                if self._waiting:
                    self._changed.notify_all()

    def _wait(self, wanted: int, abandoned: Callable[[], bool]) -> None:
        self._waiting += wanted > 1
        try:
            while not abandoned() and (self._free < wanted or (wanted == 1 and self._waiting)):
                self._changed.wait(_LOOK_EVERY)
        finally:
            self._waiting -= wanted > 1
