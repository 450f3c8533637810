"""`make soak`: labs that are troubled at random must end as one that was not.

`python tests/soak/run.py --events N --seed N --tasks N --catalogue sqlite|postgresql|both --folder PLACE`.
A failure prints the seed and keeps the folder.
"""

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import select

from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import load, run
from aliquot.model.state import ENDED
from postgresql import USER, Cluster, running_cluster
from soak.checks import faults_of, hub_rows, leftovers_of, outcome_of
from soak.lab import SoakLab, say
from soak.troubles import Supervisors, Troubles
from tcp_proxy import Proxy

SQLITE = "sqlite:///.aliquot/catalogue.db"
_PATIENCE = 600.0


@dataclass
class Plan:
    """How a lab is soaked: `pause` is the longest time between two troubles, in seconds."""

    events: int
    seed: int
    tasks: int = 2000
    lease: float = 3.0
    pause: float = 1.5


@dataclass
class Report:
    """What a soak has seen: troubles by kind, runs, tasks, faults."""

    troubles: Counter[str] = field(default_factory=Counter[str])
    runs: int = 0
    tasks: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list[str])


def soak(folder: Path, plan: Plan, cluster: Cluster | None = None) -> Report:
    """Trouble a lab on SQLite with two supervisors, or on a cluster of PostgreSQL with three, and check it."""
    with _catalogue(cluster) as (url, direct, proxy):
        lab = SoakLab(folder / "soaked", url, plan.tasks, plan.seed, plan.lease)
        catalogue = open_catalogue(direct, lab.folder)
        try:
            return _soak(folder, lab, catalogue, plan, proxy)
        finally:
            catalogue.close()


def _soak(folder: Path, lab: SoakLab, catalogue: Catalogue, plan: Plan, proxy: Proxy | None) -> Report:
    began = time.monotonic()
    chance = random.Random(plan.seed)
    supervisors = Supervisors(lab, 3 if proxy else 2)
    troubles = Troubles(lab, supervisors, chance, plan.lease)
    troubles.proxy = proxy
    report = Report(troubles.made)
    numbers: list[int] = []
    try:
        while troubles.made.total() < plan.events:
            lab.add_round(len(numbers) + 1)
            numbers.append(lab.start_run())
            while troubles.made.total() < plan.events and not _has_ended(catalogue, numbers[-1]):
                supervisors.tend()
                time.sleep(chance.uniform(0, plan.pause))
                troubles.one()
            troubles.settle()
            say(f"run {numbers[-1]}: {dict(troubles.made)}, {time.monotonic() - began:.0f} s")
        _end_undisturbed(catalogue, supervisors)
    finally:
        troubles.settle()
        supervisors.abandon()
    lab.run("up", "--until-idle", expect=None, seconds=300)
    report.runs = len(numbers)
    report.faults = [*faults_of(catalogue), *leftovers_of(lab)]
    report.faults += _differences(folder, lab, catalogue, plan, numbers, report)
    lab.run("dataset", "verify")
    report.seconds = time.monotonic() - began
    return report


def _end_undisturbed(catalogue: Catalogue, supervisors: Supervisors) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _anything_open(catalogue):
        if time.monotonic() > deadline:
            raise AssertionError(f"what was left undisturbed did not end within {_PATIENCE:.0f} s")
        supervisors.tend()
        time.sleep(0.2)
    supervisors.end()


def _differences(
    folder: Path, lab: SoakLab, catalogue: Catalogue, plan: Plan, numbers: list[int], report: Report
) -> list[str]:
    """Do the same in a lab of its own that nobody disturbs, and say what came out otherwise."""
    calm = SoakLab(folder / "calm", SQLITE, plan.tasks, plan.seed, 60.0)
    faults: list[str] = []
    other = open_catalogue(SQLITE, calm.folder)
    try:
        for place, number in enumerate(numbers, 1):
            calm.add_round(place)
            wanted = calm.start_run()
            calm.run("up", "--until-idle", expect=None, seconds=_PATIENCE)
            expected, found = outcome_of(other, wanted), outcome_of(catalogue, number)
            report.tasks += sum(expected["tasks"].values())
            if expected["state"] not in ENDED or not expected["versions"]:
                faults.append(f"the undisturbed run {wanted} is {expected['state']} and published nothing")
            faults += [
                f"run {number}: {name} is {_short(found[name])}, undisturbed {_short(expected[name])}"
                for name in expected
                if found[name] != expected[name]
            ]
        faults += [f"undisturbed: {each}" for each in faults_of(other)]
    finally:
        other.close()
    if hub_rows(calm) != hub_rows(lab):
        faults.append("the table in the hub has other rows")
    return faults


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 600 else f"{text[:600]}…"


def _has_ended(catalogue: Catalogue, number: int) -> bool:
    with catalogue.read() as connection:
        return connection.execute(select(run.c.state).where(run.c.id == number)).scalar_one() in ENDED


def _anything_open(catalogue: Catalogue) -> bool:
    with catalogue.read() as connection:
        runs = connection.execute(select(run.c.id).where(run.c.state.not_in(ENDED)).limit(1)).first()
        loads = connection.execute(select(load.c.id).where(load.c.state == "WAITING").limit(1)).first()
    return bool(runs or loads)


@contextmanager
def _catalogue(cluster: Cluster | None) -> Generator[tuple[str, str, Proxy | None]]:
    """Give the URL of an empty catalogue for the lab, the one for us, and what stands between."""
    if cluster is None:
        yield SQLITE, SQLITE, None
        return
    name = cluster.create()
    direct = cluster.url(name)
    proxy = Proxy(Path(unquote(direct.partition("?host=")[2])) / ".s.PGSQL.5432")
    try:
        yield f"postgresql://{USER}@127.0.0.1:{proxy.port}/{name}", direct, proxy
    finally:
        proxy.close()
        cluster.drop(name)


def main() -> int:
    """Soak as the command line says; gives the exit code."""
    words = argparse.ArgumentParser()
    words.add_argument("--events", type=int, default=1000)
    words.add_argument("--tasks", type=int, default=2000)
    words.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    words.add_argument("--catalogue", choices=["sqlite", "postgresql", "both"], default="both")
    words.add_argument("--folder", type=Path)
    given = words.parse_args()
    plan = Plan(given.events, given.seed, given.tasks)
    failed = False
    for kind in ("sqlite", "postgresql") if given.catalogue == "both" else (given.catalogue,):
        folder = Path(tempfile.mkdtemp(prefix=f"aliquot-soak-{kind}-", dir=given.folder))
        say(f"{kind}: seed {plan.seed}, {plan.events} events, in {folder}")
        try:
            if kind == "postgresql":
                with running_cluster() as cluster:
                    report = soak(folder, plan, cluster)
            else:
                report = soak(folder, plan)
        except (AssertionError, OSError) as error:
            say(f"{kind}: FAILED with seed {plan.seed}: {error}\nEverything is kept in {folder}")
            failed = True
            continue
        told = ", ".join(f"{name} {times}" for name, times in sorted(report.troubles.items()))
        print(f"{kind}: seed {plan.seed}, {report.runs} runs, {report.tasks:,} tasks, {report.seconds:.0f} s: {told}")
        if report.faults:
            say("\n".join(report.faults[:50]))
            say(f"{kind}: FAILED with seed {plan.seed}: {len(report.faults)} faults. Everything is kept in {folder}")
            failed = True
        else:
            shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
