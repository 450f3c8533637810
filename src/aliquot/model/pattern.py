"""Regular expressions that people write in definitions."""

import re
import warnings
from functools import lru_cache


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Give a pattern as it is meant today, without a word on what a later Python may take it for; or `re.error`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern)
