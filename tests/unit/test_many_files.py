"""A folder of thousands of files is taken in as one delivery, whatever is odd among them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.blobs import Store
from aliquot.blobs.batch import MANY_FILES
from aliquot.db import Catalogue
from aliquot.intake.by_hand import ingest
from datasets_world import contents

FOLDERS = 20


@pytest.fixture(params=[True, False], ids=["all cores", "one core"])
def cores(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the test have all cores, or one, where readers would not help."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if request.param else {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("cores")
def test_thousands_of_files_come_together(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    given = tmp_path / "given"
    for number in range(MANY_FILES + 5):
        if number < FOLDERS:
            (given / f"{number}").mkdir(parents=True)
        (given / f"{number % FOLDERS}" / f"{number} ü.txt").write_text(str(number))
    (given / "3" / "large.txt").write_text("0123456789abcdef" * 16_000)
    (given / "3" / "link").symlink_to("large.txt")
    taken, (finding,) = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, len(taken.versions), taken.bad, finding.file) == (MANY_FILES + 6, 1, False, "/3/link")
    found = contents(catalogue, store, "wells")
    assert found.pop("/3/large.txt") == "0123456789abcdef" * 16_000
    assert found == {f"/{number % FOLDERS}/{number} ü.txt": str(number) for number in range(MANY_FILES + 5)}
    (given / "3" / "3 ü.txt").write_text("another text")
    (given / "4" / "4 ü.txt").unlink()
    taken, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, taken.unchanged, taken.bad) == (1, MANY_FILES + 4, False)
    assert contents(catalogue, store, "wells@2")["/3/3 ü.txt"] == "another text"
