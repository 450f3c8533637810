"""When a failed attempt is made again: for each cause its own budget and its own wait."""

import random
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field as Setting
from pydantic import field_validator

from aliquot.model.definition import Definition
from aliquot.model.quantity import Bytes, Seconds
from aliquot.model.task import Cause, Resources

RetryCause = Literal["user", "oom", "timeout", "lost", "refused", "ours"]

BY_THEMSELVES = frozenset({Cause.LOST, Cause.OURS})
"""Causes that say nothing about the datum: they are tried again though nobody asks for it."""
WAITED = "waited"
"""The name under which failures are counted that may pass by themselves: a registry that is down, a full disk."""
MOST_WAITS = 12
"""After how many attempts that met such a fault a task is given up; the pauses between them add up to an hour."""

_FIRST_PAUSE = {Cause.OOM: 0.0, Cause.TIMEOUT: 0.0}
_PAUSE = 1.0
_WAIT_PAUSE = 5.0
_WAIT_LIMIT = 600.0
LONGEST_PAUSE = 3600.0
"""Seconds that no pause between two attempts is longer than, its jitter not counted."""


class CauseRetry(Definition):
    """How often and after how long a task is tried again after one cause."""

    attempts: int = Setting(ge=1, le=100)
    """How many attempts may fail by this cause; 1: it is not tried again."""
    backoff: Seconds | None = None
    """The wait after the first of them, which doubles with each; without it, that of the step."""


class Retry(Definition):
    """When a failed attempt is made again: after which causes, how often, after how long.

    `lost` and `ours` say nothing about the datum: they are tried again though `on` does not name them. So is what was
    `refused` for a reason that may pass. `user`, `oom` and `timeout` are when `on` names them.
    """

    attempts: int = Setting(default=3, ge=1, le=100)
    """How many attempts may fail by one cause, where `on` does not say it for that cause; 1: nothing is tried again."""
    on: list[RetryCause] | dict[RetryCause, int | CauseRetry] = Setting(default=[])
    """Causes after which it is tried again: a list, or for each a number of attempts, or `{attempts, backoff}`."""
    memory_growth: float = Setting(default=1.0, ge=1)
    """By how much the memory grows for the attempts after one that ran out of it."""
    memory_limit: Bytes | None = None
    """Up to how much memory it grows."""
    time_growth: float = Setting(default=1.0, ge=1)
    """By how much the time grows for the attempts after one that ran out of it."""
    time_limit: Seconds | None = None
    """Up to how much time it grows."""
    backoff: Seconds | None = None
    """The wait before the second attempt, which doubles with each; else 1s, and none after `oom` and `timeout`."""

    @field_validator("on")
    @classmethod
    def _numbers_of_attempts(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for cause, given in value.items():  # pyright: ignore[reportUnknownVariableType]
                if isinstance(given, int) and not 1 <= given <= 100:
                    raise ValueError(f"'{cause}' takes a number of attempts from 1 to 100")
        return value

    def budget(self, cause: Cause) -> int:
        """Say how many attempts may fail by a cause."""
        given = self._given(cause)
        if given is not None:
            return given if isinstance(given, int) else given.attempts
        return self.attempts if cause in BY_THEMSELVES or cause.value in self.on else 1

    def again_after(self, cause: Cause, failures: Mapping[str, int], *, may_pass: bool = False) -> float | None:
        """Say in how many seconds a task is tried again, jitter included; None when its budget is spent.

        `failures` counts the attempts by cause, this one included; `may_pass` says that what failed now was a fault
        that goes away by itself: it is waited for with growing pauses, and has a budget of its own.
        """
        if may_pass and self._waits(cause):
            waits = failures.get(WAITED, 1)
            return None if waits >= MOST_WAITS else _jitter(min(_WAIT_LIMIT, _WAIT_PAUSE * 2.0 ** (waits - 1)))
        failed = failures.get(cause.value, 1)
        if failed >= self.budget(cause):
            return None
        return _jitter(min(LONGEST_PAUSE, self._first_pause(cause) * 2.0 ** (failed - 1)))

    def _waits(self, cause: Cause) -> bool:
        return (self.attempts if self._given(cause) is None else self.budget(cause)) > 1

    def _given(self, cause: Cause) -> "int | CauseRetry | None":
        if not isinstance(self.on, dict):
            return None
        return next((given for name, given in self.on.items() if name == cause), None)

    def _first_pause(self, cause: Cause) -> float:
        given = self._given(cause)
        if isinstance(given, CauseRetry) and given.backoff is not None:
            return given.backoff
        return self.backoff if self.backoff is not None else _FIRST_PAUSE.get(cause, _PAUSE)

    def grown(self, asked: Resources, failures: Mapping[str, int] | None) -> Resources:
        """Give what a task may use after failures, counted by cause: more after `oom` and `timeout`."""
        failures = failures or {}
        memory, time = asked.memory, asked.time
        if memory and (times := failures.get(Cause.OOM, 0)):
            memory = max(memory, int(_capped(memory * self.memory_growth**times, self.memory_limit)))
        if time and (times := failures.get(Cause.TIMEOUT, 0)):
            time = max(time, _capped(time * self.time_growth**times, self.time_limit))
        return Resources(asked.cpus, memory, asked.disk, time)


def _capped(amount: float, limit: float | None) -> float:
    return amount if limit is None else min(amount, limit)


def _jitter(seconds: float) -> float:
    """Spread out what failed together, so that it does not come back together."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # not a secret
