"""Whatever is thrown at a lab gets a clear message, and leaves everything else working and whole."""

import gzip
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lab_folder import LabFolder
from running_server import running_server

SETTINGS = """
lab: rough
executor: {kind: process, workers: 2}
sources:
  drop:
    watch: ./inbox
    settled: {quiet: 100ms}
    accept:
      - {type: numbers, into: numbers}
      - {type: reads, into: reads}
      - {type: upload, into: uploads}
  other:
    watch: ./other
    settled: {quiet: 100ms}
    accept: [{type: numbers, into: others}]
"""
TYPES = {
    "numbers": """
type: numbers
recognise: {name: "*.csv", columns: [name, n]}
format: table
table:
  fields:
    - {name: name, type: string, constraints: {required: true}}
    - {name: n, type: integer, constraints: {minimum: 0}}
""",
    "reads": """
type: reads
recognise: {name: "*.fastq.gz"}
format: fastq
""",
    "upload": """
type: upload
recognise: {name: "*.tar"}
format: archive
""",
}
PIPELINE = """
pipeline: rough
inputs: {numbers: {dataset: numbers}}
parameters: {what: {type: string, default: ok}}
steps:
  work:
    inputs: {file: {from: numbers, glob: "/*.csv"}}
    resources: {memory: 256MiB, disk: 50MiB, time: 3s}
    failures: park
    command: |
      case "$WHAT" in
        ok) cp "$FILE" "$OUT"/ ;;
        missing) no-such-command-here ;;
        loud) yes | head -c 300000000 ; cp "$FILE" "$OUT"/ ;;
        forks) (sleep 600 &) ; (setsid sleep 600 &) ; cp "$FILE" "$OUT"/ ;;
        stubborn) trap '' TERM INT HUP; sleep 600 ;;
        disk) head -c 200000000 /dev/zero > "$OUT/big"; sleep 2 ;;
        silent) : ;;
        link) ln -s /etc/passwd "$OUT/passwd" ;;
        fifo) mkfifo "$OUT/pipe" ;;
      esac
outputs: {copies: {from: work, publish: copies}}
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    made = LabFolder(tmp_path)
    made.write("aliquot.yaml", SETTINGS)
    for name, text in TYPES.items():
        made.write(f"types/{name}.yaml", text)
    made.write("pipelines/rough.yaml", PIPELINE)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "other").mkdir()
    made.run("apply")
    return made


def test_strange_names_come_through_whole(lab: LabFolder) -> None:
    names = ["with space.csv", "new\nline.csv", "Größe-数-🧪.csv", "x" * 251 + ".csv", "-rf.csv", "$(touch pwned).csv"]
    for name in names:
        lab.write(f"inbox/{name}", "name,n\na,1\n")
    lab.up()
    files = lab.json("dataset", "files", "numbers")
    assert sorted(each["path"] for each in files) == sorted(f"/{name}" for name in names)
    number = lab.json("run", "start", "rough", "--publish", "--wait")["run"]
    assert lab.json("run", "show", str(number))["state"] == "COMPLETE"
    copies = lab.json("dataset", "files", "copies")
    assert sorted(each["path"] for each in copies) == sorted(f"/{name}" for name in names)
    assert not list(lab.folder.rglob("pwned"))
    assert "\n/new" not in lab.run("dataset", "files", "numbers").stdout


def test_broken_files_wait_in_quarantine_with_reasons_and_the_rest_goes_in(lab: LabFolder) -> None:
    good = "name,n\na,1\n"
    taken: dict[str, bytes] = {
        "plain.csv": good.encode(),
        "latin.csv": "name,n\nGrün,1\n".encode("latin-1"),
        "utf16.csv": good.encode("utf-16"),
        "bom.csv": good.encode("utf-8-sig"),
        "semicolon.csv": b"name;n\na;1\n",
    }
    refused: dict[str, bytes] = {
        "empty.csv": b"",
        "nul.csv": b"name,n\na\0,1\n",
        "ragged.csv": b"name,n\na,1,2,3\n",
        "headless.csv": b"a,1\nb,2\n",
        "negative.csv": b"name,n\na,-1\n",
        "cut.fastq.gz": gzip.compress(b"@r\nACGT\n+\nIIII\n" * 1000)[:-20],
        "short.fastq.gz": gzip.compress(b"@r\nACGT\n+\nIII\n"),
        "unknown.bin": b"\x00\x01\x02",
    }
    for name, content in {**taken, **refused}.items():
        lab.write(f"inbox/{name}", content)
    summary = lab.up(expect=1)
    assert summary["sources"]["drop"]["taken"] == len(taken)
    held = lab.json("quarantine", "list")
    assert sorted(each["path"] for each in held) == sorted(f"/{name}" for name in refused)
    for each in held:
        shown = lab.run("quarantine", "show", str(each["id"])).stdout
        assert each["path"].strip("/") in shown
        assert len(shown.splitlines()) > 4
    target = lab.folder / "back"
    lab.run("quarantine", "export", str(next(e["id"] for e in held if e["path"] == "/negative.csv")), str(target))
    exported = target if target.is_file() else next(path for path in target.rglob("*") if path.is_file())
    assert exported.read_bytes() == refused["negative.csv"]
    assert lab.up()["sources"]["drop"]["quarantined"] == 0


def test_hostile_archives_are_refused(lab: LabFolder, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "metagenome" / "generate.py"
    subprocess.run([sys.executable, str(example), str(tmp_path / "made"), "--hostile", "all"], check=True)
    archives = list((tmp_path / "made").rglob("*.tar"))
    assert archives
    for path in archives:
        shutil.copyfile(path, lab.folder / "inbox" / path.name)
    lab.up(expect=1)
    held = {each["path"].strip("/") for each in lab.json("quarantine", "list")}
    for danger in ("dotdot", "absolute", "symlink", "device", "duplicate"):
        named = [path.name for path in archives if danger in path.name]
        assert set(named) <= held, danger


def test_a_source_that_vanishes_leaves_the_others_at_work(lab: LabFolder) -> None:
    shutil.rmtree(lab.folder / "inbox")
    lab.write("other/a.csv", "name,n\na,1\n")
    summary = lab.up(expect=1)
    assert "inbox" in summary["sources"]["drop"]["problem"]
    assert summary["sources"]["other"]["taken"] == 1
    (lab.folder / "inbox").mkdir()
    lab.up()


@pytest.mark.parametrize(
    ("what", "cause", "words"),
    [
        ("missing", "user", "not found"),
        ("stubborn", "timeout", "3"),
        ("disk", "user", "disk"),
        ("link", "user", "passwd"),
        ("fifo", "user", "pipe"),
    ],
)
def test_commands_that_misbehave_are_parked_with_a_reason(lab: LabFolder, what: str, cause: str, words: str) -> None:
    lab.write("inbox/a.csv", "name,n\na,1\n")
    lab.up()
    done = lab.json("run", "start", "rough", "-p", f"what={what}", "--wait", expect=1)
    shown = lab.json("run", "show", str(done["run"]))
    (parked,) = shown["parked_tasks"]
    assert parked["cause"] == cause, parked
    assert words in (parked["message"] + parked.get("tail", "")), parked
    text = lab.run("run", "show", str(done["run"])).stdout
    assert words in text


@pytest.mark.parametrize("what", ["loud", "forks", "silent"])
def test_commands_that_are_odd_but_legal_complete(lab: LabFolder, what: str) -> None:
    lab.write("inbox/a.csv", "name,n\na,1\n")
    lab.up()
    done = lab.json("run", "start", "rough", "-p", f"what={what}", "--wait")
    assert lab.json("run", "show", str(done["run"]))["state"] == "COMPLETE"
    stored = sum(path.stat().st_size for path in (lab.folder / ".aliquot").rglob("*") if path.is_file())
    assert stored < 200_000_000


def test_a_hub_that_is_down_waits_and_nothing_else_does(lab: LabFolder) -> None:
    lab.write("aliquot.yaml", SETTINGS + "hub: postgresql://nobody@127.0.0.1:1/none\n")
    table = "tables: {copies: {from: work, glob: '/*.csv', type: numbers}}\ntrigger: {new_version: [numbers]}\n"
    lab.write("pipelines/rough.yaml", PIPELINE + table)
    lab.run("apply")
    lab.write("inbox/a.csv", "name,n\na,1\n")
    summary = lab.up(expect=1)
    assert [each["state"] for each in summary["runs"]] == ["COMPLETE"]
    assert [each["table"] for each in summary["held_loads"]] == ["copies"]
    (shown,) = lab.json("run", "show", "1")["loads"]
    assert (shown["table"], shown["state"], shown["rows"]) == ("copies", "WAITING", 0)
    lab.write("aliquot.yaml", SETTINGS)
    summary = lab.up()
    assert [(each["table"], each["state"]) for each in summary["loads"]] == [("copies", "DONE")]
    with running_server(lab) as server, closing(server.administrator()) as admin:
        rows = admin.get("/runs/1").text.partition("Tables that the run loads")[2]
    assert re.search(r">copies</a></td>.*done.*<td[^>]*>1</td>", rows)


def test_two_daemons_on_one_lab_share_and_double_nothing(lab: LabFolder) -> None:
    lab.write("pipelines/rough.yaml", PIPELINE + "trigger: {new_version: [numbers]}\n")
    lab.run("apply")
    for number in range(40):
        lab.write(f"inbox/{number}.csv", f"name,n\na,{number}\n")
    both = [lab.start("up", "--until-idle") for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0], (lab.folder / "background.log").read_text()
    lab.up()
    assert len(lab.json("dataset", "files", "numbers")) == 40
    assert len(lab.json("dataset", "files", "copies")) == 40
    assert len(lab.json("receipts", "list", "--limit", "1000")) == 40
    assert {each["state"] for each in lab.json("run", "list")} == {"COMPLETE"}
    lab.run("dataset", "verify")
