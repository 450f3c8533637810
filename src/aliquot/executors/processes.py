"""What the kernel says of processes, and the orphans that it gives us."""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


@cache
def _orphans_file() -> int | None:
    """Ask for the orphans of all that we start, and open the list of the main thread's children, where they appear."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    return None


def adopt_orphans() -> None:
    """Become the parent of every process that our commands leave behind."""
    _orphans_file()


def adopts() -> bool:
    """Say whether this process has become the parent of orphans."""
    return _orphans_file.cache_info().currsize > 0


def orphans() -> list[int]:
    """List the children that other threads than ours may have left to this process."""
    handle = _orphans_file()
    if handle is None:
        return []
    found = os.pread(handle, 65536, 0)
    return [int(word) for word in found.split()] if found else []


def memory_of(pids: Iterable[int], *, exact: bool = False) -> int:
    """Give the bytes of memory that processes and all that they started hold now."""
    return sum(_shared_once(pid) if exact else _resident(pid) for pid in descendants(pids))


def bears(pid: int, marks: Iterable[bytes]) -> bool:
    """Say whether a process was started with all of these `NAME=value` in its environment."""
    values = set(read(pid, "environ").split(b"\0"))
    return all(mark in values for mark in marks)


def works_in(pid: int, folder: str) -> bool:
    """Say whether a process has its working directory in a folder or below it."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def holds_open(pid: int, folder: str) -> bool:
    """Say whether a process has a file open in a folder or below it."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as handles:
            return any(_leads_below(each.path, folder) for each in handles)
    except OSError:
        return False


def _leads_below(link: str, folder: str) -> bool:
    try:
        return Path(link).readlink().is_relative_to(folder)
    except OSError:
        return False


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


def session(pid: int) -> int | None:
    """Give the session that a process is in, by its leader's number."""
    fields = stat_fields(pid)
    return int(fields[3]) if fields else None


def reap(pid: int) -> float | None:
    """Bury a dead child, or one of a process group; gives its CPU seconds, None when there is none."""
    try:
        buried, _, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return usage.ru_utime + usage.ru_stime if buried else None


def _resident(pid: int) -> int:
    fields = read(pid, "statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _shared_once(pid: int) -> int:
    lines = read(pid, "smaps_rollup").splitlines()
    found = next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)
    return _resident(pid) if found is None else found
