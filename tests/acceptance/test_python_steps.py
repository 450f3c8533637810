"""Steps that are Python functions, through the real command line."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_folder import LabFolder

SETTINGS = "lab: warm\nexecutor: {kind: process, workers: 2}\n"
PIPELINE = """
pipeline: peaks
parameters: {window: {type: integer, default: 2}, wait: {type: number, default: 0}}
inputs: {spectra: {dataset: spectra}}
steps:
  smooth:
    inputs: {spectrum: {from: spectra, glob: "/{name}.txt"}}
    python: steps.work:smooth
    bundle: [steps/numbers_of.py]
    resources: {memory: 300MiB, time: 5s}
    exports: {top: top}
  total:
    inputs: {parts: {from: smooth, glob: "/"}}
    parameters: []
    python: steps.work:total
    bundle: [steps/numbers_of.py]
outputs: {smoothed: {from: smooth, publish: smoothed}, total: {from: total, publish: total}}
"""
NUMBERS = "def numbers(text): return [int(each) for each in text.split()]\n"
WORK = """
import os, sys, time
from pathlib import Path
import aliquot
from steps.numbers_of import numbers

kept = []

@aliquot.step
def smooth(spectrum: Path, out: Path, name: str, window: int, wait: float):
    time.sleep(wait)
    values = numbers(spectrum.read_text())
    if name == "die": os._exit(4)
    if name == "hang": time.sleep(1000)
    if name == "raise": raise ValueError("negative intensity")
    if name == "leak":
        kept.append(bytearray(600 * 2**20)); time.sleep(1000)
    if name == "shout":
        for _ in range(150): os.write(1, b"x" * 10**6)
    (out / f"{name}.txt").write_text(" ".join(str(sum(values[max(0, i - window) : i + window + 1])) for i, _ in
        enumerate(values)))
    return {"top": max(values)}

@aliquot.step
def total(parts: dict[str, bytes]) -> aliquot.Files:
    return aliquot.Files({"total": str(sum(sum(numbers(each.decode())) for each in parts.values()))})
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("pipelines/peaks.yaml", PIPELINE)
    lab.write("steps/work.py", WORK)
    lab.write("steps/numbers_of.py", NUMBERS)
    lab.run("apply")
    return lab


def _give(lab: LabFolder, *names: str) -> None:
    for position, name in enumerate(names):
        lab.write(f"given/{name}.txt", f"{position} 1 2 3")
    lab.run("ingest", "spectra", "given")


def test_a_lab_with_python_steps(lab: LabFolder) -> None:
    _give(lab, *(f"s{n:03d}" for n in range(200)))
    assert lab.json("run", "start", "peaks", "--publish", "--wait")["state"] == "COMPLETE"
    lab.run("dataset", "export", "total", "out")
    expected = sum(sum([n + 3, n + 6, n + 6, 6]) for n in range(200))
    assert (lab.folder / "out/total").read_text() == str(expected)
    again = lab.json("run", "start", "peaks", "--publish", "--wait")
    assert [(each["ran"], each["skipped"]) for each in again["steps"]] == [(0, 200), (0, 1)]
    lab.write("steps/numbers_of.py", NUMBERS + "# changed\n")
    lab.run("apply")
    changed = lab.json("run", "start", "peaks", "--wait")
    assert [(each["ran"], each["skipped"]) for each in changed["steps"]] == [(200, 0), (1, 0)]
    why = lab.run("run", "why", str(changed["run"]), "smooth/1").stdout
    assert "steps/numbers_of.py" in why
    assert "steps.work:smooth" in lab.run("pipeline", "show", "peaks").stdout


def test_bad_datums_are_parked_and_the_others_are_done(lab: LabFolder) -> None:
    bad = {"die": "user", "hang": "timeout", "raise": "user", "leak": "oom"}
    _give(lab, *(f"s{n}" for n in range(30)), "shout", *bad)
    run = lab.json("run", "start", "peaks", "--wait", expect=1)
    shown = lab.json("run", "show", str(run["run"]))
    assert (shown["state"], shown["parked"]) == ("COMPLETE", 4), [each["message"] for each in shown["parked_tasks"]]
    found = {each["datum"].strip("/").removesuffix(".txt"): each for each in shown["parked_tasks"]}
    assert {name: each["cause"] for name, each in found.items()} == bad
    assert "exit code 4" in found["die"]["message"]
    assert "ValueError: negative intensity" in found["raise"]["message"]
    assert found["raise"]["tail"].endswith("ValueError: negative intensity")
    assert shown["steps"][0]["ran"] == 31


def test_up_is_killed_and_the_work_is_done_by_the_next(lab: LabFolder) -> None:
    _give(lab, *(f"s{n}" for n in range(40)))
    number = lab.json("run", "start", "peaks", "-p", "wait=0.1", "--publish")["run"]
    first = lab.start("up")
    _until(lambda: bool(_workers()))
    _until(lambda: lab.json("run", "show", str(number))["steps"][0]["ran"] > 0)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    _until(lambda: not _workers())
    lab.run("up", "--until-idle")
    shown = lab.json("run", "show", str(number))
    assert (shown["state"], shown["steps"][0]["ran"]) == ("COMPLETE", 40)
    assert list((lab.folder / ".aliquot/work").iterdir()) == []


def _workers() -> list[int]:
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"aliquot.executors.warm_worker\0steps.work:smooth" in line:
            found.append(int(folder.name))
    return found


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.02)
