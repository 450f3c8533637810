"""Whose an adopted child is that bears no mark: by the attempts that were running when it started.

The kernel gives us what our commands leave behind, and it gives us nothing else; but others in this process start
children too, and those are not ours to end. What is in our session, what was started with our environment, and what
a program of our own (podman) left behind is never a suspect.
"""

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache

from aliquot.executors.command import OWNER_MARK
from aliquot.executors.processes import adopts, descendants, orphans, read, reap, start_time, stat_fields

_DEADLINE = 10.0
_MOMENT = 0.002
_STARTING = 100
_TICKS = os.sysconf("SC_CLK_TCK")
_EVERYWHERE = {b"PATH", b"HOME", b"LANG", b"LC_ALL", b"TMPDIR", b"USER", b"LOGNAME", b"SHELL", b"PWD", b"SHLVL", b"_"}


@dataclass(eq=False, slots=True)
class Span:
    """The time in which an attempt's processes can have started; it stays open while one may live that is its own."""

    began: int
    leader: int = 0
    over: bool = False


class Children:
    """The attempts that run as children of this process, and the suspects among the children that it adopted.

    A suspect belongs to one of the attempts that were running when it started: to the only one, or to the last of
    them to end. While a program of our own runs, what starts may be that program's: it is left alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._burying = threading.Lock()
        self._spans: set[Span] = set()
        self._beside: list[int] = []
        self._spared: set[int] = set()
        # Suspects by the moment they started: what was seen alive is known again when it is dead.
        self._suspects: dict[int, int] = {}

    def open(self) -> Span:
        """Note that an attempt's command is about to start."""
        span = Span(_now())
        with self._lock:
            self._spans.add(span)
        return span

    @contextmanager
    def beside(self) -> Generator[None]:
        """Start and end a program of our own, not an attempt's: what it leaves behind is spared for good."""
        began = _now()
        with self._lock:
            self._beside.append(began)
        try:
            yield
        finally:
            here = orphans() if adopts() else []
            sessions = {int(fields[3]): int(fields[19]) for pid in here if (fields := stat_fields(pid))}
            with self._lock:
                self._spared &= sessions.keys()
                self._spared |= {session for session, start in sessions.items() if start >= began}
                self._beside.remove(began)

    def belongs(self, pid: int, span: Span) -> bool:
        """Say whether a child can be of no attempt that still runs but this one."""
        return [each for each in self._candidates(pid) if not each.over] == [span]

    def close(self, span: Span) -> float:
        """Note that nothing known of an attempt is left, and end the suspects that can be of no other that runs.

        Gives the CPU seconds that those have used.
        """
        with self._lock:
            span.over = True
            over = [each for each in self._spans if each.over]
        if orphans():
            with self._burying:
                return self._bury()
        with self._lock:
            self._spans.difference_update(over)
            self._suspects.clear()
        return 0.0

    def _bury(self) -> float:
        used = 0.0
        deadline = time.monotonic() + _DEADLINE
        while True:
            with self._lock:
                over = {each for each in self._spans if each.over}
            here = orphans()
            suspects = {pid: candidates for pid in here if (candidates := self._candidates(pid))}
            abandoned = [pid for pid, candidates in suspects.items() if over.issuperset(candidates)]
            if not abandoned or time.monotonic() >= deadline:
                break
            kill(abandoned)
            time.sleep(_MOMENT)
            used += sum(reap(pid) or 0.0 for pid in abandoned)
        with self._lock:
            self._spans -= over.difference(*suspects.values()) if suspects else over
            for pid in self._suspects.keys() - set(here):
                del self._suspects[pid]
        return used

    def _candidates(self, pid: int) -> list[Span]:
        """List the attempts that a child may be of; none for one that is no suspect."""
        fields = stat_fields(pid)
        if not fields or int(fields[3]) == os.getsid(0) or int(fields[3]) in self._spared:
            return []
        start = int(fields[19])
        with self._lock:
            candidates = [each for each in self._spans if each.began <= start]
            if any(pid == each.leader for each in candidates) or any(began <= start for began in self._beside):
                return []
        return candidates if candidates and self._is_suspect(pid, start, dead=fields[0] == b"Z") else []

    def _is_suspect(self, pid: int, start: int, *, dead: bool) -> bool:
        if dead:
            # It can hurt nobody, and somebody who started it may be waiting to be told how it ended.
            return self._suspects.get(pid) == start
        if not _has_arguments(pid) or _inherits(read(pid, "environ").split(b"\0")):
            return False
        if start_time(pid) != start:
            return False
        with self._lock:
            self._suspects[pid] = start
        return True


CHILDREN = Children()
"""The children of this process, of which there is one."""


def kill(pids: list[int]) -> None:
    """Kill processes and all that they started."""
    for pid in descendants(pids):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _now() -> int:
    """Give the moment as the kernel notes it for processes that start: in ticks since the machine did."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * _TICKS // 1_000_000_000


def _has_arguments(pid: int) -> bool:
    """Say whether a process lives; one that is just being replaced by another program is given a moment for it."""
    for _ in range(_STARTING):
        if read(pid, "cmdline"):
            return True
        if (stat_fields(pid) or [b"Z"])[0] == b"Z":
            return False
        time.sleep(_MOMENT)
    return True


def _inherits(values: list[bytes]) -> bool:
    """Say whether an environment is another attempt's, or so much like ours that the process was started by us."""
    if any(value.startswith(f"{OWNER_MARK}=".encode()) for value in values):
        return True
    ours = _environment()
    return bool(ours) and 2 * len(ours.intersection(values)) >= len(ours)


@cache
def _environment() -> frozenset[bytes]:
    """List what tells this process's environment from others."""
    values = read(os.getpid(), "environ").split(b"\0")
    return frozenset(value for value in values if value and value.partition(b"=")[0] not in _EVERYWHERE)
