"""A supervisor that is itself held up for long blames no command for that."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_folder import LabFolder
from waiting import until

COUNT = 8
LIMIT = 2.0
PIPELINE = """
pipeline: pauses
inputs: {{texts: {{dataset: texts}}}}
steps:
  pause:
    inputs: {{file: {{from: texts, glob: "/{{name}}"}}}}
    {work}
    resources: {{time: {limit}s}}
    retry: {{on: {{timeout: 1}}}}
outputs: {{pauses: {{from: pause, publish: pauses}}}}
"""
COMMAND = 'command: \'touch MARKS/began-$NAME; sleep 0.5; cp "$FILE" "$OUT/"; touch MARKS/ended-$NAME\''
STEP = """
import time
from pathlib import Path

import aliquot

@aliquot.step
def pause(file: Path, out: Path, name: str):
    Path("MARKS", f"began-{name}").touch()
    time.sleep(0.5)
    (out / name).write_bytes(file.read_bytes())
    Path("MARKS", f"ended-{name}").touch()
"""


@pytest.mark.parametrize("kind", ["command", "python"])
def test_what_ended_in_time_is_not_told_to_have_taken_too_long(tmp_path: Path, kind: str) -> None:
    lab, marks = make_lab(tmp_path, kind, COUNT)
    with all_well(lab) as worker:
        until(lambda: any(marks.glob("began-*")))
        os.kill(worker.pid, signal.SIGSTOP)
        began = len(list(marks.glob("began-*")))
        until(lambda: len(list(marks.glob("ended-*"))) >= began)
        time.sleep(LIMIT + 0.5)  # the longest that a command may take goes by: the moment is the test
        os.kill(worker.pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["command", "python"])
def test_what_is_next_does_not_pay_for_it(tmp_path: Path, kind: str) -> None:
    lab, marks = make_lab(tmp_path, kind, 1)
    with all_well(lab) as worker:
        for _ in range(3):
            count = len(list(marks.glob("began-*")))
            until(lambda count=count: worker.poll() is not None or len(list(marks.glob("began-*"))) > count)
            os.kill(worker.pid, signal.SIGSTOP)
            time.sleep(LIMIT + 0.2)  # as above; meanwhile the one that makes them goes on to the next ones
            os.kill(worker.pid, signal.SIGCONT)


@contextmanager
def all_well(lab: LabFolder) -> Iterator[subprocess.Popen[bytes]]:
    """Work on the lab's run in a process of its own, to its end; no datum may be parked then."""
    worker = lab.start("worker", "--until-idle")
    try:
        yield worker
        assert worker.wait(60) == 0, lab.run("run", "show", "1", expect=None).stdout
    finally:
        worker.kill()
    (run,) = lab.json("run", "list")
    assert (run["state"], run["parked"]) == ("COMPLETE", 0)


def make_lab(folder: Path, kind: str, workers: int) -> tuple[LabFolder, Path]:
    """Make a lab with a run that waits to be worked on, and the folder in which its tasks leave their marks."""
    lab = LabFolder(folder)
    marks = folder / "marks"
    marks.mkdir()
    lab.write("aliquot.yaml", f"lab: held\nexecutor: {{kind: process, workers: {workers}}}\n")
    work = COMMAND.replace("MARKS", str(marks)) if kind == "command" else "python: steps.work:pause"
    lab.write("pipelines/pauses.yaml", PIPELINE.format(work=work, limit=LIMIT))
    lab.write("steps/work.py", STEP.replace("MARKS", str(marks)))
    for number in range(COUNT):
        lab.write(f"files/t{number}", f"text {number}")
    lab.run("apply")
    lab.run("ingest", "texts", "files")
    lab.run("run", "start", "pauses")
    return lab, marks
