"""`aliquot worker` processes share the runs of a lab; one that is killed or stopped for long does no harm."""

import os
import signal
import time
from pathlib import Path

import pytest

from lab_folder import LabFolder
from waiting import until

FILES = 60
PIPELINE = """
pipeline: copies
inputs: {texts: {dataset: texts}}
steps:
  copy:
    inputs: {file: {from: texts, glob: "/{name}"}}
    command: |
      echo "$NAME $ALIQUOT_OWNER" >> "JOURNAL"
      sleep 0.1
      cp "$FILE" "$OUT/"
outputs: {copies: {from: copy, publish: copies}}
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_three_workers_share_a_run(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    lab = LabFolder(tmp_path)
    url = request.getfixturevalue("postgresql_database") if kind == "postgresql" else "sqlite:///.aliquot/catalogue.db"
    journal = tmp_path / "journal"
    journal.touch()
    lab.write("aliquot.yaml", f"lab: shared\ncatalogue: {url}\nexecutor: {{kind: process, workers: 1}}\n")
    lab.write("pipelines/copies.yaml", PIPELINE.replace("JOURNAL", str(journal)))
    for number in range(FILES):
        lab.write(f"files/t{number:02d}", f"text {number}")
    lab.environment["ALIQUOT_LEASE"] = "4"
    lab.run("apply")
    lab.run("ingest", "texts", "files")
    lab.run("run", "start", "copies", "--publish")
    processes = [lab.start("worker", "--workers", "1") for _ in range(3)]
    try:
        until(lambda: len({line.split()[1] for line in journal.read_text().splitlines()}) == 3)
        # One hangs for longer than its lease, one is killed: the third, and the first when it wakes, go on.
        os.kill(processes[0].pid, signal.SIGSTOP)
        processes[1].kill()
        time.sleep(6)  # longer than the lease: the moment is the test
        os.kill(processes[0].pid, signal.SIGCONT)
        rest = lab.json("worker", "--until-idle", expect=None)
        assert {each["state"] for each in rest["runs"]} <= {"COMPLETE"}
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)
    (run,) = lab.json("run", "list")
    assert (run["state"], run["parked"]) == ("COMPLETE", 0)
    assert len(lab.json("dataset", "files", "copies")) == FILES
    assert {line.split()[0] for line in journal.read_text().splitlines()} == {f"t{n:02d}" for n in range(FILES)}
    lab.run("worker", "--until-idle")
    assert list((tmp_path / ".aliquot" / "work").iterdir()) == []
