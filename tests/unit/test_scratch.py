"""Temporary files lie in the lab, and those of processes that are gone are removed."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from aliquot.lab.scratch import SCRATCH, scratch


def test_temporary_files_lie_in_the_lab_while_it_is_worked_on(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    with scratch(tmp_path), tempfile.TemporaryDirectory() as folder:
        assert Path(folder).is_relative_to(tmp_path / SCRATCH)
    assert tempfile.gettempdir() == before
    assert list((tmp_path / SCRATCH).iterdir()) == []


@pytest.mark.parametrize("seconds", [0, 3600])
def test_what_a_killed_process_left_is_removed_once_nobody_can_hold_it(tmp_path: Path, seconds: float) -> None:
    left = tmp_path / SCRATCH / "left" / "rows.csv"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    then = time.time() - seconds
    os.utime(left.parent, (then, then))
    with scratch(tmp_path) as own:
        with scratch(tmp_path) as other:
            assert own.is_dir()
            assert other.is_dir()
        assert left.exists() is (seconds == 0)
