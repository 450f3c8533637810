"""A lab with something of everything, for looking at pages: claims and imaging on generated data, in one folder."""

import shutil
import subprocess
import sys
from pathlib import Path

from aliquot.access.by import at_the_machine
from aliquot.lab import open_lab
from aliquot.lab.acts_upload import take_uploads
from lab_folder import LabFolder

STARTS = (
    "/runs/4/steer", "/runs/1", "/runs/1/outputs", "/",
    "/datasets/measurements/1/files/leaf.imzML?mz=226.226&tolerance=0.2&unit=da",
)  # fmt: skip
"""Where looking around begins: a run that waits, one that has given files, and what nothing leads to yet."""

EXAMPLES = Path(__file__).parent.parent / "examples"
_SETTINGS = """
lab: riverside
executor: {kind: process, workers: 2}
sources:
  billing:
    watch: ./inbox/billing
    settled: {quiet: 1s}
    accept:
      - {type: charges, into: billing}
      - {type: transactions, into: billing}
  instrument:
    watch: ./inbox/instrument
    settled: {quiet: 1s, set: ["{name}.imzML", "{name}.ibd"]}
    accept:
      - {type: imzml, into: measurements}
"""
_PARKS = """
pipeline: checks
title: A check of every file, of which one fails
inputs: {notes: {dataset: notes}}
steps:
  look:
    inputs: {file: {from: notes, glob: "/*"}}
    command: |
      echo "looking at $FILE"
      grep -q sample "$FILE" || { echo "no sample is named in it" >&2; exit 3; }
      cp "$FILE" "$OUT/"
    retry: {attempts: 1}
"""


def make_shown_lab(folder: Path) -> LabFolder:
    """Make the lab, with versions, runs, tables, a file in quarantine, and a run with a parked datum."""
    for name in ("claims", "imaging-ms"):
        shutil.copytree(
            EXAMPLES / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "aliquot.yaml")
        )
        billing = ["billing", "--months", "1", "--bad-rows", "4"] if name == "claims" else ["instrument"]
        inbox = folder / "inbox" / billing[0]
        subprocess.run([sys.executable, EXAMPLES / name / "generate.py", inbox, *billing[1:]], check=True)
    lab = LabFolder(folder)
    lab.write("aliquot.yaml", _SETTINGS)
    lab.write("pipelines/checks.yaml", _PARKS)
    for name, text in (("one.txt", "sample 1"), ("two.txt", "sample 2"), ("<b>three.txt", "nothing")):
        lab.write(f"notes/{name}", text)
    lab.run("apply")
    lab.up(expect=None)
    lab.run("ingest", "notes", "notes")
    lab.run("run", "start", "checks", "--wait", expect=None)
    # One that waits: it can be steered.
    lab.run("run", "start", "checks")
    _upload(folder)
    return lab


def _upload(folder: Path) -> None:
    """Take a file in as a page does, for the first administrator."""
    text = b"sample 4"
    with open_lab(folder) as lab:
        by = at_the_machine("admin", "here")
        begun = lab.uploads.create(by, "four.txt", len(text))
        with lab.uploads.writing(by, begun.id, 0) as writing:
            writing.add(text)
        take_uploads(lab, lab.uploads, by, [begun.id], "notes")
