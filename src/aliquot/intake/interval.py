"""When a source is looked at again: soon while things arrive, seldom while nothing does, and at once when woken."""

QUICK = 0.5
"""Seconds between two looks at a bucket in which something has just arrived."""
FOLDER = 5.0
"""Seconds at most between two looks at a folder, where the source does not say it."""
BUCKET = 60.0
"""Seconds at most between two looks at a bucket, where the source does not say it: each listing has its price."""

_SHARE = 4.0
_GROWTH = 2.0


class Pace:
    """The pause between looks at one source, in seconds.

    It doubles from `quick` up to `longest` while nothing comes. A look that takes long is not begun again before four
    times as long has passed: listing millions shall not be all that a machine does.
    """

    def __init__(self, quick: float, longest: float) -> None:
        self._quick = min(quick, longest)
        self._longest = longest
        self._pause = self._quick

    def after(self, took: float, *, moved: bool) -> float:
        """Give the pause after a look that took so many seconds; `moved`: it found something to do."""
        self._pause = self._quick if moved else min(self._longest, self._pause * _GROWTH)
        return max(self._pause, min(took * _SHARE, self._longest))
