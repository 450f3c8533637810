"""Sweeping through the command line: what it says, what it frees, and kill -9 at any moment of it."""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from lab_folder import LabFolder

KILLS = 10
FILES = 40

SETTINGS = """
lab: sweep-test
executor: {kind: process, workers: 2}
retention: {runs: 1d, intermediates: 1d, logs: 1d, grace: 1d}
"""
PIPELINE = """
pipeline: grow
parameters: {round: {type: integer, default: 0}}
inputs: {seeds: {dataset: seeds}}
steps:
  grow:
    inputs: {seed: {from: seeds, glob: "/"}}
    command: |
      echo growing
      for i in $(seq 40); do
        yes "$i $ROUND" | head -c $(( i * 10000 )) > "$OUT/$i"
      done
  count:
    inputs: {all: {from: grow, glob: "/"}}
    command: cat "$ALL"/* | wc -c > "$OUT/count"
outputs:
  count: {from: count, publish: counts}
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    made = LabFolder(tmp_path)
    made.write("aliquot.yaml", SETTINGS)
    made.write("pipelines/grow.yaml", PIPELINE)
    seed = made.write("seed.txt", "a seed\n")
    made.run("apply")
    made.run("ingest", "seeds", str(seed))
    return made


def _age(lab: LabFolder) -> None:
    """Let three days pass, for the catalogue and for the store."""
    with sqlite3.connect(lab.folder / ".aliquot" / "catalogue.db", timeout=30) as catalogue:
        catalogue.execute("UPDATE run SET ended_at = ended_at - 259200 WHERE ended_at IS NOT NULL")
        catalogue.execute("UPDATE blob SET doomed_at = doomed_at - 259200 WHERE doomed_at IS NOT NULL")
        catalogue.execute("UPDATE emptied_pack SET emptied_at = emptied_at - 259200")
    for path in (lab.folder / ".aliquot" / "store").rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - 259_200
            os.utime(path, (then, then))


def _bytes(lab: LabFolder) -> int:
    store = lab.folder / ".aliquot" / "store"
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def test_sweep_says_what_would_go_and_lets_it_go_in_two_steps(lab: LabFolder) -> None:
    lab.run("run", "start", "grow", "--publish", "--wait")
    assert "nothing to remove" in lab.run("sweep", "--dry-run").stderr
    assert "sweep-unconfirmed" in lab.run("sweep", expect=2).stderr
    _age(lab)
    promised = lab.json("sweep", "--dry-run")
    assert promised["reasons"]["intermediate"]["later"] == FILES
    assert promised["total"]["now"] == 0
    before = _bytes(lab)
    lab.run("sweep", "--yes")
    assert _bytes(lab) == before
    _age(lab)
    done = lab.json("sweep", "--yes")
    assert done["reasons"]["intermediate"]["now"] == FILES
    assert before - _bytes(lab) == done["freed"] > 5_000_000
    lab.run("admin", "verify")
    again = lab.json("run", "start", "grow", "--publish", "--wait")
    assert again["state"] == "COMPLETE"
    assert all(step["ran"] == 0 for step in again["steps"])


@pytest.mark.timeout(600)
def test_a_sweep_killed_at_any_moment_loses_nothing(lab: LabFolder) -> None:
    chance = random.Random(os.environ.get("ALIQUOT_SEED", "7"))
    killed = 0
    for number in range(KILLS):
        lab.run("run", "start", "grow", "-p", f"round={number % 3}", "--publish", "--wait")
        _age(lab)
        lab.run("sweep", "--yes")
        _age(lab)
        process = lab.start("sweep", "--yes")
        moment = time.monotonic() + chance.uniform(0.2, 1.0)
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.005)  # the random moment is the test
        killed += process.poll() is None
        os.kill(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
        lab.run("admin", "verify")
    assert killed >= 2, "every sweep had ended before it was killed"
    for _ in range(4):
        _age(lab)
        lab.run("sweep", "--yes")
    assert lab.json("sweep", "--dry-run")["total"] == {"now": 0, "now_bytes": 0, "later": 0, "later_bytes": 0}
    lab.run("admin", "verify")
    lab.run("admin", "rebuild", "--into", "sqlite:///rebuilt.db")
    target = lab.folder / "exported"
    lab.run("dataset", "export", "counts", str(target))
    assert (target / "count").read_text().strip() == str(sum(each * 10_000 for each in range(1, FILES + 1)))
    assert _bytes(lab) < 1_000_000
