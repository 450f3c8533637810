"""Who owns a working folder, and what to do with the commands of owners that are gone."""

import fcntl
import os
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path

from aliquot.executors.command import OWNER_MARK
from aliquot.executors.images import OWNER_LABEL, Runtime
from aliquot.executors.processes import bears, descendants, start_time
from aliquot.executors.working_directory import remove
from aliquot.model.errors import Unavailable

_DEADLINE = 10.0
_LOCK = ".lock"


class Owner:
    """A running executor's claim on a folder of its own below `work`.

    The claim is a locked file. The kernel lets go of the lock when the process is gone, however it went. `runtime` is
    the command that its containers were started with; it stands in the file for those who clean up after it.
    """

    def __init__(self, work: Path, runtime: str = "") -> None:
        work = work.absolute()
        work.mkdir(parents=True, exist_ok=True)
        self.name = f"{os.getpid()}-{start_time(os.getpid()) or 0}-{secrets.token_hex(4)}"
        self.folder = work / self.name
        self._lock = work / f"{self.name}{_LOCK}"
        self._handle = self._claim()
        os.write(self._handle, runtime.encode())
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


def dead_owners(work: Path) -> list[tuple[str, int]]:
    """List the owners below `work` whose process is gone, each with the lock that was taken over from it."""
    found: list[tuple[str, int]] = []
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
        found.append((path.name.removesuffix(_LOCK), handle))
    return found


def _bury(work: Path, owner: str, handle: int) -> None:
    """Remove what a dead owner left on disk, and its lock."""
    remove(str(work.absolute() / owner))
    (work.absolute() / f"{owner}{_LOCK}").unlink(missing_ok=True)
    os.close(handle)


def end_leftovers(work: Path) -> int:
    """End the commands and containers of executors that are gone, and remove their folders; gives how many they were.

    A supervisor calls it when it starts. Executors that still live, in this process or another, keep their lock and
    are not touched.
    """
    ended = 0
    for owner, handle in dead_owners(work):
        if runtime := os.pread(handle, 1024, 0).decode(errors="replace"):
            ended += _end_containers(runtime, owner)
        ended += _end_processes(owner)
        _bury(work, owner, handle)
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


def _end_processes(owner: str) -> int:
    """Kill every process that bears an owner's mark, with all that they started; gives how many there were."""
    mark = f"{OWNER_MARK}={owner}".encode()
    killed: set[int] = set()
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        marked = [pid for pid in _processes() if bears(pid, [mark])]
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
