"""Memory that is free, given back to the system."""

import ctypes
from typing import Any


def give_back() -> None:
    """Let the system have what this process has freed in between, where the C library (glibc) can do that.

    For moments at which much was let go of, and as much is about to be held in other sizes.
    """
    trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
