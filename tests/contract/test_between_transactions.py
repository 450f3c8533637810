"""People who ask something of a run between any two transactions of the supervisor that moves it."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.engine import control
from aliquot.engine.supervise import Supervisor
from aliquot.model.errors import Conflict
from aliquot.model.state import ENDED, State
from aliquot.model.task import Cause, Outcome, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

COPY = {
    "pipeline": "copy",
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "one": {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": "cp", "retry": {"attempts": 1}},
        "two": {"inputs": {"all": {"from": "one", "glob": "/"}}, "command": "cp all", "retry": {"attempts": 1}},
        "three": {"inputs": {"file": {"from": "two", "glob": "/*"}}, "command": "cp 3", "retry": {"attempts": 1}},
    },
    "outputs": {"copies": {"from": "three", "publish": "copies"}},
}


class Between(Catalogue):
    """A catalogue before whose writing transaction of a number something else happens, once."""

    def __init__(self, engine: Engine, at: int, act: Callable[[], None]) -> None:
        super().__init__(engine)
        self.left, self.act = at, act

    @contextmanager
    def write(self) -> Generator[Connection]:
        self.left -= 1
        if self.left == 0:
            self.act()
        with super().write() as connection:
            yield connection


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {"/a": "1", "/b": "2"})
    made.apply(COPY)
    yield made
    made.close()


class Failing:
    """Copies, but fails each task that has this file to itself, while it is told to."""

    def __init__(self, step: str, file: str) -> None:
        self.step, self.file = step, f"/{file}"

    def __call__(self, document: TaskDocument) -> Outcome:
        mine = any(each.path.startswith("in/file") and each.path.endswith(self.file) for each in document.files)
        if self.step == document.name.split("/")[1] and mine:
            return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, 1, "bad", ended_at=1.0)
        return copied(document)


def rest(supervisor: Supervisor, lab: SmallLab, number: int) -> None:
    """Cycle until a run has ended or rests."""
    deadline = time.monotonic() + 60
    while State(lab.row(number).state) not in {*ENDED, State.PAUSED}:
        assert time.monotonic() < deadline, f"the run did not end: {lab.row(number)}, {lab.tasks(number)}"
        if not supervisor.cycle():
            supervisor.wait(0.02)


def tried_again(lab: SmallLab, at: int, step: str, done: bool) -> bool:
    """Ask in a run for what failed at this moment, and have another supervisor do it; says whether there was time."""
    lab.add("texts", {"/b": f"changed {at}", "/a": f"changed too {at}"})
    failing = Failing(step, "b")
    executor = InstantExecutor(failing)
    other = Supervisor(lab.catalogue, lab.store, lambda _: executor)
    number = lab.start("copy")
    chosen: list[int] = []

    def again() -> None:
        if State(lab.row(number).state) in ENDED:
            return
        with suppress(Conflict):
            chosen.append(lab.catalogue.repeat(lambda connection: control.retry(connection, number, "me"))[1])
            failing.step = ""
            for _ in range(4 if done else 0):
                other.cycle()

    mine = Supervisor(Between(lab.catalogue.engine, at, again), lab.store, lambda _: executor)
    rest(mine, lab, number)
    mine.close()
    other.close()
    row = lab.row(number)
    assert (row.state, row.parked) == (State.COMPLETE, 0 if chosen else 1), (at, row.message)
    changed = {path for path, data in lab.content("copies").items() if data.endswith(f" {at}".encode())}
    assert changed == ({"/a", "/b"} if chosen else {"/a"}), at
    return bool(chosen)


@both
@pytest.mark.parametrize(("step", "done"), [("one", False), ("one", True), ("three", True)])
def test_what_is_tried_again_is_never_left_out(lab: SmallLab, step: str, done: bool) -> None:
    moments = [tried_again(lab, at, step, done) for at in range(4, 14)]
    assert any(moments)


@both
@pytest.mark.parametrize("steer", [control.pause, control.cancel])
def test_a_run_that_is_steered_at_any_moment_ends_as_was_asked(
    lab: SmallLab, steer: Callable[[Connection, int], Row[*tuple[Any, ...]]]
) -> None:
    asked: set[str] = set()
    executor = InstantExecutor()
    for at in range(1, 12):
        lab.add("texts", {"/a": f"changed {at}"})
        number = lab.start("copy")

        def act(number: int = number) -> None:
            with suppress(Conflict):
                found = lab.row(number).state
                lab.catalogue.repeat(lambda connection: steer(connection, number))
                asked.add(found)

        mine = Supervisor(Between(lab.catalogue.engine, at, act), lab.store, lambda _: executor)
        rest(mine, lab, number)
        if lab.row(number).state == State.PAUSED:
            lab.catalogue.repeat(lambda connection, number=number: control.resume(connection, number))
            rest(mine, lab, number)
        mine.close()
        row = lab.row(number)
        assert row.state == (State.CANCELED if row.cancel_asked else State.COMPLETE), (at, row.message)
        assert not row.message, at
    assert asked == {State.QUEUED, State.RUNNING}
