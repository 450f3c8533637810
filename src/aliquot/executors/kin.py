"""What the kernel says of a command's processes to the one that it gives their orphans to: Linux alone does."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from aliquot.executors.processes import descendants

_SET_CHILD_SUBREAPER = 36
_DEADLINE = 10.0
_MOMENT = 0.002
_GROUPS = 8
_PIECE = 4096


class Kin:
    """The children of this process: the command, what it has left behind, and leaders of groups.

    A program that a shell starts leads no group and no session, and some do not work where they do (`setsid`). One that
    is started without a shell is put into a group whose leader has ended. That is never buried, so that its number
    stays the group's. Several take turns: a signal that comes too late meets nobody.
    """

    def __init__(self) -> None:
        self._handle = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
        self._leaders: list[int] = []
        self._turn = 0
        self._expected = b""

    def group(self) -> int:
        """Give the group for the next program."""
        if len(self._leaders) < _GROUPS:
            leader = os.posix_spawn("/bin/sh", ["sh", "-c", ":"], {}, setpgroup=0)
            self._leaders.append(leader)
            self._expected += b"%d " % leader
            return leader
        self._turn = (self._turn + 1) % _GROUPS
        return self._leaders[self._turn]

    def anyone(self) -> bool:
        """Say whether there are other children than leaders of groups."""
        return os.pread(self._handle, _PIECE, 0) != self._expected

    def end(self, group: int) -> float:
        """Kill and bury all that a command has left behind, in its group and elsewhere; gives their CPU seconds."""
        spent = 0.0
        until = time.monotonic() + _DEADLINE
        while (left := self._others()) and time.monotonic() < until:
            # While one that is ours to bury is in the group, its number is no stranger's. All of it dies at once.
            if any(_group_of(pid) == group for pid in left):
                end_group(group)
            kill(descendants(left))
            time.sleep(_MOMENT)
            spent += sum(map(_bury, left))
        return spent

    def _others(self) -> list[int]:
        text = b""
        while piece := os.pread(self._handle, _PIECE, len(text)):
            text += piece
        return [pid for pid in map(int, text.split()) if pid not in self._leaders]


def find_kin() -> Kin | None:
    """Have the kernel give us the orphans of our children; None where it does not, or does not list them."""
    with suppress(OSError, AttributeError):
        if ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
            return Kin()
    return None


def end_group(group: int) -> None:
    """Kill all processes of a group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def kill(pids: Iterable[int]) -> None:
    """Kill processes, as far as they are there."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _bury(pid: int) -> float:
    """Bury a child if it has ended; gives the CPU seconds that it used."""
    with suppress(ChildProcessError):
        _, _, used = os.wait4(pid, os.WNOHANG)
        return used.ru_utime + used.ru_stime
    return 0.0
