"""The command line against a lab's folder and against its server: the same words, JSON and exit codes."""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aliquot.access import tokens
from aliquot.access.people import add_person
from aliquot.access.rights import RIGHTS, Role
from aliquot.cli.app import run_command
from aliquot.lab import Lab, open_lab
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
PIPELINE = """
pipeline: totals
title: Sum each plate
parameters: {factor: {type: integer, default: 1, minimum: 1, title: Factor}}
inputs: {plates: {dataset: plates}}
steps:
  sum:
    inputs: {plate: {from: plates, glob: "/{name}.csv"}}
    command: |
      echo "sums $PLATE"
      grep -q broken "$PLATE" && { echo "cannot sum it" >&2; exit 3; }
      awk -F, -v f="$FACTOR" 'NR>1 {t+=$2*f} END {print "total\\n" t}' "$PLATE" > "$OUT/$(basename "$PLATE")"
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


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = LabFolder(tmp_path_factory.mktemp("far") / "lab")
    folder.write("aliquot.yaml", SETTINGS)
    folder.write("types/plate.yaml", TYPE)
    folder.write("pipelines/totals.yaml", PIPELINE)
    folder.write("new/one.csv", "well,value\nA1,1\nA2,2\n")
    folder.write("new/two.csv", "well,value\nA1,3\n")
    folder.write("new/three.csv", "well,value\nbroken,4\n")
    folder.write("new/four.csv", "well,value\nA1,many\n")
    here = ("--lab", str(folder.folder))
    assert aliquot("apply", *here).code == 0
    assert aliquot("ingest", "plates", str(folder.folder / "new"), *here).code == 1
    assert aliquot("run", "start", "totals", "--publish", "--wait", *here).code == 1
    assert aliquot("run", "start", "totals", "-p", "factor=2", "--wait", *here).code == 1
    assert aliquot("run", "start", "totals", *here).code == 0
    assert aliquot("dataset", "tag", "plates", "good", *here).code == 0
    folder.write("more/four.csv", "well,value\nA1,9\n")
    folder.write("more/one.csv", "well,value\nA1,7\n")
    assert aliquot("ingest", "plates", str(folder.folder / "more"), *here).code == 0
    with open_lab(folder.folder) as lab, _served(lab) as (url, token):
        yield Far(folder.folder, url, token)


@contextlib.contextmanager
def _served(lab: Lab) -> Iterator[tuple[str, str]]:
    with lab.catalogue.write() as connection:
        add_person(connection, lab.by, "ada", {"*": Role.ADMINISTRATOR}, "Ada")
        scope = [each for each in RIGHTS if each not in tokens.NEVER]
        word, _ = tokens.make_token(connection, lab.by, "ada", "tests", scope)
    with Server(lab, read_settings("127.0.0.1:0")) as server:
        yield server.address, word


@pytest.fixture
def far(shown: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Far:
    monkeypatch.setenv("ALIQUOT_TOKEN", shown.token)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("ALIQUOT_LAB", "ALIQUOT_SERVER"):
        monkeypatch.delenv(name, raising=False)
    return shown


LOOKS = (
    "run list", "run list --limit 1", "run list --pipeline totals --state COMPLETE", "run list --state WRONG",
    "run show 1", "run show 99", "run parked 1", "run parked 1 sum/9", "run parked 1 --cause oom",
    "run parked 1 --cause nonsense", "run logs 1", "run logs 1 sum/1", "run logs 1 nothing", "run logs 99",
    "run outputs 1", "run outputs 99", "run why 1 sum/1", "run why 2 sum/1", "run why 2 sum/99", "run why 2 word",
    "run compare 1 2", "run compare 2 1", "run compare 1 99",
    "pipeline list", "pipeline show totals", "pipeline show none", "pipeline plan totals", "pipeline plan none",
    "pipeline plan totals -p factor=5", "pipeline plan totals -p factor=x", "pipeline plan totals -p factor=0",
    "dataset list", "dataset show plates", "dataset show plates@good", "dataset show plates@9", "dataset show none",
    "dataset show plates:/one.csv", "dataset show plates:/onne.csv", "dataset log plates", "dataset log none",
    "dataset log plates --limit 1", "dataset files plates", "dataset files plates@1 --limit 1",
    "dataset files plates --after /one.csv", "dataset files plates:/none/", "dataset files plates@nope",
    "dataset diff plates@1", "dataset diff plates@1 2", "dataset diff plates@2 1", "dataset diff plates@1 sums@1",
    "dataset diff plates@1 7", "dataset show NO", "dataset files a@b@c",
    "receipts list", "receipts list --limit 1", "receipts list --dataset plates", "receipts list --before 2",
    "receipts find one.csv", "receipts find ONE", "receipts find /one.csv", "receipts find deadbeef",
    "receipts find nowhere", "receipts show 1", "receipts show 99",
    "quarantine list", "quarantine list --all", "quarantine list --source reader", "quarantine list --assigned-to ada",
    "quarantine show 1", "quarantine show 99",
    "pipeline plan totals -p other=1", "pipeline plan totals --input plates=plates@9",
)  # fmt: skip


def timeless(text: str) -> str:
    """Leave out how long ago something was: the second command is asked a little later."""
    return re.sub(r" +(\n|)", r" \1", re.sub(r"\d+ \w+ ago|just now", "ago", text)).replace(" \n", "\n")


def test_looking_says_the_same(far: Far) -> None:
    unlike: list[str] = []
    for words in LOOKS:
        for more in ((), ("--json",)):
            here = aliquot(*words.split(), *more, "--lab", str(far.folder))
            there = aliquot(*words.split(), *more, "--server", far.url)
            alike = (here.code, timeless(here.out)) == (there.code, timeless(there.out))
            if not alike or (here.code > 1 and here.err != there.err):
                unlike.append(f"{words} {more}\n  here  {here}\n  there {there}")
    assert not unlike, "\n\n".join(unlike)
