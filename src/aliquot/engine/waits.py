"""Waiting for what a run needs and cannot have now: an image whose registry is out of reach."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from aliquot.model.retry import WAITED, Retry
from aliquot.model.task import Cause

MAY_COME = frozenset({"image-unavailable", "image-quota"})
"""Codes of errors that are waited for; an image that does not exist, or a login that is refused, is not."""


@dataclass(slots=True)
class _Wait:
    tries: int
    until: float


class Waits:
    """Which runs wait, until when, with pauses that grow; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waits: dict[int, _Wait] = {}

    def again(self, run: int) -> bool:
        """Let a run wait once more; false, and forgotten, when it has waited often enough."""
        tries = self._waits[run].tries + 1 if run in self._waits else 1
        pause = Retry().again_after(Cause.REFUSED, {WAITED: tries}, may_pass=True)
        if pause is None:
            del self._waits[run]
            return False
        self._waits[run] = _Wait(tries, self._clock() + pause)
        return True

    def rest(self, run: int, seconds: float) -> None:
        """Let a run wait for what is on its way; that does not count as a try."""
        tries = self._waits[run].tries if run in self._waits else 0
        self._waits[run] = _Wait(tries, self._clock() + seconds)

    def resting(self, run: int) -> bool:
        """Say whether a run's pause is not over."""
        return run in self._waits and self._clock() < self._waits[run].until

    def over(self, run: int) -> bool:
        """Forget that a run waits; says whether it did."""
        return self._waits.pop(run, None) is not None
