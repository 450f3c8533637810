"""What changes, and the row of the audit that says so, are there together or not at all, whenever the process dies."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

import audited_program
from aliquot.access.audit_read import Entry, Question, entries
from aliquot.datasets import places
from aliquot.db.tables import blob
from aliquot.intake.delivery import MANY
from aliquot.lab import Lab, acts_data, definitions, open_lab
from aliquot.lab.accepted import types_for

SETTINGS = """
lab: riverside
sources:
  reader: {watch: ./inbox, accept: [{type: reading, into: plates}]}
"""
TYPE = """
type: reading
recognise: {name: "*.csv"}
format: table
table:
  fields: [{name: well, type: string}, {name: value, type: number, constraints: {minimum: 0}}]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    for name, text in (("aliquot.yaml", SETTINGS), ("types/reading.yaml", TYPE),
                       ("accepted.csv", "well,value\nA1,1\n"), ("refused.csv", "well,value\nA1,-5\n")):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with open_lab(tmp_path) as opened:
        definitions.apply(opened)
        yield opened


def killed(lab: Lab, act: str, moment: str) -> tuple[list[Entry], bool]:
    """Do something in a process that is killed; gives the rows of the audit that it left, and whether it did it."""
    with lab.catalogue.read() as connection:
        before, last = audited_program.state_of(connection), entries(connection, limit=1)[0].number
    words = [sys.executable, audited_program.__file__, str(lab.folder), act, moment]
    # What a killed process leaves goes with the lab.
    around = os.environ | {"TMPDIR": str(lab.folder)}
    done = subprocess.run(words, env=around, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr
    with lab.catalogue.read() as connection:
        after = audited_program.state_of(connection)
        return [each for each in entries(connection, Question()) if each.number > last], before != after


def prepare(lab: Lab, act: str) -> None:
    """Have ready what an act is about."""
    if act in {"resubmit", "release"}:
        acts_data.ingest(lab, lab.by, "plates", [lab.folder / "refused.csv"], types_for(lab, "plates"))
    if act == "unseen":
        (lab.folder / "many").mkdir()
        for number in range(MANY):
            (lab.folder / f"many/{number}.txt").write_text(f"{number}")
    if act in {"mark", "remove"}:
        location = lab.store.put_bytes(b"needed by nobody")
        with lab.catalogue.write() as connection:
            places.record(connection, [location])
            if act == "remove":
                connection.execute(update(blob).values(doomed_at=time.time() - 3 * 86_400))


@pytest.mark.parametrize(
    ("act", "action", "said"),
    [
        ("accepted", "dataset.ingest", {"versions": [1], "added": 1, "unchanged": 0, "quarantined": []}),
        ("refused", "dataset.ingest", {"versions": [], "added": 0, "unchanged": 0, "quarantined": [1]}),
        ("unseen", "dataset.ingest", {"versions": [1], "added": MANY, "unchanged": 0, "quarantined": []}),
        ("resubmit", "quarantine.resubmit", {"because": "typed anew", "versions": ["plates@1"], "quarantined": []}),
        ("release", "quarantine.release", {"state": "RELEASED", "dataset": "plates", "version": 1,
                                           "because": "it is right"}),
        ("mark", "lab.sweep", {"marked": 1, "bytes": 16}),
        ("remove", "lab.sweep", {"removed": 1, "bytes": 16}),
    ],
)  # fmt: skip
def test_who_is_killed_as_soon_as_something_is_changed_has_left_the_row(
    lab: Lab, act: str, action: str, said: dict[str, Any]
) -> None:
    prepare(lab, act)
    (row,), changed = killed(lab, act, "after")
    assert changed
    assert (row.action, row.after, row.who) == (action, said, lab.by.name)


def test_who_is_killed_before_that_has_changed_nothing_and_left_no_row(lab: Lab) -> None:
    assert killed(lab, "accepted", "before") == ([], False)


def test_a_sweep_tells_of_each_step_and_sums_up(lab: Lab) -> None:
    prepare(lab, "remove")
    acts_data.sweep_store(lab, lab.by, dry_run=True)
    acts_data.sweep_store(lab, lab.by, dry_run=False)
    with lab.catalogue.read() as connection:
        rows = entries(connection, Question(action="lab.sweep"))
        assert connection.execute(select(blob.c.digest).where(blob.c.doomed_at > 0)).all() == []
    assert [list(each.after) for each in reversed(rows)] == [["removed", "bytes"], ["freed", "kept"]]
