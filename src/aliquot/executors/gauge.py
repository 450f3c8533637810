"""What a container uses, read from the control group that the kernel counts it in."""

import re
from collections.abc import Callable
from pathlib import Path

from aliquot.executors.processes import memory_of

_ROOT = Path("/sys/fs/cgroup")
_OF_A_CONTAINER = re.compile("[0-9a-f]{64}")


class Gauge:
    """Reads a container's counters while it runs; they vanish with it, so the last look is what remains.

    `find` gives the process id of the container's first process, None before there is one. Where the runtime may not
    make control groups (podman without root on an old kernel), its limits do not hold either; memory is then added up
    over the container's processes, for the watch to judge.
    """

    def __init__(self, find: Callable[[], int | None]) -> None:
        self._find = find
        self._pid: int | None = None
        self._counters: tuple[Path, Path, Path] | None = None
        self._unified = False
        self.cpu = 0.0
        self.oom_kills = 0

    def __call__(self, *, exact: bool = False) -> int:
        """Give the most bytes of memory that the container has held; the kernel counts shared pages once."""
        if self._pid is None:
            self._pid = self._find()
            if self._pid is None:
                return 0
            self._counters = self._locate(self._pid)
        if self._counters is None:
            return memory_of([self._pid], exact=exact)
        memory, oom, cpu = self._counters
        self.oom_kills = max(self.oom_kills, _field(oom, "oom_kill"))
        if self._unified:
            self.cpu = max(self.cpu, _field(cpu, "usage_usec") / 1e6)
        else:
            self.cpu = max(self.cpu, _number(cpu) / 1e9)
        return _number(memory)

    def _locate(self, pid: int) -> tuple[Path, Path, Path] | None:
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            return None
        groups: dict[str, str] = {}
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if _OF_A_CONTAINER.search(path):
                groups.update({name: path.lstrip("/") for name in controllers.split(",")})
        if "memory" in groups:
            memory = _ROOT / "memory" / groups["memory"]
            accounts = _ROOT / "cpuacct" / groups.get("cpuacct", groups["memory"])
            return memory / "memory.max_usage_in_bytes", memory / "memory.oom_control", accounts / "cpuacct.usage"
        if "" not in groups or not (_ROOT / groups[""] / "memory.events").exists():
            return None
        self._unified = True
        group = _ROOT / groups[""]
        return group / "memory.peak", group / "memory.events", group / "cpu.stat"


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _field(path: Path, name: str) -> int:
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(row[1]) for row in rows if row[0] == name), 0)
