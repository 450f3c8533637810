"""Waking when something happens in a folder."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.intake.watch import Wake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def wake(folder: Path) -> Iterator[Wake]:
    opened = Wake([folder])
    opened.wait(0)  # the first watch wakes, for what was there before it
    yield opened
    opened.close()


def test_a_new_file_wakes_at_once(wake: Wake, folder: Path) -> None:
    (folder / "a").write_text("x")
    began = time.monotonic()
    assert wake.wait(30)
    assert time.monotonic() - began < 10


def test_a_file_in_a_folder_made_a_moment_ago_wakes(wake: Wake, folder: Path) -> None:
    (folder / "deep/er").mkdir(parents=True)
    assert wake.wait(30)


def test_reading_wakes_nobody(wake: Wake, folder: Path) -> None:
    (folder / "a").write_text("x")
    while wake.wait(0.3):
        pass
    (folder / "a").read_text()
    assert list(folder.iterdir())
    assert not wake.wait(0.3)


def test_nothing_happens_and_the_wait_ends(wake: Wake) -> None:
    assert not wake.wait(0.01)


def test_another_thread_may_wake(wake: Wake) -> None:
    wake.wake()
    assert wake.wait(30)


def test_a_folder_may_vanish_and_come_back(wake: Wake, folder: Path) -> None:
    shutil.rmtree(folder)
    while wake.wait(0.2):
        pass
    folder.mkdir()
    assert wake.wait(30), "a folder that is there again is a reason to look"
    while wake.wait(0.2):
        pass
    (folder / "a").write_text("x")
    assert wake.wait(30)


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    wake = Wake([tmp_path / "later"])
    assert not wake.wait(0.01)
    (tmp_path / "later").mkdir()
    assert wake.wait(30)
    wake.close()
