"""Regular expressions that people write in definitions."""

import re
import threading
import warnings
from functools import lru_cache

# What is heard of warnings is one thing for all threads.
_one_at_a_time = threading.Lock()


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Give a pattern as it is meant today, without a word on what a later Python may take it for; or `re.error`."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern)
