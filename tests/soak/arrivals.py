"""`make soak-arrivals`: files come to a folder and two buckets while everything that takes them in is killed.

`python tests/soak/arrivals.py --arrivals N --kills N --seed N --catalogue KIND --folder PLACE`. Events about
the files come late, twice, in any order, and one in five never. A failure prints the seed and keeps the folder.
"""

import argparse
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import pytest

from aliquot.db import Catalogue, open_catalogue
from azurite import Azurite, azurite_of
from bucket import Bucket, bucket_of
from postgresql import running_cluster
from soak.arrivals_checks import arrival_faults, missing_of, runs_wait
from soak.arrivals_lab import Arrival, ArrivalsLab, Events
from soak.checks import faults_of
from soak.lab import say

SQLITE = "sqlite:///.aliquot/catalogue.db"
_PATIENCE = 1800.0
_AT_ONCE = 12


@dataclass(frozen=True)
class Plan:
    """How many files come; how often something is killed, up to `pause` seconds apart; what part no event tells of."""

    arrivals: int
    kills: int
    seed: int
    pause: float = 12.0
    dropped: float = 0.2


@dataclass
class Report:
    """What was seen: events that were sent and dropped, what was wrong in the end."""

    sent: int = 0
    lost: int = 0
    kills: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list[str])


class Keepers:
    """The processes that keep the lab alive; one that was killed comes back."""

    def __init__(self, lab: ArrivalsLab) -> None:
        self._lab = lab
        self._running: list[subprocess.Popen[bytes]] = [lab.start(*words) for words in lab.commands]

    def kill(self, chance: random.Random) -> None:
        """Kill one, or now and then all, and start them again."""
        every = range(len(self._running))
        for place in every if chance.random() < 0.2 else [chance.choice(every)]:
            self._require_alive(place)
            self._running[place].kill()
            self._running[place].wait()
            self._running[place] = self._lab.start(*self._lab.commands[place])

    def end(self) -> None:
        """End all in order."""
        for place, each in enumerate(self._running):
            self._require_alive(place)
            each.send_signal(signal.SIGTERM)
        for each in self._running:
            if each.wait(120) != 0:
                raise AssertionError(f"a process did not end in order: exit {each.returncode}")

    def abandon(self) -> None:
        """Kill all; for when something has failed already."""
        for each in self._running:
            if each.poll() is None:
                each.kill()
                each.wait()

    def _require_alive(self, place: int) -> None:
        code = self._running[place].poll()
        if code is not None:
            raise AssertionError(f"{self._lab.commands[place][0]} ended by itself: exit {code}")


def soak_arrivals(folder: Path, plan: Plan, catalogue_url: str, s3: Bucket, azure: Azurite) -> Report:
    """Let files come to a lab that is killed again and again, and check what it has made of them."""
    began, chance = time.monotonic(), random.Random(plan.seed)
    lab = ArrivalsLab(folder / "lab", catalogue_url, s3, azure)
    catalogue = open_catalogue(catalogue_url, lab.folder)
    events, report = Events(lab, chance, plan.dropped), Report()
    keepers = Keepers(lab)
    try:
        deaths = sorted(chance.sample(range(1, plan.arrivals), plan.kills))
        number = 0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for death in [*deaths, plan.arrivals]:
                pause = chance.uniform(0, plan.pause) / max(1, death - number)
                _send(lab, events, pool, range(number, death), chance, pause)
                number = death
                if number < plan.arrivals:
                    keepers.kill(chance)
                    report.kills += 1
                    say(f"{number:,} arrivals, {report.kills} kills, {time.monotonic() - began:.0f} s")
        events.flush()
        _await(catalogue, lab)
        keepers.end()
    finally:
        keepers.abandon()
    report.sent, report.lost = events.sent, events.lost
    report.faults = [*arrival_faults(catalogue, lab.places), *faults_of(catalogue)]
    catalogue.close()
    lab.run("dataset", "verify", seconds=600)
    report.seconds = time.monotonic() - began
    return report


def _send(
    lab: ArrivalsLab, events: Events, pool: ThreadPoolExecutor, numbers: range, chance: random.Random, pause: float
) -> None:  # fmt: skip
    """Let files come, several at once, and events tell of them when they are there."""
    under_way: deque[Future[Arrival]] = deque()
    for number in numbers:
        under_way.append(pool.submit(lab.put, lab.choose(number, chance)))
        time.sleep(pause)
        while under_way and (len(under_way) >= _AT_ONCE or number == numbers[-1]):
            arrival = under_way.popleft().result()
            lab.note(arrival)
            events.of(arrival)


def _await(catalogue: Catalogue, lab: ArrivalsLab) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (missing := missing_of(catalogue, lab.places)) or runs_wait(catalogue, lab.places):
        if time.monotonic() > deadline:
            raise AssertionError(f"{missing} files are not taken in, or a run has not ended, after {_PATIENCE:.0f} s")
        time.sleep(0.5)


def main() -> int:
    """Soak as the command line says; gives the exit code."""
    words = argparse.ArgumentParser()
    words.add_argument("--arrivals", type=int, default=10_000)
    words.add_argument("--kills", type=int, default=50)
    words.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    words.add_argument("--catalogue", choices=["sqlite", "postgresql"], default="sqlite")
    words.add_argument("--folder", type=Path)
    given = words.parse_args()
    plan = Plan(given.arrivals, given.kills, given.seed)
    folder = Path(tempfile.mkdtemp(prefix="aliquot-arrivals-", dir=given.folder))
    say(f"{given.catalogue}: seed {plan.seed}, {plan.arrivals:,} arrivals, {plan.kills} kills, in {folder}")
    with ExitStack() as stack:
        s3 = stack.enter_context(bucket_of(stack.enter_context(pytest.MonkeyPatch.context())))
        azure = stack.enter_context(azurite_of())
        url = SQLITE
        if given.catalogue == "postgresql":
            cluster = stack.enter_context(running_cluster())
            url = cluster.url(cluster.create())
        report = soak_arrivals(folder, plan, url, s3, azure)
    told = f"{report.kills} kills, {report.sent:,} events sent and {report.lost:,} dropped, {report.seconds:.0f} s"
    print(f"{given.catalogue}: seed {plan.seed}, {plan.arrivals:,} arrivals, {told}")
    if report.faults:
        say("\n".join(report.faults[:50]))
        say(f"FAILED with seed {plan.seed}: {len(report.faults)} faults. Everything is kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
