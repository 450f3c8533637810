"""The processes of a lab, found in /proc by where they work and what they bear."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_SHEPHERD = b"aliquot.executors.shepherd"


def shepherds(folder: Path) -> list[int]:
    """List the shepherds whose slot lies below a folder."""
    return [pid for pid in _all() if _SHEPHERD in (line := _read(pid, "cmdline")) and os.fsencode(folder) in line]


def commands(folder: Path) -> list[int]:
    """List the processes of tasks that work below a folder."""
    return [pid for pid in _all() if b"ALIQUOT_TASK=" in _read(pid, "environ") and _below(pid, folder)]


def every(folder: Path) -> dict[int, str]:
    """Give everything that works below a folder, names it or bears a mark of a place in it, with its command line."""
    place = os.fsencode(folder)
    return {
        pid: _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")[:200]
        for pid in _all()
        if pid != os.getpid()
        and (_below(pid, folder) or place in _read(pid, "cmdline") or place in _read(pid, "environ"))
    }


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, as far as they are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _all() -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*")]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _below(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False
