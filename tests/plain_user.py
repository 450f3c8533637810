"""Doing something as a user for whom the rights of files count, also where the tests run as root."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_VERSION = 0x20080522
_READ_WHATEVER_RIGHTS_SAY = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of Linux."""

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def as_plain_user(work: Callable[[], T]) -> T:
    """Do some work in a thread that has given up root's right to read and write everything."""
    with ThreadPoolExecutor(1, initializer=_give_up if os.geteuid() == 0 else None) as one:
        return one.submit(work).result()


def _give_up() -> None:
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    held = (ctypes.c_uint32 * 6)()
    assert not _libc.capget(header, held)
    held[0] &= ~_READ_WHATEVER_RIGHTS_SAY
    # Of this thread alone: the C library hands on a change of user to all threads, and nothing of this.
    assert not _libc.capset(header, held)
