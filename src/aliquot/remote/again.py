"""When a request is sent again: after a cut, and where the server says by when."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

from aliquot.model.errors import AliquotError, Unavailable

T = TypeVar("T")

LONGEST = 60.0
"""Seconds that we wait because a server says so, for one request in all."""
_TOLD = 2.0
"""Seconds from which on a wait is told."""
_LATER = frozenset({429, 503})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
PASSING = frozenset({"server-unreachable", "server-silent", "server-away", "server-busy", "catalogue-unavailable"})
"""What may be over in a moment."""


class Asked(Unavailable):
    """What a server refuses for now, with the seconds that it asks us to wait."""

    def __init__(self, error: AliquotError, seconds: float) -> None:
        super().__init__(error.code, error.message, **error.facts)
        self.error = error
        self.seconds = seconds


def may_repeat(method: str, headers: Mapping[str, str]) -> bool:
    """Say whether a request does the same when it is sent again."""
    return method in _REPEATABLE or "idempotency-key" in headers


def asked_to_wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Give the seconds that a refusal asks us to wait, as a number or a date; None where it asks for nothing."""
    said = headers.get("retry-after", "")
    if status not in _LATER or not said:
        return None
    if said.isascii() and said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


class Patience:
    """Sends a request again: a few times, and not for ever."""

    def __init__(self, origin: str, pauses: tuple[float, ...], notice: Callable[[str], None]) -> None:
        self._origin = origin
        self._pauses = pauses
        self._notice = notice

    def again(self, work: Callable[[], T]) -> T:
        """Do it, and again where a connection is lost or the server asks us to wait; raises what the last try raises.

        A wait that is too long is none: the server's own words say how long it takes.
        """
        left = LONGEST
        for pause in self._pauses:
            try:
                return work()
            except Asked as asked:
                if asked.seconds > left:
                    raise asked.error from None
                left -= asked.seconds
                self._wait(max(asked.seconds, pause))
            except Unavailable as error:
                if error.code not in PASSING:
                    raise
                time.sleep(pause)
        try:
            return work()
        except Asked as asked:
            raise asked.error from None

    def _wait(self, seconds: float) -> None:
        if seconds >= _TOLD:
            self._notice(f"{self._origin} asks for patience; trying again in {seconds:.0f} s.")
        time.sleep(seconds)
