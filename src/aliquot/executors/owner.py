"""Who owns a working folder, and how to end what an owner that is gone has left behind."""

import fcntl
import os
import secrets
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aliquot.executors.command import OWNER_MARK, TASK_MARK
from aliquot.executors.folder import remove
from aliquot.executors.images import OWNER_LABEL, Runtime
from aliquot.executors.note import NOTE
from aliquot.executors.processes import bears, descendants, start_time
from aliquot.model.errors import Unavailable

_DEADLINE = 10.0
_LOCK = ".lock"


class Owner:
    """A running executor's claim on a folder of its own below `work`.

    The claim is a locked file. The kernel lets go of the lock when the process is gone, however it went. `runtime` is
    the command that its containers were started with; it stands in the file for those who come after it.
    """

    def __init__(self, work: Path, runtime: str = "") -> None:
        self.work = work.absolute()
        self.work.mkdir(parents=True, exist_ok=True)
        self.runtime = runtime
        self.name = f"{os.getpid()}-{start_time(os.getpid()) or 0}-{secrets.token_hex(4)}"
        self.folder = self.work / self.name
        self._lock = self.work / f"{self.name}{_LOCK}"
        self._handle = self._claim()
        os.write(self._handle, f"{runtime}\n{_boot()}".encode())
        # What lies here is patients' data now and then; nobody else on the machine has to see it.
        self.folder.mkdir(mode=0o700)

    def release(self) -> None:
        """Remove the folder and let go of the claim."""
        remove(str(self.folder))
        self._lock.unlink(missing_ok=True)
        os.close(self._handle)

    def _claim(self) -> int:
        for _ in range(100):
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Another supervisor that cleans up may have taken the new file for a dead owner's and removed it.
            with suppress(FileNotFoundError):
                if self._lock.stat().st_ino == os.fstat(handle).st_ino:
                    return handle
            os.close(handle)
        raise Unavailable(
            "work-folder-contended", f"{self._lock} cannot be held; somebody keeps removing it. Try again."
        )


@dataclass(eq=False, slots=True)
class DeadOwner:
    """An owner whose process is gone, and whose claim is ours now.

    `same_boot` is false when the machine was started since: then nothing of it runs, and its files may be torn.
    """

    name: str
    folder: Path
    runtime: str
    same_boot: bool
    handle: int

    def bury(self) -> int:
        """End what it left running, remove what it left on disk, and its claim; gives how many were ended."""
        # First the notes: a folder that is half removed must not be taken for what a command has left.
        for note in self.folder.glob(f"*/{NOTE}"):
            note.unlink()
        ended = _end_containers(self.runtime, self.name) if self.runtime else 0
        if self.same_boot:
            ended += end_marked(self.name)
        remove(str(self.folder))
        self.folder.with_name(f"{self.name}{_LOCK}").unlink(missing_ok=True)
        os.close(self.handle)
        return ended

    def leave(self) -> None:
        """Let go of its claim, for others to take."""
        os.close(self.handle)


def dead_owners(work: Path) -> list[DeadOwner]:
    """List the owners below `work` whose process is gone, each with the claim that was taken over from it."""
    found: list[DeadOwner] = []
    for path in sorted(work.absolute().glob(f"*{_LOCK}")):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        if os.fstat(handle).st_nlink == 0:
            # Somebody else has buried it between our two looks.
            os.close(handle)
            continue
        name = path.name.removesuffix(_LOCK)
        runtime, _, boot = os.pread(handle, 1024, 0).decode(errors="replace").partition("\n")
        found.append(DeadOwner(name, path.with_name(name), runtime, boot == _boot(), handle))
    return found


def dead_runtimes(work: Path) -> set[str]:
    """Say which runtimes the dead owners below `work` have used; for processes it is nothing."""
    found: set[str] = set()
    for dead in dead_owners(work):
        found.add(dead.runtime)
        dead.leave()
    return found


def end_leftovers(work: Path, spared: Collection[str] = ()) -> int:
    """End the commands and containers of executors that are gone, and remove their folders; gives how many they were.

    `spared` are the runtimes (for processes: nothing) whose executors see to their own. Executors that still live, in
    this process or another, keep their claim and are not touched.
    """
    ended = 0
    for dead in dead_owners(work):
        if dead.runtime in spared:
            dead.leave()
        else:
            ended += dead.bury()
    return ended


def _end_containers(runtime: str, owner: str) -> int:
    """Remove every container that bears an owner's label; gives how many there were."""
    try:
        program = Runtime(runtime)
    except Unavailable:
        return 0
    names = program.ask("ps", "--all", "--quiet", f"--filter=label={OWNER_LABEL}={owner}").stdout.split()
    if names:
        program.remove_containers(*names)
    return len(names)


def end_marked(owner: str, task: str | None = None) -> int:
    """Kill every process with an owner's mark, or a task's of it, and all that they started; gives how many."""
    marks = [f"{OWNER_MARK}={owner}".encode()]
    if task is not None:
        marks.append(f"{TASK_MARK}={task}".encode())
    killed: set[int] = set()
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        marked = [pid for pid in _processes() if bears(pid, marks)]
        if not marked:
            break
        for pid in descendants(marked):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        # They are not our children, so there is nothing to wait for but their disappearance.
        time.sleep(0.01)
    return len(killed)


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


@cache
def _boot() -> str:
    """Name the time since the machine was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
