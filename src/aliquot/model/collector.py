"""Python's collector of cycles, kept from searching again and again what holds none."""

import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager

_YOUNG = 50_000
"""New objects between two searches; Python's own 700 suit a program that keeps few of them."""


class _Seldom:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._before = gc.get_threshold()

    @contextmanager
    def __call__(self, new: int = _YOUNG) -> Generator[None]:
        """Search for cycles seldom while thousands of records are made that stay; at once from several threads too.

        A search comes after so many `new` objects, or as whoever was first has said. Each search of all of them costs
        as much as a good part of taking them in. Garbage is still found in time.
        """
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._before = gc.get_threshold()
                gc.set_threshold(max(new, self._before[0]) if self._before[0] else 0, *self._before[1:])
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    gc.set_threshold(*self._before)


seldom = _Seldom()


def settle() -> None:
    """Suit the searches to a program that has started, lives long, and makes and keeps records by thousands.

    What is there by now is never searched again: a few hundred thousand objects that stay, for every full search.
    Not for a library, in whose process others may yet let go of what they hold.
    """
    gc.freeze()
    gc.set_threshold(max(_YOUNG, gc.get_threshold()[0]), *gc.get_threshold()[1:])
