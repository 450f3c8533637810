"""Answers that may be dear: asked for beside who waits, and kept for as long as they are not old for their cost."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

CHEAP = 0.05
"""Seconds that an answer may take and be asked for anew each time."""
_TIMES, _LONGEST = 200, 900.0
"""An answer that took longer is kept for so many times as long, and for so many seconds at most."""


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """An answer, and when it was asked for, in seconds since 1970."""

    answer: T
    at: float


class Kept(Generic[T]):
    """Keeps the last answer to one question; may be asked from several threads at once, of which none does the work.

    That is a thread of its own, one at a time: whoever asks waits for it as long as a cheap answer takes, and is then
    given the last one. What goes wrong is raised where somebody waits, and forgets the last answer.
    """

    def __init__(self, ask: Callable[[], T], times: float = _TIMES) -> None:
        self._ask = ask
        self._times = times
        self._lock = threading.Lock()
        self._last: Told[T] | None = None
        self._took = 0.0
        self._until = 0.0
        self._asked: Future[Told[T]] | None = None

    def look(self) -> Told[T]:
        """Give the answer: new, or one that is not old for what it costs; waits where there is none yet."""
        found = self.glance()
        return found if found is not None else self._begin().result()

    def glance(self) -> Told[T] | None:
        """Give the answer as `look` does; None where there is none yet, and it is dear."""
        with self._lock:
            last, fresh, dear = self._last, time.monotonic() < self._until, self._took > CHEAP
        if last is not None and fresh:
            return last
        asked = self._begin()
        if last is not None and dear:
            return last
        try:
            return asked.result(CHEAP)
        except TimeoutError:
            # It may have come since, or be what went wrong with the answer.
            return asked.result() if asked.done() else last

    def _begin(self) -> Future[Told[T]]:
        with self._lock:
            if self._asked is None:
                self._asked = Future()
                threading.Thread(target=self._work, args=(self._asked,), name="kept", daemon=True).start()
            return self._asked

    def _work(self, asked: Future[Told[T]]) -> None:
        at, began = time.time(), time.monotonic()
        try:
            told = Told(self._ask(), at)
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            with self._lock:
                self._last, self._asked = None, None
            asked.set_exception(error)
            return
        took = time.monotonic() - began
        with self._lock:
            self._last, self._took, self._asked = told, took, None
            self._until = began if took < CHEAP else time.monotonic() + min(took * self._times, _LONGEST)
        asked.set_result(told)


class KeptEach(Generic[T]):
    """Keeps the answers to many questions of a kind, those that were asked for last."""

    def __init__(self, most: int, times: float) -> None:
        self._most = most
        self._times = times
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Kept[T]] = OrderedDict()

    def of(self, question: Hashable, ask: Callable[[], T]) -> Kept[T]:
        """Give what keeps the answer to a question, which `ask` answers."""
        with self._lock:
            if question not in self._kept:
                self._kept[question] = Kept(ask, self._times)
            self._kept.move_to_end(question)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return self._kept[question]
