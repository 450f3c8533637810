"""A warm worker, seen from its executor: a process that calls one function for one datum after the other."""

import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aliquot.blobs import Store
from aliquot.executors import warm_wire as wire
from aliquot.executors.command import OWNER_MARK, TASK_MARK, TEMPORARY
from aliquot.executors.owner import end_marked
from aliquot.executors.processes import descendants, memory_of
from aliquot.executors.spawn import Spawner
from aliquot.executors.working_directory import WorkingDirectory, remove, write
from aliquot.model.task import TaskDocument, TaskFile

_PROGRAM = "aliquot.executors.warm_worker"
_GROWTH = 256 * 1024 * 1024


class Code(NamedTuple):
    """What tells workers apart: the function, the bundle, and how much memory they may hold."""

    function: str
    bundle: tuple[TaskFile, ...]
    memory: int | None


def code_of(document: TaskDocument) -> Code:
    """Say which worker can make an attempt."""
    assert document.python is not None
    bundle = tuple(file for file in document.files if file.path.startswith("bundle/"))
    return Code(document.python.function, bundle, document.resources.memory)


def same_code(document: TaskDocument, other: TaskDocument) -> bool:
    """Say whether one worker can make both attempts: what `code_of` would say, for less."""
    assert document.python is not None
    assert other.python is not None
    if (document.python.function, document.resources.memory) != (other.python.function, other.resources.memory):
        return False
    files, others = document.files, other.files
    at = 0
    # The bundle comes first, and its files are the same objects for all tasks of a step.
    while at < min(len(files), len(others)) and files[at] is others[at]:
        at += 1
    return not any(file.path.startswith("bundle/") for file in (*files[at:], *others[at:])) or (
        code_of(document) == code_of(other)
    )


class WarmProcess:
    """One worker: its process, its folder, and what is said between it and us.

    `OSError` when it cannot be started. `used` says that it has made calls before, so what it holds may be theirs.
    """

    def __init__(self, code: Code, place: Path, store: Store, path: str, owner: str) -> None:
        self.code = code
        self.used = False
        self.idle_since = 0.0
        self._given = 0
        self._place = place
        self.directory = WorkingDirectory(place / "task", place)
        for part in ("in", "bundle", TEMPORARY):
            (place / "task" / part).mkdir()
        for file in code.bundle:
            target = place / "task" / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            write(str(target), store.read_checked(file.blob), 0o644)
        self._calls = _open(place / wire.CALLS)
        self._replies = _open(place / wire.REPLIES)
        page = _open(place / wire.PAGE)
        os.ftruncate(page, wire.PAGE_SIZE)
        self.page = wire.Page(page)
        os.close(page)
        self._read = 0
        self._status: int | None = None
        self._start(path, owner)

    def _start(self, path: str, owner: str) -> None:
        folder, code = self.directory.folder, self.code
        mark = f"warm-{self._place.name}"
        values = {"HOME": folder, "TMPDIR": f"{folder}/{TEMPORARY}", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        values |= {"PATH": path, TASK_MARK: mark, OWNER_MARK: owner}
        growth = _GROWTH if code.memory is None else code.memory // 4
        argv = [sys.executable, "-P", "-m", _PROGRAM, code.function, str(growth)]
        self._control, theirs = socket.socketpair()
        spawner = Spawner(folder, self.directory.stdout.handle, self.directory.stderr.handle, theirs.fileno())
        try:
            self.pid = spawner.spawn(sys.executable, argv, values)
        except OSError:
            self._control.close()
            self._let_go()
            raise
        finally:
            spawner.close()
            theirs.close()
        self._mark = (owner, mark)
        self.signal = partial(_signal_group, self.pid)

    def memory(self, *, exact: bool = False) -> int:
        """Give the bytes of memory that it holds with all that it has started; `exact` counts shared pages once."""
        return memory_of([self.pid], exact=exact)

    def begin(self, calls: Sequence[bytes]) -> None:
        """Let it make calls, one after the other."""
        os.ftruncate(self._replies, 0)
        os.ftruncate(self._calls, 0)
        self._read = self._given = 0
        self.page.current = -1
        self.page.until = 0
        self.add(calls)
        with suppress(OSError):
            self._control.send(wire.GO)

    def add(self, calls: Sequence[bytes]) -> None:
        """Give it calls behind those that it has."""
        view = memoryview(b"".join(calls))
        while view:
            written = os.pwrite(self._calls, view, self._given)
            view = view[written:]
            self._given += written
        # Only now: the worker takes it that what it may make is there.
        self.page.until += len(calls)

    @property
    def said(self) -> int:
        """Give the bytes of calls and answers of this turn, which lie on the disk until it ends."""
        return self._given + self._read

    def go_on(self) -> None:
        """Let it go on, after it was looked at or when it came to the end of what there was."""
        with suppress(OSError):
            self._control.send(wire.ON)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to look at, or for so many seconds; says whether the process is gone."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if poll.poll(seconds * 1000):
            try:
                return not self._control.recv(64) or self._gone()
            except OSError:
                return True
        return self._gone()

    def answers(self) -> Iterator[tuple[dict[str, Any], memoryview]]:
        """Give what has been answered since the last time."""
        size = os.fstat(self._replies).st_size
        if size <= self._read:
            return
        data = os.pread(self._replies, size - self._read, self._read)
        start = self._read
        for header, body, end in wire.frames(data):
            self._read = start + end
            yield header, body

    def end(self) -> int:
        """Kill the process and all that it has started; gives the status with which it ended."""
        if self._status is None:
            # It adopts the orphans of its calls, so that they are found below it as long as it lives.
            for pid in reversed(descendants([self.pid])):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self.signal(signal.SIGKILL)
            _, self._status, _ = os.wait4(self.pid, 0)
            end_marked(*self._mark)
        return self._status

    def close(self) -> None:
        """End the process and remove its folder."""
        self.end()
        self._control.close()
        self._let_go()

    def _gone(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def _let_go(self) -> None:
        for handle in (self._calls, self._replies):
            os.close(handle)
        self.page.close()
        self.directory.close()
        remove(str(self._place))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
