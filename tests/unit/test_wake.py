"""Waking when something happens in a folder."""

import shutil
import subprocess
import sys
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


_WITHOUT_WATCHES = """
import os, resource, sys
from pathlib import Path
from aliquot.intake.watch import Wake
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
wake = Wake([folder])
print(dict(wake.unwatched), wake.wait(0.01))
for each in taken:
    os.close(each)
print(wake.wait(30), dict(wake.unwatched))
(folder / "a").write_text("x")
print(wake.wait(30))
wake.close()
"""


def test_a_folder_that_the_system_cannot_watch_is_told_and_watched_when_it_can(folder: Path) -> None:
    # In a process of its own, which may have no more open files and so no watches either.
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_WATCHES, str(folder)], capture_output=True, text=True, timeout=120, check=True
    )
    told, again, woken = done.stdout.splitlines()
    assert str(folder) in told
    assert told.endswith(" False")
    assert (again, woken) == ("True {}", "True")
