"""What takes its time from afar: room, loads, the audit, making files again; and what only the lab's machine does."""

import gzip
import io
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from aliquot.access.audit_read import Question, entries
from aliquot.access.by import By
from aliquot.access.rights import Rights, Role
from aliquot.db.tables import load
from aliquot.lab import open_lab
from aliquot.lab.loads import load_again
from aliquot.model.errors import Denied
from far_lab import Far, Said, aliquot, make_lab, served
from waiting import until

DOCS = Path(__file__).parents[2] / "docs"
TABLES = r"""
pipeline: tables
inputs: {plates: {dataset: plates}}
steps:
  sum:
    inputs: {plate: {from: plates, glob: "/{name}.csv"}}
    command: |
      [ -e "%FLAG%" ] && { echo $$ > "%FLAG%.pid"; exec sleep 600; }
      awk -F, 'NR>1 {t+=$2} END {print "total\n" t}' "$PLATE" > "$OUT/$(basename "$PLATE")"
      [ -e "%OTHERWISE%" ] && echo 7 >> "$OUT/$(basename "$PLATE")"
      true
outputs: {sums: {from: sum, publish: totals}}
tables:
  totals: {from: sum, glob: "/*.csv", type: sums, mode: append}
"""
SUMS = """
type: sums
title: Sums
format: table
recognise: {name: "sums-*.csv"}
table:
  fields: [{name: total, type: %KIND%}]
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("work")
    lab = make_lab(folder / "lab")
    flags = {"%FLAG%": str(folder / "slow"), "%OTHERWISE%": str(folder / "otherwise")}
    lab.write("pipelines/tables.yaml", re.sub("%[A-Z]+%", lambda found: flags[found[0]], TABLES))
    lab.write("types/sums.yaml", SUMS.replace("%KIND%", "integer"))
    lab.write("new/one.csv", "well,value\nA1,1.5\n")
    lab.write("new/two.csv", "well,value\nA1,3\n")
    here = ("--lab", str(lab.folder))
    assert aliquot("apply", *here).code == 0
    assert aliquot("ingest", "plates", str(lab.folder / "new"), *here).code == 0
    assert aliquot("run", "start", "tables", "--publish", "--wait", *here).code == 0
    with served(lab.folder) as far:
        yield far


@pytest.fixture
def far(shown: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Far:
    monkeypatch.setenv("ALIQUOT_TOKEN", shown.token)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("ALIQUOT_LAB", "ALIQUOT_SERVER"):
        monkeypatch.delenv(name, raising=False)
    return shown


def both(far: Far, words: str) -> tuple[Said, Said]:
    """Run a command in the lab's folder, and against its server."""
    asked = shlex.split(words)
    return aliquot(*asked, "--lab", str(far.folder)), aliquot(*asked, "--server", far.url)


def test_room_and_rights_say_the_same(far: Far) -> None:
    for words in ("du", "du plates", "du none", "du --runs", "du --runs --limit 1", "du NO", "user rights"):
        for more in ("", " --json"):
            here, there = both(far, words + more)
            assert (here.code, here.out) == (there.code, there.out), words
            if here.code:
                assert here.err == there.err
    found = json.loads(both(far, "du --json")[1].out)
    assert {each["dataset"] for each in found["datasets"]} == {"plates", "totals"}
    assert found["store"]["total"] > 0
    assert json.loads(both(far, "du totals --json")[1].out)["datasets"][0]["files"] == 2


def test_the_audit_is_proved_and_taken_out_the_same(far: Far, tmp_path: Path) -> None:
    here, there = ("--lab", str(far.folder)), ("--server", far.url)
    # What is proved first is vouched for from then on.
    assert aliquot("admin", "audit", "verify", *there).code == 0
    for more in ((), ("--json",)):
        mine, theirs = (aliquot("admin", "audit", "verify", *more, *where) for where in (here, there))
        assert mine == theirs
        assert mine.code == 0
    rows = json.loads(aliquot("admin", "audit", "verify", "--json", *there).out)
    assert rows["rows"] == rows["anchored"] > 0
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        told = [
            aliquot("admin", "audit", "export", str(tmp_path / f"{which}-{name}"), "--json", *where)
            for which, where in (("mine", here), ("theirs", there))
        ]
        said = [{**json.loads(each.out), "file": ""} for each in told]
        assert said[0] == said[1]
        assert said[0]["rows"] == said[0]["head"] == rows["rows"]
        opener = gzip.open if name.endswith(".gz") else open
        written = [opener(tmp_path / f"{which}-{name}", "rt").read() for which in ("mine", "theirs")]
        assert written[0] == written[1]
        proved = aliquot("admin", "audit", "verify", str(tmp_path / f"theirs-{name}"))
        assert (proved.code, said[0]["digest"] in proved.out) == (0, True)
    again = [aliquot("admin", "audit", "export", str(tmp_path / "mine-rows.jsonl"), *where) for where in (here, there)]
    assert [each.code for each in again] == [4, 4]
    assert again[0].err == again[1].err
    gone = [aliquot("admin", "audit", "export", str(tmp_path / "no/rows"), *where) for where in (here, there)]
    assert [(each.code, "target-refused" in each.err) for each in gone] == [(2, True)] * 2
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def changes(far: Far) -> int:
    """Count the rows of the audit on loads that were done again."""
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        found = entries(connection, Question(action="run.publish", outcome="done"), limit=500)
    return sum(1 for each in found if each.after == {"table": "totals", "state": "WAITING"})


def test_loads_that_failed_are_done_again_the_same(far: Far) -> None:
    before = changes(far)
    for more in ("", " --json"):
        here, there = both(far, "hub load" + more)
        # The type that the table is read by says integer, and 1.5 is none.
        assert (here.code, here.out) == (there.code, there.out)
        assert here.code == 1
        assert "FAILED" in here.out
    here, there = both(far, "run show 1")
    assert here == there
    assert [word for word in ("totals", "FAILED", "1.5", "hub load") if word not in here.out + here.err] == []
    assert changes(far) == before + 4
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        (newest,) = entries(connection, Question(action="run.publish", outcome="done"), limit=1)
    assert (newest.who, newest.subject, newest.before["state"]) == ("ada", "run 1", "FAILED")
    with open_lab(far.folder) as lab:
        elsewhere = By("sam", "session", Rights({"elsewhere": Role.SCIENTIST}))
        assert load_again(lab, elsewhere) == []
        with pytest.raises(Denied):
            load_again(lab, By("vera", "session", Rights({"lab": Role.VIEWER})))
    assert changes(far) == before + 4
    (far.folder / "types/sums.yaml").write_text(SUMS.replace("%KIND%", "number"))
    assert aliquot("apply", "--lab", str(far.folder)).code == 0
    headers = {"authorization": f"Bearer {far.token}", "idempotency-key": "loads"}
    told = [httpx.post(f"{far.url}/api/v1/hub/load", headers=headers, timeout=60) for _ in range(2)]
    # The second one is told what came of the first: no load waits any more.
    last = [json.loads(each.text.splitlines()[-1])["result"] for each in told]
    assert last[0] == last[1]
    assert [(each["table"], each["state"], each["rows"]) for each in last[0]["loads"]] == [("totals", "DONE", 2)]
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        waiting = select(func.count()).select_from(load).where(load.c.state != "DONE")
        assert connection.execute(waiting).scalar() == 0
    here, there = both(far, "hub load")
    assert (here, here.code) == (there, 0)
    here, there = both(far, "run show 1 --json")
    assert here == there
    assert json.loads(here.out)["loads"] == [{"table": "totals", "state": "DONE", "rows": 2, "message": ""}]


def test_files_are_made_again_the_same(far: Far) -> None:
    for words in ("reproduce totals", "reproduce totals:/two.csv --json", "reproduce plates", "reproduce totals:/no",
                  "reproduce totals@9", "reproduce none", "reproduce NO", "reproduce a@b@c"):  # fmt: skip
        here, there = both(far, words)
        assert (here.code, here.out) == (there.code, there.out), words
        if here.code > 1:
            assert here.err == there.err
    otherwise = far.folder.parent / "otherwise"
    otherwise.touch()
    try:
        here, there = both(far, "reproduce totals:/two.csv")
    finally:
        otherwise.unlink()
    assert (here.code, here.out) == (there.code, there.out)
    assert (here.code, "+7" in there.out) == (1, True)


def test_what_nobody_waits_for_is_not_made_again(far: Far) -> None:
    slow = far.folder.parent / "slow"
    pid = slow.with_name("slow.pid")
    slow.touch()
    headers = {"authorization": f"Bearer {far.token}"}
    address = f"{far.url}/api/v1/datasets/totals/versions/1/reproduce"
    try:
        with httpx.stream("POST", address, params={"path": "/two.csv"}, headers=headers, timeout=60) as answer:
            lines = answer.iter_lines()
            assert json.loads(next(lines)) == {"done": 0, "total": 1, "what": ""}
            until(lambda: pid.exists() and pid.read_text().strip(), 60)
            busy = httpx.post(address, headers=headers)
            assert (busy.status_code, busy.json()["code"]) == (409, "work-under-way")
            # Something else does not wait for it.
            assert httpx.post(f"{far.url}/api/v1/audit/verify", headers=headers, timeout=60).status_code == 200
    finally:
        slow.unlink()
    until(lambda: not _runs(int(pid.read_text())), 60)
    until(lambda: not any((far.folder / ".aliquot/reproduce").iterdir()), 60)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


AT_THE_LAB = {"init", "up", "daemon", "serve", "worker", "admin rebuild"}
ASKS_NO_LAB = {"schema", "login", "logout"}


def test_every_command_works_from_afar_or_says_why_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    lab = make_lab(tmp_path / "lab")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    usages = re.findall(r"^Usage  aliquot (.+)$", (DOCS / "reference/commands.md").read_text(), re.MULTILINE)
    refused: dict[str, str] = {}
    asked = set[str]()
    with served(lab.folder) as far:
        monkeypatch.setenv("ALIQUOT_TOKEN", far.token)
        for usage in usages:
            if usage.endswith("COMMAND"):
                continue
            name = re.match(r"[a-z ]+[a-z]", usage)
            assert name
            given = re.sub(r"\[.*?\]", "", usage[name.end() :])
            words = [each if each.startswith("--") else "1" for each in given.split()]
            line = [*name[0].split(), *words]
            lines = [[*line, "--server", far.url]]
            if name[0] in AT_THE_LAB | ASKS_NO_LAB:
                lines.append(["--server", far.url, *line])
            for line in lines:
                monkeypatch.setattr("sys.stdin", io.StringIO(""))
                said = aliquot(*line)
                assert "Unknown option" not in said.err, (usage, said)
                assert "requires an argument" not in said.err, (usage, said)
                if "[server-not-here]" in said.err:
                    assert (said.code, said.out) == (2, "")
                    refused[name[0]] = said.err
            asked.add(name[0])
    assert refused.keys() == AT_THE_LAB | ASKS_NO_LAB
    assert len(asked) > 70
    assert len({refused[each] for each in AT_THE_LAB}) == len(AT_THE_LAB), "each says why"
    for name in AT_THE_LAB - {"init"}:
        assert "Run it on the machine where the lab is" in " ".join(refused[name].split())
    page = (DOCS / "how-to/drive-a-lab-from-afar.md").read_text()
    assert not [name for name in AT_THE_LAB | ASKS_NO_LAB if f"`{name}`" not in page]
    assert not (tmp_path / "1").is_dir()
