"""Everything that a command started: what it uses, and how to end all of it.

A command leads a session of its own. What leaves the session (`setsid`, a daemon) and loses its parent becomes a
child of ours, because we ask the kernel for orphans; two variables that every process of a task inherits say whose
it is, or where it works, or the logs that it holds open, or else the time at which it started.
"""

import os
import signal
import time

from aliquot.executors.children import CHILDREN, Span, kill
from aliquot.executors.processes import bears, holds_open, memory_of, orphans, reap, session, works_in

_DEADLINE = 10.0


class Tree:
    """The processes of one attempt: a session, and among the orphans those that can be told to be its own.

    `folder` is where the attempt's working directory and logs lie.
    """

    def __init__(self, span: Span, marks: tuple[bytes, ...], folder: str) -> None:
        self.leader = span.leader
        self._span = span
        self._marks = marks
        self._folder = folder
        # What was told to be ours while it lived; the dead have neither environment nor files.
        self._found: set[int] = set()

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
                break
            kill(strays)
            # Death takes the kernel a moment; there is no event for a process that is not yet our child.
            time.sleep(0.002)
            for pid in strays:
                used += self._reap(pid)
        return used + CHILDREN.close(self._span)

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
        while (spent := reap(-self.leader)) is not None:
            used += spent
        return used

    def _reap(self, pid: int) -> float:
        spent = reap(pid)
        if spent is not None:
            self._found.discard(pid)
        return spent or 0.0

    def _strays(self) -> list[int]:
        here = orphans()
        if not here:
            return here
        self._found.intersection_update(here)
        strays = [pid for pid in here if pid in self._found or self._is_ours(pid)]
        self._found.update(strays)
        return strays

    def _is_ours(self, pid: int) -> bool:
        if pid == self.leader:
            return False
        found = session(pid)
        if found == self.leader:
            return True
        if found is None or found == os.getsid(0):
            return False
        told = bears(pid, self._marks) or works_in(pid, self._folder) or holds_open(pid, self._folder)
        return told or CHILDREN.belongs(pid, self._span)
