"""Who holds a lease: one process, told apart from any other that ever had its number."""

import os
import socket
from pathlib import Path

import psutil


def this_process() -> str:
    """Name this process: host, boot, process namespace, number and start time."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def surely_dead(owner: str) -> bool:
    """Say whether an owner ran here and is gone. False when it may live elsewhere."""
    place, _, rest = owner.rpartition("/")
    place, _, number = place.rpartition("/")
    if place != _place() or not number.isdigit():
        return False
    return _started(int(number)) != rest


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
    try:
        return f"{psutil.Process(number).create_time():.2f}"
    except psutil.NoSuchProcess:
        return "gone"
