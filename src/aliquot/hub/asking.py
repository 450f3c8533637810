"""Who has which queries under way, so that they can end them."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

_lock = threading.Lock()
_under_way: dict[str, set[threading.Event]] = {}


@contextmanager
def asking(who: str) -> Generator[threading.Event]:
    """Note a query of somebody; the event is set when they end it."""
    ended = threading.Event()
    with _lock:
        _under_way.setdefault(who, set()).add(ended)
    try:
        yield ended
    finally:
        with _lock:
            mine = _under_way[who]
            mine.discard(ended)
            if not mine:
                del _under_way[who]


def end_queries(who: str) -> int:
    """End all queries of somebody that this process has under way; gives how many those are."""
    with _lock:
        mine = list(_under_way.get(who, ()))
    for each in mine:
        each.set()
    return len(mine)
