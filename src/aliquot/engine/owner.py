"""Who holds a lease: one process, told apart from any other that ever had its number."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil


def this_process() -> str:
    """Name this process: host, boot, process namespace, number and start time."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def surely_dead(owner: str) -> bool:
    """Say whether an owner ran here and is gone. False when it may live elsewhere, or the name is not one of ours."""
    place, number, started = (*owner.split("/"), "", "", "")[:3]
    if place != _place() or not number.isdigit():
        return False
    return _started(int(number)) != started


@cache
def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    return ":".join(
        (
            socket.gethostname(),
            boot.read_text().strip() if boot.exists() else "",
            str(namespace.readlink()) if namespace.exists() else "",
        )
    )


def _started(number: int) -> str:
    """Give the moment of a process's start, in the kernel's ticks where it tells: no change of the clock moves it."""
    try:
        if Path("/proc/self/stat").exists():
            text = Path(f"/proc/{number}/stat").read_text(errors="replace")
            # The name stands in parentheses and may hold any character; fields are counted after it.
            fields = text[text.rindex(")") + 2 :].split()
            return "gone" if fields[0] in {"Z", "X"} else fields[19]
        return f"{psutil.Process(number).create_time():.2f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return "gone"
