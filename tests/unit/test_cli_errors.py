"""Every error ends as one sentence on stderr and an exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aliquot.cli.app import run_command
from aliquot.cli.failure import ends
from aliquot.cli.pairs import pairs
from aliquot.model.errors import FAMILIES, AliquotError, Invalid

CODES = {"invalid": 2, "missing": 3, "conflict": 4, "unavailable": 5, "damaged": 6}


def _end(error: BaseException, *words: str) -> int:
    with ends(words) as end:
        raise error
    return end.code  # reached: `ends` swallows what it tells


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_its_exit_code(family: type[AliquotError], capsys: pytest.CaptureFixture[str]) -> None:
    code = _end(family("some-code", "It is so.\x1b[2J", path="/a"))
    told = capsys.readouterr()
    assert code == CODES[family.family]
    assert told.out == ""
    assert told.err == "error: It is so.\\x1b[2J  [some-code]\n"


def test_with_json_the_error_is_a_document_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert _end(Invalid("some-code", "It is so.", path="/a"), "dataset", "--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err) == {
        "family": "invalid",
        "code": "some-code",
        "message": "It is so.",
        "facts": {"path": "/a"},
    }


def test_stopping_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert _end(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_fault_of_ours_leaves_its_trace_in_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "aliquot.yaml").write_text("lab: x\n")
    monkeypatch.chdir(tmp_path)
    assert _end(ZeroDivisionError("by\nzero")) == 70
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Traceback" not in told
    (trace,) = (tmp_path / ".aliquot" / "logs").iterdir()
    assert str(trace) in told
    assert "ZeroDivisionError" in trace.read_text()


def test_a_fault_of_ours_shows_its_trace_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALIQUOT_DEBUG", "1")
    assert _end(ZeroDivisionError("by zero")) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["nonsense"], 'Unknown command "nonsense"'),
        (["dataset", "lst"], 'Did you mean "list"?'),
        (["dataset", "list", "--jsn"], "Did you mean --json?"),
        (["run", "show", "three"], "three"),
        (["run", "start"], "PIPELINE"),
        (["run", "start", "count", "base=2"], "There is no place for 'base=2'"),
        (["quarantine", "reject", "1"], "--because"),
    ],
)
def test_what_is_typed_wrong_is_told(words: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert hint in told.err.replace("\n", " ")
    assert "--help" in told.err


def test_outside_of_a_lab_a_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALIQUOT_LAB", raising=False)
    assert run_command(["dataset", "list"]) == 3
    assert "aliquot init" in capsys.readouterr().err


def test_pairs() -> None:
    assert pairs("-p", ["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a=1", "a=2"]])
def test_what_is_no_pair_is_refused(texts: list[str]) -> None:
    refused: Callable[[], object] = lambda: pairs("-p", texts)  # noqa: E731
    with pytest.raises(Invalid):
        refused()
