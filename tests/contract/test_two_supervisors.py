"""Two supervisors, each a process of its own, on one catalogue."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import attempt, output, result, version
from aliquot.executors.process import end_leftovers
from aliquot.model.state import State
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
TASKS = 200
PROGRAM = Path(__file__).parent.parent / "supervisor_program.py"


class Program:
    def __init__(self, lab: SmallLab, work: str) -> None:
        self.work = lab.folder / work
        url = lab.catalogue.engine.url.render_as_string(hide_password=False)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), url, lab.store.url, str(self.work)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.read() == "ready"

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        if self.work.exists():
            end_leftovers(self.work)


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {f"/{number:03d}": f"text {number}" for number in range(TASKS)})
    yield made
    made.close()


@pytest.fixture
def programs(lab: SmallLab) -> Iterator[list[Program]]:
    made = [Program(lab, f"work-{number}") for number in range(2)]
    yield made
    for program in made:
        program.end()


def apply(lab: SmallLab, pause: str) -> Path:
    """Apply a pipeline whose tasks each leave a line in a file outside."""
    journal = lab.folder / "journal"
    journal.touch()
    document: dict[str, Any] = {
        "pipeline": "copy",
        "inputs": {"texts": {"dataset": "texts"}},
        "steps": {
            "copy": {
                "inputs": {"file": {"from": "texts", "glob": "/{name}"}},
                "command": f'echo "$NAME $ALIQUOT_OWNER" >> {journal}; {pause} cp "$FILE" "$OUT"/',
            }
        },
        "outputs": {"copies": {"from": "copy", "publish": "copies"}},
    }
    lab.apply(document)
    return journal


def lines(journal: Path) -> list[list[str]]:
    return [line.split() for line in journal.read_text().splitlines()]


def check_published_once(lab: SmallLab, number: int) -> None:
    row = lab.row(number)
    assert (row.state, row.parked) == (State.COMPLETE, 0), row.message
    assert lab.content("copies") == lab.content("texts")
    with lab.catalogue.read() as connection:
        assert connection.execute(select(func.count()).where(version.c.run_id == number)).scalar_one() == 1
        for table in (result, output):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == TASKS


@both
def test_two_supervisors_share_the_tasks_and_run_none_twice(lab: SmallLab, programs: list[Program]) -> None:
    # Slow enough that neither claims all of them ahead.
    journal = apply(lab, pause="sleep 0.03;")
    number = lab.start("copy")
    for program in programs:
        program.go()
    assert [program.read() for program in programs] == ["done", "done"]
    check_published_once(lab, number)
    found = lines(journal)
    assert sorted(name for name, _ in found) == [f"{each:03d}" for each in range(TASKS)]
    assert len({owner for _, owner in found}) == 2, "both have worked"
    assert {row.fence for row in lab.tasks(number)} == {1}
    with lab.catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(attempt)).scalar_one() == TASKS


@both
def test_when_one_is_killed_the_other_ends_the_run_and_nothing_is_doubled(
    lab: SmallLab, programs: list[Program]
) -> None:
    journal = apply(lab, pause="sleep 0.01;")
    number = lab.start("copy")
    for program in programs:
        program.go()
    deadline = time.monotonic() + 60
    while len(lines(journal)) < TASKS // 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    programs[0].process.kill()
    assert programs[1].read() == "done"
    check_published_once(lab, number)
    # What was under way may have been done again; all else was done once.
    again = Counter(name for name, _ in lines(journal))
    assert len(again) == TASKS
    fences = {row.ordinal: row.fence for row in lab.tasks(number)}
    assert all(times <= fences[int(name) + 1] for name, times in again.items())
