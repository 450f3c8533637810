"""`ensure` beside every command: processes, containers, functions, `stage`, and tasks that run nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliquot.blobs import open_store
from aliquot.executors.container import ContainerExecutor
from aliquot.executors.process import ProcessExecutor
from aliquot.model.digest import EMPTY, digest_bytes
from aliquot.model.seams import Executor
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument, TaskFile, outcome_from_json
from executor_place import IMAGE, Place
from warm_place import WarmPlace, make_warm

Rules = tuple[dict[str, Any], ...]

TABLE: Rules = ({"glob": "/*.csv", "schema": {"fields": [{"name": "n", "type": "integer"}]}},)
GOOD, BAD = b"n\n1\n2\n", b"n\n1\nmany\nfew\n"
WORK = """
    @aliquot.step
    def copy(reads: Path, out: Path):
        print("copying")
        (out / reads.name).write_bytes(reads.read_bytes())

    @aliquot.step
    def give(reads: bytes):
        return aliquot.Files({"a.csv": reads}, exports={"n": 1})
"""


class Copying:
    """Has one file copied to the outputs, in whatever way the executor under test runs things."""

    def __init__(self, place: Place, function: str | None = None) -> None:
        self.place = place
        self._function = function

    def copy(self, data: bytes, rules: Rules) -> Outcome:
        files = {"in/reads/a.csv": data}
        if self._function and isinstance(self.place, WarmPlace):
            return self.place.do(self._function, files, ensure=rules)
        return self.place.run('echo copying; cp "$READS" "$OUT"/a.csv', files, ensure=rules)


@pytest.fixture(params=["process", "container", "copy", "give"])
def copying(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copying]:
    def make(store: Any, work: Path) -> Executor:
        kind = ContainerExecutor if request.param == "container" else ProcessExecutor
        return kind(store, work, 2, grace=0.5)

    if request.param == "container":
        request.getfixturevalue("images")
    if request.param in {"copy", "give"}:
        place = WarmPlace(tmp_path, make_warm(), None)
        place.write(WORK)
        made = Copying(place, request.param)
    else:
        made = Copying(Place(tmp_path, make, IMAGE if request.param == "container" else None))
    yield made
    made.place.executor.close()
    assert list(made.place.work.iterdir()) == []


def test_files_that_keep_the_rules_are_given(copying: Copying) -> None:
    rules = (*TABLE, {"glob": "/a.csv", "digest": digest_bytes(GOOD), "non_empty": True, "size": {"min": 6, "max": 6}})
    outcome = copying.copy(GOOD, rules)
    assert outcome.state is State.COMPLETE, outcome.message
    assert copying.place.content(outcome, "/a.csv") == GOOD
    assert "ensure" not in outcome.tail


def test_a_violated_rule_is_a_user_error_with_its_findings(copying: Copying) -> None:
    outcome = copying.copy(BAD, TABLE)
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert outcome.message.startswith("'ensure' is not kept: out/a.csv: ")
    assert 'n is "many", but should be a whole number' in outcome.message
    assert "(the first of 2 findings)" in outcome.message
    assert outcome.outputs == ()
    assert outcome.exports is None
    lines = [line for line in outcome.tail.splitlines() if line.startswith("ensure: out/a.csv: ")]
    assert ['"many"' in lines[0], '"few"' in lines[1]] == [True, True]
    assert b'"few"' in copying.place.bytes_of(outcome, outcome.stderr)
    # What comes next in the same place knows nothing of it.
    assert copying.copy(GOOD, TABLE).state is State.COMPLETE


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    yield place
    place.executor.close()
    assert list(place.work.iterdir()) == []


def test_a_command_that_failed_is_told_for_itself(place: Place) -> None:
    outcome = place.run("exit 3", ensure=({"glob": "/x"},))
    assert outcome.exit_code == 3
    assert "ensure" not in outcome.message + outcome.tail


def test_a_million_faults_make_a_short_message_and_all_are_counted(place: Place) -> None:
    outcome = place.run('echo n > "$OUT/a.csv"; yes x | head -n 100000 >> "$OUT/a.csv"', ensure=TABLE)
    assert "(the first of 100,000 findings)" in outcome.message
    assert outcome.tail.splitlines()[-1] == "ensure: and 99,985 more"
    assert len(outcome.tail.splitlines()) == 16


@pytest.mark.parametrize("rules", [({"glob": "/**", "non_empty": True},), TABLE])
def test_a_task_that_runs_nothing_passes_its_files_on(place: Place, rules: Rules) -> None:
    files = {"in/reads/d/b.csv": GOOD, "in/reads/a.csv": GOOD + b"3\n"}
    outcome = place.run("", files, ensure=rules, image=None)
    assert (outcome.state, outcome.exit_code, outcome.message) == (State.COMPLETE, None, "")
    assert [(each.path, each.digest, each.size) for each in outcome.outputs] == [
        ("/a.csv", digest_bytes(GOOD + b"3\n"), 8), ("/d/b.csv", digest_bytes(GOOD), 6),
    ]  # fmt: skip


def test_a_task_that_runs_nothing_tells_what_is_wrong_with_its_files(place: Place) -> None:
    outcome = place.run("", {"in/reads/a.csv": BAD, "in/reads/b.csv": b""}, ensure=(*TABLE, {"glob": "/c"}))
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "in/reads/a.csv: " in outcome.message
    assert "(the first of 4 findings)" in outcome.message
    assert "ensure: no file matches /c, but at least 1 is expected." in outcome.tail
    assert outcome.outputs == ()


@pytest.mark.parametrize("command", ['cp "$A" "$OUT/a.csv"', ""])
def test_stage_checks_beside_the_command(tmp_path: Path, command: str) -> None:
    store = open_store(str(tmp_path / "store"))
    document = TaskDocument(
        key=EMPTY, task=1, fence=2, name="step", command=command, store=store.url,
        places={"OUT": "out", "A": "in/reads/a.csv", "TASK": "task.json"},
        files=(TaskFile("in/reads/a.csv", store.put_bytes(BAD)),), ensure=TABLE,
    )  # fmt: skip
    (tmp_path / "task.json").write_text(document.to_json())
    stage = [sys.executable, "-m", "aliquot.executors.stage", "task.json"]
    assert subprocess.run(stage, cwd=tmp_path, check=False).returncode == 1
    outcome = outcome_from_json((tmp_path / "outcome.json").read_text())
    assert outcome.cause is Cause.USER
    assert "(the first of 2 findings)" in outcome.message
