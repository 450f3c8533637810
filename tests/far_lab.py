"""A lab in a folder with its server in this process, and commands run in this process too."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aliquot.access import tokens
from aliquot.access.people import add_person
from aliquot.access.rights import RIGHTS, Role
from aliquot.cli.app import run_command
from aliquot.lab import open_lab
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings
from lab_folder import LabFolder

SETTINGS = """
lab: far
executor: {kind: process, workers: 2}
sources:
  reader:
    watch: ./inbox
    settled: {quiet: 0s}
    accept: [{type: plate, into: plates}]
"""
TYPE = """
type: plate
title: A plate
format: table
recognise: {name: "*.csv"}
table:
  fields:
    - {name: well, type: string}
    - {name: value, type: number}
"""
PIPELINE = r"""
pipeline: totals
title: Sum each plate
parameters: {factor: {type: integer, default: 1, minimum: 1, title: Factor}}
inputs: {plates: {dataset: plates}}
steps:
  sum:
    inputs: {plate: {from: plates, glob: "/{name}.csv"}}
    command: |
      echo "sums $PLATE"
      grep -q slow "$PLATE" && sleep 60
      grep -q broken "$PLATE" && { echo "cannot sum it" >&2; exit 3; }
      awk -F, -v f="$FACTOR" 'NR>1 {t+=$2*f} END {print "total\n" t}' "$PLATE" > "$OUT/$(basename "$PLATE")"
    retry: {attempts: 1}
outputs: {sums: {from: sum, publish: sums}}
"""


@dataclass(frozen=True)
class Far:
    """A lab in a folder, and its server."""

    folder: Path
    url: str
    token: str


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def aliquot(*words: str) -> Said:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command(list(words))
    return Said(code, out.getvalue(), err.getvalue())


def make_lab(folder: Path) -> LabFolder:
    """Write the lab's files and apply them."""
    lab = LabFolder(folder)
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/plate.yaml", TYPE)
    lab.write("pipelines/totals.yaml", PIPELINE)
    assert aliquot("apply", "--lab", str(folder)).code == 0
    return lab


@contextlib.contextmanager
def served(folder: Path, url: str = "127.0.0.1:0") -> Iterator[Far]:
    """Serve a lab, with a token that may do all that a token may."""
    with open_lab(folder) as lab:
        with lab.catalogue.write() as connection:
            add_person(connection, lab.by, "ada", {"*": Role.ADMINISTRATOR}, "Ada")
            scope = [each for each in RIGHTS if each not in tokens.NEVER]
            word, _ = tokens.make_token(connection, lab.by, "ada", "tests", scope)
        with Server(lab, read_settings(url)) as server:
            yield Far(folder, server.address, word)
