"""What takes how many bytes, for pages: asked for again as seldom as it is dear."""

import threading
import time
from dataclasses import dataclass

from aliquot.datasets.usage import DatasetUse, StoreUse, dataset_uses, store_use
from aliquot.db import Catalogue

_CHEAP = 0.05
"""Seconds that an answer may take and be asked for anew each time."""
_TIMES, _LONGEST = 200, 900.0
"""An answer that took longer is kept for so many times as long, and for so many seconds at most."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What datasets and the store as a whole take, as it was at a time, in seconds since 1970."""

    uses: list[DatasetUse]
    whole: StoreUse
    at: float


class KeptStorage:
    """Keeps the last answer; may be asked from several threads at once, of which one looks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._last: Storage | None = None
        self._until = 0.0

    def look(self) -> Storage:
        """Give the answer: new, or one that is not old for what it costs."""
        with self._lock:
            began = time.monotonic()
            if self._last is None or began >= self._until:
                at = time.time()
                with self._catalogue.read() as connection:
                    uses, whole = dataset_uses(connection, None), store_use(connection)
                self._last = Storage(sorted(uses, key=lambda each: -each.stored), whole, at)
                took = time.monotonic() - began
                self._until = began if took < _CHEAP else time.monotonic() + min(took * _TIMES, _LONGEST)
            return self._last
