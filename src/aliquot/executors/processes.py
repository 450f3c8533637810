"""What the kernel says of processes."""

import os
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def memory_of(pids: Iterable[int], *, exact: bool = False) -> int:
    """Give the bytes of memory that processes and all that they started hold now."""
    return sum(_shared_once(pid) if exact else _resident(pid) for pid in descendants(pids))


def bears(pid: int, marks: Iterable[bytes]) -> bool:
    """Say whether a process was started with all of these `NAME=value` in its environment."""
    values = set(read(pid, "environ").split(b"\0"))
    return all(mark in values for mark in marks)


def descendants(pids: Iterable[int]) -> list[int]:
    """List processes and all that they started and that still have a living parent among them."""
    found: dict[int, None] = {}
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid in found:
            continue
        found[pid] = None
        for thread in _threads(pid):
            waiting += [int(word) for word in read(pid, f"task/{thread}/children").split()]
    return list(found)


def start_time(pid: int) -> int | None:
    """Give the moment at which a process started, in the kernel's ticks; None when there is no such process."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def read(pid: int, name: str) -> bytes:
    """Give what the kernel says of a process, nothing when it is gone or another user's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _threads(pid: int) -> list[str]:
    try:
        return [folder.name for folder in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def stat_fields(pid: int) -> list[bytes]:
    """Give the fields of a process's `stat` from its state on; none when it is gone."""
    # The name stands in parentheses and may hold any character; fields are counted after it.
    return read(pid, "stat").rpartition(b")")[2].split()


def _resident(pid: int) -> int:
    fields = read(pid, "statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _shared_once(pid: int) -> int:
    lines = read(pid, "smaps_rollup").splitlines()
    found = next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)
    return _resident(pid) if found is None else found
