"""Steps that begin while the steps before them still run, on both databases."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aliquot.blobs import Store, open_store
from aliquot.datasets.read import Reference, resolve
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import run_step, version
from aliquot.engine.control import cancel
from aliquot.engine.supervise import Supervisor
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, OutputFile, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def step(source: str, glob: str = "/*", **more: Any) -> dict[str, Any]:
    return {"inputs": {"file": {"from": source, "glob": glob, **more}}, "command": "cp"}


CHAIN: dict[str, Any] = {
    "pipeline": "chain",
    "inputs": {"files": {"dataset": "files"}},
    "steps": {"one": step("files"), "two": step("one"), "three": step("two"), "all": step("three", "/")},
    "outputs": {"ends": {"from": "three", "publish": "ends"}, "whole": {"from": "all", "publish": "whole"}},
}


def apply(lab: SmallLab, document: dict[str, Any]) -> None:
    """Apply a pipeline, with another command for each step: equal ones would be equal work."""
    lab.apply({**document, "steps": {name: {**each, "command": name} for name, each in document["steps"].items()}})


class Gates:
    """An executor whose attempts end when the test lets them."""

    def __init__(self, outcome: Callable[[TaskDocument], Outcome] = copied) -> None:
        self.held: set[str] = set()
        self.give = outcome
        self.executor = InstantExecutor(self.decide)

    def decide(self, document: TaskDocument) -> Outcome | None:
        return None if self.held & set(names(document)) else self.give(document)


def names(document: TaskDocument) -> list[str]:
    of = document.name.split("/")[1]
    return [of, *(f"{of}:/" + file.path.split("/", 2)[2] for file in document.files)]


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    yield made
    made.close()


Supervise = Callable[[SmallLab, Gates], Supervisor]


@pytest.fixture
def supervisor(lab: SmallLab) -> Iterator[Supervise]:
    opened: list[Supervisor] = []

    def open_one(lab: SmallLab, gates: Gates) -> Supervisor:
        opened.append(Supervisor(lab.catalogue, lab.store, lambda _: gates.executor))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def cycle(mine: Supervisor, until: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "it did not come to that"
        mine.cycle()


def ended(lab: SmallLab, number: int) -> Callable[[], bool]:
    return lambda: lab.row(number).state in {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}


def complete(lab: SmallLab, number: int, step: str) -> list[str]:
    return sorted(
        next(iter(row.datum["parts"].values()))[0] for row in lab.tasks(number, step) if row.state == State.COMPLETE
    )


def planned(lab: SmallLab, number: int) -> dict[str, tuple[int, bool]]:
    with lab.catalogue.read() as connection:
        rows = connection.execute(select(run_step).where(run_step.c.run_id == number))
        return {row.step: (row.datums, row.planned_at is not None) for row in rows}


@both
def test_a_datum_goes_to_the_end_while_another_is_still_in_the_first_step(lab: SmallLab, supervisor: Supervise) -> None:
    lab.add("files", {"/a": "a", "/b": "b", "/c": "c"})
    apply(lab, CHAIN)
    gates = Gates()
    gates.held = {"one:/c"}
    mine = supervisor(lab, gates)
    number = lab.start("chain")
    cycle(mine, lambda: complete(lab, number, "three") == ["/a", "/b"])
    assert planned(lab, number) == {"one": (3, True), "two": (2, False), "three": (2, False), "all": (0, False)}
    gates.held.clear()
    cycle(mine, ended(lab, number))
    assert lab.row(number).state == State.COMPLETE, lab.row(number).message
    assert planned(lab, number) == {"one": (3, True), "two": (3, True), "three": (3, True), "all": (1, True)}
    assert lab.content("ends") == lab.content("whole") == {"/a": b"a", "/b": b"b", "/c": b"c"}


@both
def test_a_step_waits_only_for_what_its_datums_need(lab: SmallLab, supervisor: Supervise) -> None:
    """Groups, directories and whole inputs wait for the steps that they take from, and for no other."""
    lab.add("files", {"/a": "a", "/b": "b"})
    lab.add("sheets", {"/x/1": "1", "/x/2": "2"})
    apply(
        lab,
        {
            "pipeline": "waits",
            "inputs": {"files": {"dataset": "files"}, "sheets": {"dataset": "sheets"}},
            "steps": {
                "slow": step("files"),
                "quick": step("files"),
                "whole": step("quick", "/"),
                "grouped": step("quick", "/{name}", group_by="$name"),
                "folders": step("slow", "/*/"),
                "groups": step("slow", "/{name}", group_by="$name"),
                "mixed": {
                    "inputs": {
                        "sheet": {"from": "sheets", "glob": "/{name}/*", "group_by": "$name"},
                        "file": {"from": "slow", "glob": "/*"},
                    },
                    "command": "cp",
                },
            },
        },
    )
    gates = Gates()
    gates.held = {"slow:/b"}
    mine = supervisor(lab, gates)
    number = lab.start("waits")
    cycle(mine, lambda: planned(lab, number)["mixed"][0] == 1 and planned(lab, number)["grouped"][1])
    found = planned(lab, number)
    assert found["whole"] == (1, True)
    assert found["grouped"] == (2, True)
    assert found["mixed"] == (1, False)
    assert found["folders"] == found["groups"] == (0, False)
    gates.held.clear()
    cycle(mine, ended(lab, number))
    found = planned(lab, number)
    assert (found["folders"], found["groups"], found["mixed"]) == ((0, True), (2, True), (2, True))


@both
def test_files_of_a_folder_wait_until_nothing_can_be_added_to_it(lab: SmallLab, supervisor: Supervise) -> None:
    lab.add("files", {"/x/1": "1", "/x/2": "2", "/y": "3"})
    apply(lab, {**CHAIN, "steps": {"one": step("files", "/**"), "two": step("one")}, "outputs": {}})
    gates = Gates()
    gates.held = {"one:/x/2"}
    mine = supervisor(lab, gates)
    number = lab.start("chain")
    cycle(mine, lambda: complete(lab, number, "two") == ["/y"])
    gates.held.clear()
    cycle(mine, ended(lab, number))
    assert complete(lab, number, "two") == ["/x", "/y"]


@both
def test_new_files_of_two_unfinished_steps_meet_the_old_ones_of_the_other(lab: SmallLab, supervisor: Supervise) -> None:
    lab.add("files", {"/a": "a", "/b": "b"})
    both_inputs = {"left": {"from": "one", "glob": "/*"}, "right": {"from": "other", "glob": "/*"}}
    apply(
        lab,
        {
            "pipeline": "cross",
            "inputs": {"files": {"dataset": "files"}},
            "steps": {
                "one": step("files"),
                "other": step("files"),
                "meet": {"inputs": both_inputs, "command": "cp"},
            },
        },
    )
    gates = Gates()
    gates.give = lambda document: nothing(document) if document.name.startswith("cross/meet") else copied(document)
    gates.held = {"one:/b", "other:/b"}
    mine = supervisor(lab, gates)
    number = lab.start("cross")
    cycle(mine, lambda: planned(lab, number)["meet"][0] == 1)
    gates.held = {"other:/b"}
    cycle(mine, lambda: planned(lab, number)["meet"][0] == 2)
    gates.held = set()
    cycle(mine, ended(lab, number))
    pairs = sorted(tuple(part[0] for part in row.datum["parts"].values()) for row in lab.tasks(number, "meet"))
    assert pairs == [("/a", "/a"), ("/a", "/b"), ("/b", "/a"), ("/b", "/b")]


def nothing(document: TaskDocument) -> Outcome:
    return Outcome(document.task, document.fence, State.COMPLETE, exit_code=0, ended_at=1.0)


@both
def test_a_supervisor_that_takes_over_goes_on_where_the_rows_are(lab: SmallLab, supervisor: Supervise) -> None:
    lab.add("files", {f"/{name}": name for name in "abcde"})
    apply(lab, CHAIN)
    gates = Gates()
    gates.held = {"one:/d", "one:/e", "two:/b"}
    first = supervisor(lab, gates)
    number = lab.start("chain")
    cycle(first, lambda: "/a" in complete(lab, number, "three"))
    first.close()
    gates.held = {"one:/e"}
    second = supervisor(lab, gates)
    cycle(second, lambda: complete(lab, number, "three") == ["/a", "/b", "/c", "/d"])
    gates.held.clear()
    cycle(second, ended(lab, number))
    assert lab.row(number).state == State.COMPLETE, lab.row(number).message
    keys = [(row.step, row.key) for row in lab.tasks(number)]
    assert len(keys) == len(set(keys)) == 3 * 5 + 1


def test_the_published_versions_do_not_depend_on_the_order(tmp_path: Path) -> None:
    """Whatever ends first, each version is the same to the bit, and so is the set of keys."""
    seen = set()
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        catalogue = open_catalogue(f"sqlite:///{folder}/catalogue.db")
        lab = SmallLab(catalogue, open_store(str(folder / "store")), folder)
        lab.add("files", {f"/{name}": name for name in "abcdefgh"})
        apply(lab, CHAIN)
        chance = random.Random(seed)
        gates = Gates()
        gates.give = lambda document, chance=chance: copied(document)
        gates.executor.outcome = lambda document, chance=chance: copied(document) if chance.random() < 0.1 else None
        mine = Supervisor(catalogue, lab.store, lambda _, gates=gates: gates.executor)
        mine.open()
        number = lab.start("chain")
        cycle(mine, ended(lab, number))
        assert lab.row(number).state == State.COMPLETE
        with catalogue.read() as connection:
            digests = tuple(sorted(connection.execute(select(version.c.digest)).scalars()))
            assert resolve(connection, Reference("ends")).number == 1
        seen.add((digests, frozenset((row.step, row.key) for row in lab.tasks(number))))
        mine.close()
        lab.close()
    assert len(seen) == 1


@both
def test_a_failure_takes_only_its_own_datum_from_the_steps_after_it(lab: SmallLab, supervisor: Supervise) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        if "one:/b" in names(document):
            return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, message="no", ended_at=1.0)
        return copied(document)

    lab.add("files", {"/a": "a", "/b": "b", "/c": "c"})
    apply(lab, CHAIN)
    gates = Gates(outcome)
    mine = supervisor(lab, gates)
    number = lab.start("chain")
    cycle(mine, ended(lab, number))
    assert (lab.row(number).state, lab.row(number).parked) == (State.COMPLETE, 1)
    assert complete(lab, number, "three") == ["/a", "/c"]
    assert lab.content("ends") == {"/a": b"a", "/c": b"c"}


@both
def test_a_failure_that_stops_the_run_ends_what_streams_behind_it(lab: SmallLab, supervisor: Supervise) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        if "one:/b" in names(document):
            return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, message="no", ended_at=1.0)
        return copied(document)

    lab.add("files", {"/a": "a", "/b": "b", "/c": "c"})
    apply(lab, {**CHAIN, "steps": {**CHAIN["steps"], "one": {**step("files"), "failures": "stop"}}})
    gates = Gates(outcome)
    gates.held = {"one:/b", "one:/c"}
    mine = supervisor(lab, gates)
    number = lab.start("chain")
    cycle(mine, lambda: complete(lab, number, "three") == ["/a"])
    gates.held = {"one:/c"}
    cycle(mine, ended(lab, number))
    row = lab.row(number)
    assert row.state == State.EXECUTOR_ERROR
    assert "of step one failed" in row.message
    assert {each.state for each in lab.tasks(number)} == {"COMPLETE", "EXECUTOR_ERROR", "CANCELED"}


@both
def test_a_clash_that_is_found_late_ends_the_run_with_its_reason(lab: SmallLab, supervisor: Supervise) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        made = copied(document)
        if not document.name.startswith("chain/one"):
            return made
        name = "/same" if made.outputs[0].path in {"/a", "/b"} else made.outputs[0].path
        return Outcome(
            document.task, document.fence, State.COMPLETE, exit_code=0, ended_at=1.0,
            outputs=(OutputFile(name, made.outputs[0].digest, made.outputs[0].size),),
        )  # fmt: skip

    lab.add("files", {"/a": "a", "/b": "b", "/c": "c"})
    steps = {**CHAIN["steps"], "beside": step("files")}
    apply(lab, {**CHAIN, "steps": steps})
    gates = Gates(outcome)
    gates.held = {"one:/b", "beside:/c"}
    mine = supervisor(lab, gates)
    number = lab.start("chain")
    cycle(mine, lambda: complete(lab, number, "three") == ["/c", "/same"])
    gates.held = {"beside:/c"}
    cycle(mine, lambda: bool(gates.executor.canceled) or ended(lab, number)())
    cycle(mine, ended(lab, number))
    row = lab.row(number)
    assert row.state == State.EXECUTOR_ERROR
    assert "both wrote /same, each its own content" in row.message


@both
def test_equal_files_with_other_exports_are_a_clash_whoever_is_first(lab: SmallLab, supervisor: Supervise) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        made = copied(document)
        if not document.name.startswith("clash/one"):
            return made
        same = OutputFile("/same", made.outputs[0].digest, made.outputs[0].size)
        exports = {"which": document.files[0].path}
        return Outcome(
            document.task, document.fence, State.COMPLETE, exit_code=0, ended_at=1.0, outputs=(same,), exports=exports
        )

    lab.add("files", {"/a": "a", "/b": "a"})
    one = {**step("files"), "exports": {"which": "which"}}
    apply(
        lab,
        {
            "pipeline": "clash",
            "inputs": {"files": {"dataset": "files"}},
            "steps": {"one": one, "two": step("one")},
        },
    )
    gates = Gates(outcome)
    gates.held = {"one:/a"}
    mine = supervisor(lab, gates)
    number = lab.start("clash")
    cycle(mine, lambda: complete(lab, number, "two") == ["/same"])
    gates.held.clear()
    cycle(mine, ended(lab, number))
    assert lab.row(number).state == State.EXECUTOR_ERROR
    assert "each with exports of its own" in lab.row(number).message


@both
def test_nothing_is_remembered_of_runs_that_have_ended(lab: SmallLab, supervisor: Supervise) -> None:
    lab.add("files", {"/a": "a", "/b": "b"})
    apply(lab, CHAIN)
    gates = Gates()
    gates.held = {"one:/b"}
    mine = supervisor(lab, gates)
    number = lab.start("chain")
    planner = mine._advance._planner
    cycle(mine, lambda: planner.remembered == {number})
    lab.catalogue.repeat(lambda connection: cancel(connection, number))
    cycle(mine, ended(lab, number))
    cycle(mine, lambda: not planner.remembered, seconds=5)
