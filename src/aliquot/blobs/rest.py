"""How a file lies on a disk while nobody writes to it."""

import os

Rest = tuple[int, int, int]
"""A file's size in bytes, its time of change and its ctime in nanoseconds.

The ctime, which nobody can set, tells another file apart that was put in its place; 0 where that does not matter.
"""


def rests(now: os.stat_result, seen: Rest) -> bool:
    """Say whether a file is as it was seen to rest."""
    size, mtime_ns, changed_ns = seen
    return (now.st_size, now.st_mtime_ns) == (size, mtime_ns) and changed_ns in {0, now.st_ctime_ns}
