"""The command line against a lab's folder and against its server: the same words, JSON and exit codes."""

import json
import re
import shlex
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aliquot.access.audit_read import Question, entries
from aliquot.lab import open_lab
from aliquot.server.working import told_as_it_goes
from far_lab import Far, Said, aliquot, make_lab, served
from waiting import until


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = make_lab(tmp_path_factory.mktemp("far") / "lab")
    folder.write("new/one.csv", "well,value\nA1,1\nA2,2\n")
    folder.write("new/two.csv", "well,value\nA1,3\n")
    folder.write("new/three.csv", "well,value\nbroken,4\n")
    folder.write("new/four.csv", "well,value\nA1,many\n")
    here = ("--lab", str(folder.folder))
    assert aliquot("ingest", "plates", str(folder.folder / "new"), *here).code == 1
    assert aliquot("run", "start", "totals", "--publish", "--wait", *here).code == 1
    assert aliquot("run", "start", "totals", "-p", "factor=2", "--wait", *here).code == 1
    assert aliquot("run", "start", "totals", *here).code == 0
    assert aliquot("dataset", "tag", "plates", "good", *here).code == 0
    folder.write("more/four.csv", "well,value\nA1,9\n")
    folder.write("more/one.csv", "well,value\nA1,7\n")
    assert aliquot("ingest", "plates", str(folder.folder / "more"), *here).code == 0
    with served(folder.folder) as far:
        yield far


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
    "dataset remove plates /gone.csv --because gone",
    "receipts list", "receipts list --limit 1", "receipts list --dataset plates", "receipts list --before 2",
    "receipts find one.csv", "receipts find ONE", "receipts find /one.csv", "receipts find deadbeef",
    "receipts find nowhere", "receipts show 1", "receipts show 99",
    "quarantine list", "quarantine list --all", "quarantine list --source reader", "quarantine list --assigned-to ada",
    "quarantine show 1", "quarantine show 99", "source list", "source show reader", "source show nobody",
    "source wake nobody", "quarantine age", "quarantine age --limit 1", "dataset verify", "dataset verify plates",
    "dataset verify none", "admin verify", "sweep", "sweep --dry-run", "sweep --dry-run --yes",
    "quarantine export 1", "quarantine export 99 out", "quarantine export 1 x out",
    "status", "pipeline advise totals", "pipeline advise none",
    "lineage plates", "lineage sums:/one.csv", "lineage sums:/one.csv --back --depth 1",
    "lineage plates:/one.csv --full",
    "lineage plates:/none.csv", "lineage none", "hub tables", "admin audit list", "admin audit list --limit 2",
    "admin audit search totals --action run.start", "admin audit search --since 2026-01-01", "admin audit show 1",
    "admin audit show 9999", "hub query 'SELECT 1 AS one'", "hub query 'SELECT 1 AS one' --csv",
    "hub query 'SELECT * FROM nothing'", "hub query 'DROP TABLE x'", "hub query ''",
    "pipeline plan totals -p other=1", "pipeline plan totals --input plates=plates@9",
)  # fmt: skip


def timeless(text: str) -> str:
    """Leave out how long ago something was: the second command is asked a little later."""
    text = re.sub(r"\d+ \w+ ago|just now", "ago", text)
    text = re.sub(r'("seconds": )[\d.]+', r"\1N", re.sub(r"\b(?:\d+ (?:h|min) )?\d+ (?:s|min)\b", "N", text))
    return re.sub(r" +(\n|)", r" \1", text).replace(" \n", "\n")


def not_driver(text: str) -> str:
    """Leave out the words of the hub's driver, which stay in the process that has asked it."""
    return re.sub(r'"facts": \{(\s*"said": [^\n]*\s*)?\}', "", text)


def test_looking_says_the_same(far: Far) -> None:
    unlike: list[str] = []
    for words in LOOKS:
        for more in ((), ("--json",)):
            here = aliquot(*shlex.split(words), *more, "--lab", str(far.folder))
            there = aliquot(*shlex.split(words), *more, "--server", far.url)
            alike = (here.code, timeless(here.out)) == (there.code, timeless(there.out))
            if not alike or (here.code > 1 and not_driver(here.err) != not_driver(there.err)):
                unlike.append(f"{words} {more}\n  here  {here}\n  there {there}")
    assert not unlike, "\n\n".join(unlike)


def _like(said: Said, *names: str) -> tuple[int, str]:
    """Leave out what two makings of the same thing differ in."""
    text = timeless(said.out)
    for name in names:
        text = text.replace(name, "NAME")
    return said.code, text


def test_steering_says_the_same(far: Far) -> None:
    here, there = ("--lab", str(far.folder)), ("--server", far.url)
    numbers: list[str] = []
    for where in (here, there):
        started = aliquot("run", "start", "totals", "-p", "factor=9", "--priority", "3", *where)
        numbers += re.findall(r"Run (\d+) of totals is queued", started.out)
    one, other = numbers
    steps = (
        "run pause {}", "run pause {} --json", "run resume {}", "run resume {}", "run priority {} 7",
        "run priority {} 7 --json", "run priority {} 9000", "run retry {}", "run cancel {}", "run cancel {}",
        "run cancel {} --json", "run retry 1 sum/1", "run retry 1 --cause nothing", "run recompute 99",
    )  # fmt: skip
    for words in steps:
        mine = aliquot(*words.format(one).split(), *here)
        theirs = aliquot(*words.format(other).split(), *there)
        assert _like(mine, f"Run {one}", one) == _like(theirs, f"Run {other}", other), (words, mine, theirs)
        assert (mine.code > 1) <= (theirs.err.replace(other, one) == mine.err), (words, mine, theirs)


def test_files_go_in_and_out_the_same(far: Far, tmp_path: Path) -> None:
    here, there = ("--lab", str(far.folder)), ("--server", far.url)
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    (given / "good.csv").write_text("well,value\nA1,5\n")
    (given / "deep/empty.csv").write_text("")
    (given / "bad.csv").write_text("well,value\nA1,none\nA2,no\n")
    (given / "link").symlink_to("good.csv")
    told = [
        aliquot("ingest", name, str(given), "--type", "plate", "--json", *where)
        for name, where in (("one-way", here), ("other-way", there))
    ]
    numbers = [re.findall(r'"id": (\d+)', each.out) for each in told]
    named = zip(told, ("one-way", "other-way"), strict=True)
    alike = [re.sub(r'"id": \d+', "", _like(each, name)[1]) for each, name in named]
    assert alike[0] == alike[1]
    assert (told[0].code, told[1].code) == (1, 1)
    # The same again changes nothing; what is not there is refused before anything is sent.
    for words in (("good.csv", "--unchecked"), ("nothing.csv",)):
        mine = aliquot("ingest", "one-way", str(given / words[0]), *words[1:], *here)
        theirs = aliquot("ingest", "other-way", str(given / words[0]), *words[1:], *there)
        assert _like(mine, "one-way") == _like(theirs, "other-way")
    for words in ("assign {} ada", "assign {} --nobody", "assign {} ada --json", "assign {}"):
        mine = aliquot("quarantine", *words.format(numbers[0][0]).split(), *here)
        theirs = aliquot("quarantine", *words.format(numbers[1][0]).split(), *there)
        told = [each.out.replace(number[0], "N") for each, number in zip((mine, theirs), numbers, strict=True)]
        assert (mine.code, told[0]) == (theirs.code, told[1])
    for words in ("release {} --because fine", "release {} --because twice", "reject {} --because late"):
        mine = aliquot("quarantine", *words.format(numbers[0][0]).split(), *here)
        theirs = aliquot("quarantine", *words.format(numbers[1][0]).split(), *there)
        assert _like(mine, "one-way", f"{numbers[0][0]} is") == _like(theirs, "other-way", f"{numbers[1][0]} is"), (
            words,
            theirs,
        )
    for name, where in (("here", here), ("there", there)):
        assert aliquot("dataset", "export", "plates", str(tmp_path / name / "plates"), *where).code == 0
        assert aliquot("run", "outputs", "1", "--to", str(tmp_path / name / "outputs"), *where).code == 0
        assert aliquot("dataset", "export", "plates:/one.csv", str(tmp_path / name / "one"), *where).code == 0
        assert aliquot("dataset", "export", "plates", str(tmp_path / name / "one"), *where).code == 4
        assert aliquot("dataset", "tag", "plates@1", f"of-{name}", *where).code == 0
        assert aliquot("dataset", "tag", "plates", f"of-{name}", "--remove", *where).code == 0
    files = [
        {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("here", "there")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 4 + 2 + 1


def test_a_corrected_file_takes_the_place_of_a_refused_one(far: Far, tmp_path: Path) -> None:
    here, there = ("--lab", str(far.folder)), ("--server", far.url)
    said: list[str] = []
    for name, where in (("mine", here), ("theirs", there)):
        (tmp_path / f"{name}.csv").write_text("well,value\nA1,lots\n")
        given = aliquot("ingest", name, str(tmp_path / f"{name}.csv"), "--type", "plate", "--json", *where)
        number = re.findall(r'"id": (\d+)', given.out)[0]
        told = []
        for row in ("A1,more", "A1,8"):
            (tmp_path / f"{name}.csv").write_text(f"well,value\n{row}\n")
            done = aliquot("quarantine", "resubmit", number, str(tmp_path / f"{name}.csv"), "--json", *where)
            told.append((done.code, re.sub(r'"id": \d+', "", done.out).replace(name, "NAME")))
            number = next(iter(re.findall(r'"refused": \{\s*"id": (\d+)', done.out)), number)
        said.append(repr(told))
    assert said[0] == said[1]


def test_refused_files_come_out_the_same(far: Far, tmp_path: Path) -> None:
    bad = tmp_path / "one-bad.csv"
    bad.write_text("well,value\nA1,none\n")
    (tmp_path / "other-bad.csv").write_text("well,value\nA1,nothing\n")
    here, there = ("--lab", str(far.folder)), ("--server", far.url)
    given = aliquot("ingest", "held", str(bad), str(tmp_path / "other-bad.csv"), "--type", "plate", "--json", *here)
    numbers = re.findall(r'"id": (\d+)', given.out)
    assert len(numbers) == 2
    for name, where in (("here", here), ("there", there)):
        folder = tmp_path / name
        (folder / "in").mkdir(parents=True)
        takes = (
            (numbers[0], "one.csv"), (numbers[0], "in"), (numbers[1], "told", "--findings"), (*numbers, "several"),
            (*numbers, "all.zip"), (numbers[0], "one.zip"),
        )  # fmt: skip
        for words in takes:
            placed = [each if each in numbers or each.startswith("--") else str(folder / each) for each in words]
            done = aliquot("quarantine", "export", *placed, *where)
            assert done.code == 0, (words, done)
        again = aliquot("quarantine", "export", numbers[0], str(folder / "one.csv"), *where)
        assert (again.code, "target-exists" in again.err) == (4, True)
        assert aliquot("quarantine", "export", *numbers, str(folder / "several"), *where).code == 4
    found = [
        {str(path.relative_to(tmp_path / name)): path for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("here", "there")
    ]
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) == 2 + 3 + 6 + 2
    for name, path in found[0].items():
        if path.suffix != ".zip":
            assert path.read_bytes() == found[1][name].read_bytes(), name
        else:
            one, other = zipfile.ZipFile(path), zipfile.ZipFile(found[1][name])
            assert {each: one.read(each) for each in one.namelist()} == {
                each: other.read(each) for each in other.namelist()
            }


def test_a_sweep_and_a_verification_run_one_at_a_time_and_say_what_is_damaged(far: Far) -> None:
    swept = aliquot("sweep", "--yes", "--json", "--server", far.url)
    assert (swept.code, json.loads(swept.out)["dry_run"]) == (0, False)
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        (row,) = entries(connection, Question(action="lab.sweep"), limit=1)
    assert (row.who, row.how, list(row.after)) == ("ada", "token", ["freed", "kept"])
    headers = {"authorization": f"Bearer {far.token}"}
    begun, go_on = threading.Event(), threading.Event()

    def wait(_progress: object) -> dict[str, int]:
        begun.set()
        assert go_on.wait(60)
        return {"waited": 1}

    running = told_as_it_goes(wait)
    assert begun.wait(60)
    busy = httpx.post(f"{far.url}/api/v1/sweep", headers=headers)
    assert (busy.status_code, busy.json()["code"]) == (409, "work-under-way")
    go_on.set()
    assert running.media_type == "application/x-ndjson"
    until(lambda: httpx.post(f"{far.url}/api/v1/verify?dataset=plates", headers=headers).status_code == 200, 60)


def test_the_server_may_be_named_in_front_and_is_no_folder(far: Far) -> None:
    both = aliquot("run", "list", "--server", far.url, "--lab", str(far.folder))
    assert (both.code, "server-and-lab" in both.err) == (2, True)
    before = aliquot("--server", far.url, "run", "list", "--json")
    assert before == aliquot("run", "list", "--json", f"--server={far.url}")
    assert before.code == 0
