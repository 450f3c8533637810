"""`python -m aliquot.executors.stage`: what a cluster starts."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from aliquot.blobs import open_store
from aliquot.model.digest import EMPTY, digest_bytes
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument, TaskFile, outcome_from_json
from executor_place import DEADLINE, living

STAGE = [sys.executable, "-m", "aliquot.executors.stage"]


def write(folder: Path, command: str | tuple[str, ...], task: int = 1) -> Path:
    store = open_store(str(folder / "store"))
    document = TaskDocument(
        key=EMPTY,
        task=task,
        fence=2,
        name="step",
        command=command,
        store=store.url,
        places={"OUT": "out", "A": "in/a/x", "TASK": "task.json"},
        files=(TaskFile("in/a/x", store.put_bytes(b"input")),),
        image="registry.example/tool@sha256:" + "0" * 64,
    )
    path = folder / "task.json"
    path.write_text(document.to_json())
    return path


def outcome_beside(path: Path) -> Outcome:
    return outcome_from_json((path.parent / "outcome.json").read_text())


def test_a_document_is_run(tmp_path: Path) -> None:
    path = write(tmp_path, 'cp "$A" "$OUT/b"; echo \'{"n": 1}\' > "$OUT/exports.json"; echo printed; exec >&- 2>&-')
    done = subprocess.run([*STAGE, "task.json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    outcome = outcome_beside(path)
    assert (outcome.task, outcome.fence, outcome.state, outcome.exports) == (1, 2, State.COMPLETE, {"n": 1})
    assert outcome.outputs[0].digest == digest_bytes(b"input")
    store = open_store(str(tmp_path / "store"))
    contents = {store.read(location) for location in outcome.locations}
    assert contents == {b"input", b"printed\n"}
    assert outcome_from_json(outcome.to_json()) == outcome
    assert sorted(each.name for each in tmp_path.iterdir()) == ["outcome.json", "store", "task.json"]


def test_a_failure_is_told_by_the_exit_code_and_the_outcome(tmp_path: Path) -> None:
    path = write(tmp_path, "echo broken >&2; exit 9")
    assert subprocess.run([*STAGE, str(path)], check=False).returncode == 1
    outcome = outcome_beside(path)
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.EXECUTOR_ERROR, Cause.USER, 9)
    assert outcome.tail == "broken"


def test_sigterm_ends_the_command_and_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "sleep 300 & setsid sleep 300 & wait", task=990_001)
    stage = subprocess.Popen([*STAGE, str(path)])
    until = time.monotonic() + DEADLINE
    while len(living("ALIQUOT_TASK=990001-2")) < 3:
        assert time.monotonic() < until
        assert stage.poll() is None
    stage.terminate()
    assert stage.wait(DEADLINE) == 1
    outcome = outcome_beside(path)
    assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.LOST)
    assert "SIGTERM" in outcome.message
    assert living("ALIQUOT_TASK=990001-2") == []


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"format": 1, "files": [], "resources": {}, "command": ""}'])
def test_without_a_document_there_is_nothing_to_run(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "task.json"
    if text is not None:
        path.write_text(text)
    done = subprocess.run([*STAGE, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "task.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_how_it_is_called() -> None:
    done = subprocess.run(STAGE, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr
