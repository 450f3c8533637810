"""Ending a loop that was asked to: Ctrl-C and SIGTERM."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stops(end: Callable[[], None]) -> Generator[list[int]]:
    """Let the first Ctrl-C or SIGTERM call `end`; a second one ends the program. Gives the signals that came."""
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        # In a thread of its own: the interrupted one may hold the very lock that `end` needs.
        threading.Thread(target=end, name="stop").start()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
