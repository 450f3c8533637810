"""Folders as datums behind a step that only checks: each begins when its own files are there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import run_step
from aliquot.engine.supervise import Supervisor
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab
from waiting import until

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

PIPELINE: dict[str, Any] = {
    "pipeline": "folders",
    "inputs": {"files": {"dataset": "files"}},
    "steps": {
        "checked": {"inputs": {"file": {"from": "files", "glob": "/**"}}, "ensure": [{"non_empty": True}]},
        "each": {"inputs": {"folder": {"from": "checked", "glob": "/*/"}}, "command": "each"},
        "entry": {"inputs": {"folder": {"from": "checked", "glob": "/*"}}, "command": "entry"},
        "whole": {"inputs": {"folder": {"from": "checked", "glob": "/"}}, "command": "whole"},
    },
    "outputs": {"folders": {"from": "each", "publish": "folders"}},
}


class Held:
    """An executor whose checks of some files end when the test lets them, and fail for others."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.refused: set[str] = set()
        self.executor = InstantExecutor(self.decide)

    def decide(self, document: TaskDocument) -> Outcome | None:
        paths = {"/" + file.path.split("/", 2)[2] for file in document.files}
        if "/checked/" not in document.name:
            return copied(document)
        if paths & self.refused:
            return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, message="no", ended_at=1.0)
        return None if paths & self.held else copied(document)


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("files", {"/x/1": "1", "/x/2": "2", "/y/1": "3", "/y/deep/2": "4", "/z": "5"})
    made.apply(PIPELINE)
    yield made
    made.close()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def supervisor(lab: SmallLab, held: Held) -> Iterator[Supervisor]:
    mine = Supervisor(lab.catalogue, lab.store, lambda _: held.executor)
    mine.open()
    yield mine
    mine.close()


def complete(lab: SmallLab, number: int, step: str) -> list[str]:
    rows = lab.tasks(number, step)
    return sorted(row.datum["parts"]["folder"][0] for row in rows if row.state == State.COMPLETE)


def planned(lab: SmallLab, number: int) -> set[str]:
    with lab.catalogue.read() as connection:
        rows = connection.execute(select(run_step).where(run_step.c.run_id == number)).all()
    return {row.step for row in rows if row.planned_at is not None}


def cycling(mine: Supervisor, condition: Callable[[], bool]) -> None:
    def turn() -> bool:
        mine.cycle()
        return condition()

    until(turn)


@both
def test_a_folder_begins_when_its_own_files_have_passed(lab: SmallLab, held: Held, supervisor: Supervisor) -> None:
    held.held = {"/x/2", "/y/deep/2"}
    number = lab.start("folders")
    cycling(supervisor, lambda: complete(lab, number, "entry") == ["/z"])
    assert complete(lab, number, "each") == []
    held.held = {"/y/deep/2"}
    cycling(supervisor, lambda: complete(lab, number, "each") == ["/x"])
    cycling(supervisor, lambda: complete(lab, number, "entry") == ["/x", "/z"])
    assert planned(lab, number) == {"checked"}
    assert complete(lab, number, "whole") == []
    held.held = set()
    cycling(supervisor, lambda: lab.row(number).state == State.COMPLETE)
    assert complete(lab, number, "each") == ["/x", "/y"]
    assert complete(lab, number, "entry") == ["/x", "/y", "/z"]
    assert complete(lab, number, "whole") == ["/"]


@both
def test_a_folder_of_which_a_file_was_refused_waits_to_the_end(
    lab: SmallLab, held: Held, supervisor: Supervisor
) -> None:
    held.refused, held.held = {"/x/1"}, {"/y/1"}
    number = lab.start("folders")
    cycling(supervisor, lambda: complete(lab, number, "entry") == ["/z"])
    cycling(supervisor, lambda: len(held.executor.started) >= 6)
    assert complete(lab, number, "each") == []
    held.held = set()
    cycling(supervisor, lambda: lab.row(number).state == State.COMPLETE)
    assert complete(lab, number, "each") == ["/x", "/y"]
    (row,) = [row for row in lab.tasks(number, "each") if row.datum["parts"]["folder"][0] == "/x"]
    assert row.state == State.COMPLETE


@both
def test_what_began_early_is_what_a_run_makes_that_waits(lab: SmallLab, held: Held, supervisor: Supervisor) -> None:
    held.held = {"/y/1"}
    number = lab.start("folders")
    cycling(supervisor, lambda: complete(lab, number, "each") == ["/x"])
    held.held = set()
    cycling(supervisor, lambda: lab.row(number).state == State.COMPLETE)
    again = lab.start("folders")
    cycling(supervisor, lambda: lab.row(again).state == State.COMPLETE)
    keys = [sorted((row.step, row.key) for row in lab.tasks(each)) for each in (number, again)]
    assert keys[0] == keys[1]
