"""What happens to a lab that is soaked: kills, hangs, a catalogue that is gone."""

import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from soak import processes
from soak.lab import SoakLab
from tcp_proxy import Proxy

KINDS = {"kill supervisor": 5, "kill shepherd": 3, "kill command": 4, "stop supervisor": 2, "catalogue gone": 2}

_OUT_OF_REACH = 5
_START = 30.0
"""Seconds in which one that starts while its catalogue is gone may say so and end; a running one goes on."""


class Supervisors:
    """The supervisors of a lab, each a process of its own that is started again when it is gone."""

    def __init__(self, lab: SoakLab, count: int) -> None:
        self._lab = lab
        self._words: Sequence[Sequence[str]] = [("up",), *[("worker", "--workers", "2")] * (count - 1)]
        self._running: list[subprocess.Popen[bytes] | None] = [None] * count
        self._due = [0.0] * count
        self._began = [0.0] * count
        self.stopped: set[int] = set()

    def tend(self) -> None:
        """Start those that are not there and whose time has come."""
        for place, process in enumerate(self._running):
            if process is not None and process.poll() is not None:
                age = time.monotonic() - self._began[place]
                if process.returncode != _OUT_OF_REACH or age > _START:
                    raise AssertionError(f"a supervisor ended by itself: exit {process.returncode}, {age:.0f} s old")
                self._running[place] = None
                self._due[place] = time.monotonic() + 1.0
            if self._running[place] is None and time.monotonic() >= self._due[place]:
                self._running[place] = self._lab.start(*self._words[place])
                self._began[place] = time.monotonic()

    def kill(self, chance: random.Random) -> bool:
        """Kill one; it comes back after a while."""
        found = [place for place, each in enumerate(self._running) if each is not None and place not in self.stopped]
        if not found:
            return False
        place = chance.choice(found)
        process = self._running[place]
        assert process is not None
        process.kill()
        process.wait()
        self._running[place] = None
        self._due[place] = time.monotonic() + chance.choice([0.0, 0.0, chance.uniform(0, 5)])
        return True

    def stop_for(self, chance: random.Random, seconds: float) -> bool:
        """Let one hang for so long; the others go on meanwhile."""
        found = [place for place, each in enumerate(self._running) if each is not None and place not in self.stopped]
        if len(found) < 2:
            return False
        place = chance.choice(found)
        process = self._running[place]
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        self.stopped.add(place)

        def wake() -> None:
            process.send_signal(signal.SIGCONT)
            self.stopped.discard(place)

        threading.Timer(seconds, wake).start()
        return True

    def end(self) -> None:
        """End all of them in order."""
        for each in self._running:
            if each is not None:
                each.send_signal(signal.SIGTERM)
        for each in self._running:
            if each is not None and each.wait(60) not in {0, -signal.SIGKILL}:
                raise AssertionError(f"a supervisor did not end in order: exit {each.returncode}")

    def abandon(self) -> None:
        """Kill all of them; for when something has failed already."""
        for each in self._running:
            if each is not None and each.poll() is None:
                each.send_signal(signal.SIGCONT)
                each.kill()
                each.wait()


class Troubles:
    """Makes one random trouble after another; `proxy` stands before a catalogue that is a server."""

    def __init__(self, lab: SoakLab, supervisors: Supervisors, chance: random.Random, lease: float) -> None:
        self._lab = lab
        self._supervisors = supervisors
        self._chance = chance
        self._lease = lease
        self.proxy: Proxy | None = None
        self.made: Counter[str] = Counter()
        self._under_way: list[threading.Thread] = []

    def one(self) -> None:
        """Make one trouble, if there is something to trouble."""
        kind = self._chance.choices(list(KINDS), weights=list(KINDS.values()))[0]
        if self._make(kind):
            self.made[kind] += 1

    def settle(self) -> None:
        """Wait until those that last for a while are over."""
        for each in self._under_way:
            each.join()
        while self._supervisors.stopped:
            time.sleep(0.05)

    def _make(self, kind: str) -> bool:
        match kind:
            case "kill supervisor":
                return self._supervisors.kill(self._chance)
            case "kill shepherd":
                return self._kill(processes.shepherds)
            case "kill command":
                return self._kill(processes.commands)
            case "stop supervisor":
                return self._supervisors.stop_for(self._chance, self._chance.uniform(1.2, 2) * self._lease)
            case _:
                return self._part_from_catalogue()

    def _kill(self, find: Callable[[Path], list[int]]) -> bool:
        found = find(self._lab.folder)
        if not found:
            return False
        processes.send([self._chance.choice(found)], signal.SIGKILL)
        return True

    def _part_from_catalogue(self) -> bool:
        if any(each.is_alive() for each in self._under_way):
            return False
        seconds = self._chance.choice([0.1, 1.0, 1.5 * self._lease])
        hangs = self._chance.random() < 0.3
        thread = threading.Thread(target=self._be_gone, args=(seconds, hangs), name="gone")
        self._under_way = [thread]
        thread.start()
        return True

    def _be_gone(self, seconds: float, hangs: bool) -> None:  # by a thread
        if self.proxy:
            if hangs:
                self.proxy.hang()
            else:
                self.proxy.cut()
            time.sleep(seconds)
            self.proxy.open()
            return
        path = self._lab.folder / self._lab.catalogue.removeprefix("sqlite:///")
        with sqlite3.connect(path, timeout=60, isolation_level=None) as holder, suppress(sqlite3.OperationalError):
            holder.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            holder.execute("ROLLBACK")
        holder.close()
