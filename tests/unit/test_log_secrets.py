"""The log of a fault: where it happened, and never what the variables held."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import aliquot
from aliquot.cli.logs import prepare_logs
from lab_folder import LabFolder

SECRET = "correct-horse-battery"  # not one of anybody's


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def _fail(_password: str) -> None:
    raise RuntimeError("it broke")


def _log_a_fault() -> None:
    password = SECRET[:]
    try:
        _fail(password)
    except RuntimeError:
        structlog.get_logger().exception("a fault of Aliquot", run=3)


def _assert_told_without_secrets(told: str) -> None:
    assert "a fault of Aliquot" in told
    assert "it broke" in told
    assert "_fail" in told
    assert SECRET not in told


@pytest.mark.parametrize("how", ["", "json"])
def test_the_command_line_shows_no_variables(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALIQUOT_LOG", how)
    prepare_logs(quiet=True)
    _log_a_fault()
    _assert_told_without_secrets(capsys.readouterr().err)


def test_the_python_interface_shows_no_variables(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    LabFolder(tmp_path).run("init", ".")
    with aliquot.Lab(tmp_path):
        _log_a_fault()
    _assert_told_without_secrets(capfd.readouterr().err)


def test_a_program_keeps_the_log_that_it_has_chosen(tmp_path: Path) -> None:
    LabFolder(tmp_path).run("init", ".")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    chosen = structlog.get_config()["wrapper_class"]
    with aliquot.Lab(tmp_path):
        assert structlog.get_config()["wrapper_class"] is chosen
