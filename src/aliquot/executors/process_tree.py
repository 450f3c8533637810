"""Everything that a command started: what it uses, and how to end all of it.

A command leads a session of its own. What leaves the session (`setsid`, a daemon) and loses its parent becomes a
child of ours, because we ask the kernel for orphans; two variables that every process of a task inherits say whose
it is.
"""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
_DEADLINE = 10.0
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


def orphans() -> list[int]:
    """List the children that other threads than ours may have left to this process."""
    handle = _orphans_file()
    if handle is None:
        return []
    found = os.pread(handle, 65536, 0)
    return [int(word) for word in found.split()] if found else []


class Tree:
    """The processes of one attempt: a session, and among the orphans those that bear its marks or work in its folder.

    A process that has left the session, cleared its environment and its parent, and works elsewhere is not found.
    """

    def __init__(self, leader: int, marks: tuple[bytes, ...], folder: str) -> None:
        self.leader = leader
        self._marks = marks
        self._folder = folder

    def memory(self, *, exact: bool = False) -> int:
        """Give the bytes of memory that the tree holds now; `exact` counts shared pages once, and takes longer."""
        return memory_of([self.leader, *self._strays()], exact=exact)

    def end(self) -> float:
        """Kill and bury everything but the leader, whom the caller has buried; gives the CPU seconds they used."""
        used = 0.0
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            used += self._bury()
            strays = self._strays()
            if not strays and not self._session_lives():
                return used
            for pid in descendants(strays):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            # Death takes the kernel a moment; there is no event for a process that is not yet our child.
            time.sleep(0.002)
            for pid in strays:
                used += _reap(pid) or 0.0
        return used

    def _session_lives(self) -> bool:
        try:
            os.killpg(self.leader, signal.SIGKILL)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def _bury(self) -> float:
        used = 0.0
        while (spent := _reap(-self.leader)) is not None:
            used += spent
        return used

    def _strays(self) -> list[int]:
        return [pid for pid in orphans() if self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        if pid == self.leader:
            return False
        return _session(pid) == self.leader or bears(pid, self._marks) or works_in(pid, self._folder)


def memory_of(pids: Iterable[int], *, exact: bool = False) -> int:
    """Give the bytes of memory that processes and all that they started hold now."""
    return sum(_shared_once(pid) if exact else _resident(pid) for pid in descendants(pids))


def bears(pid: int, marks: Iterable[bytes]) -> bool:
    """Say whether a process was started with all of these `NAME=value` in its environment."""
    values = set(_read(pid, "environ").split(b"\0"))
    return all(mark in values for mark in marks)


def works_in(pid: int, folder: str) -> bool:
    """Say whether a process has its working directory in a folder or below it."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
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
            waiting += [int(word) for word in _read(pid, f"task/{thread}/children").split()]
    return list(found)


def start_time(pid: int) -> int | None:
    """Give the moment at which a process started, in the kernel's ticks; None when there is no such process."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def _read(pid: int, name: str) -> bytes:
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


def _stat(pid: int) -> list[bytes]:
    # The name stands in parentheses and may hold any character; fields are counted after it.
    return _read(pid, "stat").rpartition(b")")[2].split()


def _session(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[3]) if fields else None


def _reap(pid: int) -> float | None:
    """Bury a dead child, or one of a process group; gives its CPU seconds, None when there is none."""
    try:
        buried, _, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return usage.ru_utime + usage.ru_stime if buried else None


def _resident(pid: int) -> int:
    fields = _read(pid, "statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _shared_once(pid: int) -> int:
    lines = _read(pid, "smaps_rollup").splitlines()
    found = next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)
    return _resident(pid) if found is None else found
