"""kill -9 at any moment: nothing is lost, nothing doubled, every run ends."""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from lab_folder import LabFolder
from waiting import until

KILLS = 30
FILES_A_ROUND = 3
BEGINS = "begins (new version)"
"""What `aliquot up` says of a run that it starts."""

SETTINGS = """
lab: kill-test
executor: {kind: process, workers: 2}
sources:
  drop:
    watch: ./inbox
    settled: {quiet: 50ms}
    accept: [{type: numbers, into: numbers}]
"""
TYPE = """
type: numbers
recognise: {name: "*.csv", columns: [name, n]}
format: table
table:
  fields:
    - {name: name, type: string, constraints: {required: true}}
    - {name: n, type: integer, constraints: {minimum: 0}}
"""
PIPELINE = """
pipeline: squares
inputs: {numbers: {dataset: numbers}}
steps:
  square:
    inputs: {file: {from: numbers, glob: "/{name}.csv"}}
    command: |
      sleep 0.$(( $$ % 9 ))
      awk -F, 'NR == 1 { print "name,n" } NR > 1 { print $1 "," $2 * $2 }' "$FILE" > "$OUT/$NAME.csv"
  total:
    inputs: {files: {from: square, glob: "/"}}
    command: cat "$FILES"/*.csv | awk -F, '$1 != "name" { s += $2 } END { print s }' > "$OUT/total"
outputs:
  squares: {from: square, publish: squares}
  total: {from: total, publish: total}
tables:
  squares:
    from: square
    mode: upsert
    key: [name]
    schema: {fields: [{name: name, type: string}, {name: n, type: integer}]}
trigger: {new_version: [numbers]}
"""


def _wait_until_up(log: Path, times: int) -> None:
    deadline = time.monotonic() + 60
    while log.read_text().count("is up") < times:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.01)


@pytest.mark.timeout(600)
def test_a_lab_killed_thirty_times_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/numbers.yaml", TYPE)
    lab.write("pipelines/squares.yaml", PIPELINE)
    (tmp_path / "inbox").mkdir()
    lab.run("apply")
    chance = random.Random(os.environ.get("ALIQUOT_SEED", "41"))
    expected: dict[str, int] = {}
    for kill in range(1, KILLS + 1):
        for _ in range(FILES_A_ROUND):
            number = len(expected) + 1
            expected[f"n{number}"] = number
            draft = lab.write(f"draft-{number}", f"name,n\nn{number},{number}\n")
            draft.rename(tmp_path / "inbox" / f"n{number}.csv")
        process = lab.start("up", "--no-pages")
        log = tmp_path / "background.log"
        _wait_until_up(log, kill)
        if kill % 3 == 0:
            # However slow the machine is, some of the kills come while a run is under way.
            begun = log.read_text().count(BEGINS)
            until(lambda log=log, begun=begun: log.read_text().count(BEGINS) > begun)
        moment = time.monotonic() + chance.uniform(0.0, 1.2)
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.01)  # the random moment is the test
        assert process.poll() is None, (tmp_path / "background.log").read_text()[-3000:]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    lab.run("up", "--until-idle", expect=None, seconds=300)
    rest = lab.up()
    assert rest["runs"] == []
    assert not rest["failed"]

    files = lab.json("dataset", "files", "numbers")
    assert sorted(each["path"] for each in files) == sorted(f"/{name}.csv" for name in expected)
    receipts = lab.json("receipts", "list", "--limit", "10000")
    assert sorted(each["path"] for each in receipts) == sorted(f"/{name}.csv" for name in expected)
    states = {each["state"] for each in lab.json("run", "list", "--limit", "10000")}
    assert states == {"COMPLETE"}

    rows = lab.json("hub", "query", "SELECT name, n FROM squares", "--limit", "10000")["rows"]
    assert sorted((row["name"], row["n"]) for row in rows) == sorted((name, n * n) for name, n in expected.items())
    target = tmp_path / "exported"
    lab.run("dataset", "export", "total", str(target))
    assert (target / "total").read_text().strip() == str(sum(n * n for n in expected.values()))
    lab.run("dataset", "verify")
    with sqlite3.connect(tmp_path / ".aliquot" / "catalogue.db") as catalogue:
        taken_over = catalogue.execute("SELECT count(*) FROM run WHERE fence > 1").fetchone()[0]
        again = catalogue.execute("SELECT count(*) FROM task WHERE fence > 1").fetchone()[0]
    assert taken_over >= 3, "the kills came when nothing was under way"
    assert again >= 1
    leftovers = list((tmp_path / ".aliquot" / "store" / "drafts").iterdir())
    assert len(leftovers) <= KILLS * 3
    assert [each.name for each in temporary.iterdir()] == [], "what a killed lab left where nobody clears it"
