"""How often each token may post events."""

import threading
import time

from aliquot.model.errors import TooOften

BURST, A_SECOND = 200, 50
"""Requests of one token that are taken at once, and each second after those."""


class Rate:
    """Counts the requests of each token, in this process."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def count(self, token: int, now: float | None = None) -> None:
        """Count a request of a token; one too many is `TooOften`. `now` is in seconds of a clock that only goes on."""
        at = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._left.get(token, (float(BURST), at))
            left = min(float(BURST), left + (at - since) * A_SECOND)
            enough = left >= 1.0
            self._left[token] = (left - 1.0 if enough else left, at)
        if not enough:
            words = "These are more events than are obeyed; wait 1 s, then send them again."
            raise TooOften("events-too-often", words, seconds=1)
