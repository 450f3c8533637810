"""Runs that are held, limited, replaced or late, under a real supervisor."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.engine import control
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.engine.supervise import Supervisor
from aliquot.model.state import State
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {f"/{number}": f"text {number}" for number in range(6)})
    yield made
    made.close()


@pytest.fixture
def supervisor(lab: SmallLab) -> Iterator[Supervisor]:
    made = Supervisor(lab.catalogue, lab.store, lambda _: lab.executor)
    yield made
    made.close()


def apply(lab: SmallLab, command: str, **more: Any) -> None:
    step = {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": f"{command}; cp $FILE $OUT/"}
    lab.apply({"pipeline": "copy", "inputs": {"texts": {"dataset": "texts"}}, "steps": {"copy": step}, **more})


def begin(lab: SmallLab, **more: Any) -> int:
    def work(connection: Any) -> int | None:
        return start(connection, replace(Order(current(connection, "copy")), **more))

    number = lab.catalogue.repeat(work)
    assert number is not None
    return number


def until(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        if not supervisor.cycle():
            supervisor.wait(0.02)


@both
def test_a_paused_run_starts_nothing_and_goes_on_when_resumed(lab: SmallLab, supervisor: Supervisor) -> None:
    gate = lab.folder / "gate"
    apply(lab, f"while [ ! -e {gate} ]; do sleep 0.05; done")
    number = begin(lab)
    until(supervisor, lambda: any(each.state == State.RUNNING for each in lab.tasks(number)))
    lab.catalogue.repeat(lambda connection: control.pause(connection, number))
    until(supervisor, lambda: sum(each.state == State.QUEUED for each in lab.tasks(number)) == 4)
    gate.touch()
    until(supervisor, supervisor.idle)
    states = sorted(each.state for each in lab.tasks(number))
    assert states == [State.COMPLETE] * 2 + [State.QUEUED] * 4
    assert lab.row(number).state == State.PAUSED
    lab.catalogue.repeat(lambda connection: control.resume(connection, number))
    until(supervisor, supervisor.idle)
    assert lab.row(number).state == State.COMPLETE
    assert {each.attempts for each in lab.tasks(number)} == {0}


@both
def test_a_run_that_passes_its_deadline_is_ended(lab: SmallLab, supervisor: Supervisor) -> None:
    apply(lab, "trap '' TERM; sleep 60", deadline="1s")
    number = begin(lab)
    until(supervisor, supervisor.idle, seconds=30)
    row = lab.row(number)
    assert (row.state, row.message) == (
        State.EXECUTOR_ERROR, "timeout: it was not done within its deadline of 1s and was ended",
    )  # fmt: skip


@both
def test_one_run_at_a_time_waits_in_its_turn(lab: SmallLab, supervisor: Supervisor) -> None:
    apply(lab, "sleep 0.2", runs={"at_most": 1})
    first, second, third = begin(lab), begin(lab), begin(lab, priority=3)
    until(supervisor, lambda: lab.row(first).message != "")
    assert lab.row(third).started_at is not None, "the higher priority begins first"
    assert lab.row(first).message.startswith(f"waits for the end of run {third}: copy has at most one run")
    until(supervisor, supervisor.idle)
    rows = [lab.row(number) for number in (third, first, second)]
    assert [row.state for row in rows] == [State.COMPLETE] * 3
    assert rows[0].ended_at <= rows[1].started_at
    assert rows[1].ended_at <= rows[2].started_at


@both
def test_the_newest_run_takes_the_place_of_the_older(lab: SmallLab, supervisor: Supervisor) -> None:
    apply(lab, "sleep 2", runs={"at_most": 1, "then": "newest"})
    first = begin(lab)
    until(supervisor, lambda: lab.row(first).state == State.RUNNING)
    second = begin(lab)
    until(supervisor, supervisor.idle)
    assert (lab.row(first).state, lab.row(first).message) == (State.CANCELED, f"Run {second} has taken its place.")
    assert lab.row(second).state == State.COMPLETE


def test_a_run_behind_a_paused_one_does_not_keep_the_lab_awake(lab: SmallLab, supervisor: Supervisor) -> None:
    apply(lab, "true", runs={"at_most": 1})
    first = begin(lab)
    until(supervisor, lambda: lab.row(first).state == State.RUNNING)
    lab.catalogue.repeat(lambda connection: control.pause(connection, first))
    second = begin(lab)
    until(supervisor, lambda: lab.row(second).message != "")
    until(supervisor, supervisor.idle)
    assert lab.row(second).state == State.QUEUED
    assert f"run {first} (paused)" in lab.row(second).message
