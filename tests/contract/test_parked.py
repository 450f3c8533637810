"""Parked datums: what later runs leave as it is, and trying some or all of them again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import version
from aliquot.engine.control import retry
from aliquot.engine.explain import why
from aliquot.engine.parked import chosen_causes
from aliquot.engine.pipelines import current
from aliquot.engine.preview import preview
from aliquot.engine.start import Order
from aliquot.engine.supervise import Supervisor
from aliquot.engine.triggers import start_triggered
from aliquot.lab.runs import attempts, parked
from aliquot.model.errors import Conflict, Invalid, Missing
from aliquot.model.state import ENDED, State
from aliquot.model.task import Cause, Outcome, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def pipeline(**step: Any) -> dict[str, Any]:
    first = {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": "cp", "retry": {"attempts": 1}} | step
    return {
        "pipeline": "copy",
        "inputs": {"texts": {"dataset": "texts"}},
        "steps": {"one": first, "two": {"inputs": {"all": {"from": "one", "glob": "/"}}, "command": "cp all"}},
        "outputs": {"copies": {"from": "two", "publish": "copies"}},
        "trigger": {"new_version": ["texts"]},
    }


class Failing:
    """Fails the tasks whose only file has a path, by a cause, as long as it is told to."""

    def __init__(self, **causes: Cause) -> None:
        self.causes = {f"/{name}": cause for name, cause in causes.items()}
        self.executor = InstantExecutor(self.outcome)

    def outcome(self, document: TaskDocument) -> Outcome:
        paths = ["/" + file.path.split("/", 2)[2] for file in document.files if file.path.startswith("in/file")]
        cause = self.causes.get(paths[0]) if paths else None
        if cause is None:
            return copied(document)
        return Outcome(
            document.task, document.fence, State.EXECUTOR_ERROR, cause, 1, f"it is bad: {paths[0]}",
            tail=f"last line of {paths[0]}", ended_at=1.0,
        )  # fmt: skip


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {"/a": "1", "/b": "2", "/c": "3", "/d": "4"})
    made.apply(pipeline())
    yield made
    made.close()


def drive(lab: SmallLab, failing: Failing, number: int) -> None:
    failing.executor.started.clear()
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: failing.executor)
    for _ in range(60):
        supervisor.cycle()
        if State(lab.row(number).state) in ENDED:
            return
    raise AssertionError(f"the run did not end: {lab.row(number)}")


def triggered(lab: SmallLab, failing: Failing) -> int:
    (number,) = start_triggered(lab.catalogue)
    drive(lab, failing, number)
    return number


def again(lab: SmallLab, number: int, names: tuple[str, ...] = (), causes: tuple[Cause, ...] = ()) -> tuple[int, int]:
    with lab.catalogue.write() as connection:
        return retry(connection, number, "test", names, causes)


def states(lab: SmallLab, number: int) -> list[str]:
    return [f"{row.state}{' (left)' if row.same_as else ''}" for row in lab.tasks(number, "one")]


@both
def test_a_run_says_how_many_are_parked_by_which_cause(lab: SmallLab) -> None:
    failing = Failing(a=Cause.USER, b=Cause.USER, c=Cause.OOM)
    number = triggered(lab, failing)
    row = lab.row(number)
    assert (row.state, row.parked, row.causes) == (State.COMPLETE, 3, {"user": 2, "oom": 1})
    assert row.message == "3 datums are parked: 2 user errors, 1 out of memory"
    with lab.catalogue.read() as connection:
        newest = connection.execute(select(version).where(version.c.run_id == number)).one()
    assert newest.parked == 3
    assert newest.provenance["parked"] == ["one/1", "one/2", "one/3"]


@both
def test_a_triggered_run_leaves_what_is_unchanged_parked_and_says_since_when(lab: SmallLab) -> None:
    failing = Failing(a=Cause.USER, b=Cause.TIMEOUT)
    first = triggered(lab, failing)
    lab.add("texts", {"/e": "5", "/b": "changed"})
    second = triggered(lab, failing)
    assert sorted(failing.executor.started) == ["copy/one/2", "copy/one/5", "copy/two/1"]
    assert states(lab, second) == ["EXECUTOR_ERROR (left)", "EXECUTOR_ERROR", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert lab.row(second).causes == {"user": 1, "timeout": 1}
    with lab.catalogue.read() as connection:
        left, tried = parked(connection, second)
        assert (left.task, left.since, left.message) == ("one/1", first, "it is bad: /a")
        assert left.tail == "last line of /a"
        assert tried.since is None
        assert [each.cause for each in attempts(connection, lab.tasks(second, "one")[0])] == ["user"]
        reason = why(connection, second, "one/1")
    assert (reason.action, reason.nearest) == ("park", f"{first}/one/1")
    assert f"parked since run {first}, unchanged" in reason.text
    lab.add("texts", {"/f": "6"})
    third = triggered(lab, failing)
    with lab.catalogue.read() as connection:
        assert parked(connection, third)[0].since == first


@both
def test_what_is_not_the_datums_fault_is_tried_again_by_the_next_run(lab: SmallLab) -> None:
    failing = Failing(a=Cause.LOST, b=Cause.OURS, c=Cause.REFUSED)
    triggered(lab, failing)
    failing.causes.clear()
    lab.add("texts", {"/e": "5"})
    second = triggered(lab, failing)
    assert lab.row(second).parked == 0


@both
@pytest.mark.parametrize("change", [{"resources": {"memory": "2GiB"}}, {"retry": {"attempts": 1, "memory_growth": 2}}])
def test_other_resources_or_retries_are_a_reason_to_try_again(lab: SmallLab, change: dict[str, Any]) -> None:
    failing = Failing(a=Cause.OOM)
    triggered(lab, failing)
    failing.causes.clear()
    lab.apply(pipeline(**change))
    second = triggered(lab, failing)
    assert states(lab, second) == ["COMPLETE"] * 4


@both
def test_a_run_that_a_person_starts_tries_all_of_it_again(lab: SmallLab) -> None:
    failing = Failing(a=Cause.USER)
    triggered(lab, failing)
    with lab.catalogue.read() as connection:
        intents = preview(connection, Order(current(connection, "copy")), lambda _: failing.executor)
    (intent,) = [each for each in intents if each.label == "/a"]
    assert intent.action == "run"
    assert intent.reason == "the same work failed in run 1 (one/1): user error; a triggered run leaves it parked"
    second = lab.start("copy")
    drive(lab, failing, second)
    assert failing.executor.started == ["copy/one/1"]
    assert states(lab, second)[0] == "EXECUTOR_ERROR"


@both
@pytest.mark.parametrize(
    ("names", "causes", "chosen"),
    [
        (("one/2",), (), ["copy/one/2"]),
        (("one/1", "one/2"), (), ["copy/one/1", "copy/one/2"]),
        ((), (Cause.OOM,), ["copy/one/3"]),
        ((), (), ["copy/one/1", "copy/one/2", "copy/one/3"]),
    ],
)
def test_one_some_or_all_are_tried_again_without_touching_the_rest(
    lab: SmallLab, names: tuple[str, ...], causes: tuple[Cause, ...], chosen: list[str]
) -> None:
    failing = Failing(a=Cause.USER, b=Cause.LOST, c=Cause.OOM)
    first = triggered(lab, failing)
    before = states(lab, first)
    failing.causes.clear()
    second, number = again(lab, first, names, causes)
    assert number == len(chosen)
    drive(lab, failing, second)
    assert sorted(failing.executor.started) == [*chosen, "copy/two/1"]
    assert lab.row(second).parked == 3 - len(chosen)
    assert states(lab, first) == before
    assert len(lab.content("copies")) == 1 + len(chosen)


@both
def test_in_a_run_under_way_they_wait_again_in_the_same_run(lab: SmallLab) -> None:
    failing = Failing(a=Cause.USER, b=Cause.USER)
    busy = InstantExecutor(lambda document: None if document.name == "copy/one/4" else failing.outcome(document))
    number = lab.start("copy")
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: busy)
    for _ in range(6):
        supervisor.cycle()
    assert states(lab, number)[:3] == ["EXECUTOR_ERROR", "EXECUTOR_ERROR", "COMPLETE"]
    failing.causes.clear()
    assert again(lab, number, ("one/1",)) == (number, 1)
    busy.outcome = copied
    for _ in range(20):
        supervisor.cycle()
    assert states(lab, number) == ["COMPLETE", "EXECUTOR_ERROR", "COMPLETE", "COMPLETE"]
    assert lab.row(number).parked == 1
    assert set(lab.content("copies")) == {"/a", "/c", "/d"}
    assert [row.attempts for row in lab.tasks(number, "one")] == [0, 1, 0, 0]


@both
def test_it_is_too_late_when_a_later_step_has_begun_without_it(lab: SmallLab) -> None:
    failing = Failing(a=Cause.USER)
    busy = InstantExecutor(lambda document: None if "two" in document.name else failing.outcome(document))
    number = lab.start("copy")
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: busy)
    for _ in range(8):
        supervisor.cycle()
    with pytest.raises(Conflict, match="has begun without what failed") as caught:
        again(lab, number)
    assert caught.value.code == "retry-too-late"


@both
def test_a_step_that_stops_the_run_leaves_nothing_parked(lab: SmallLab) -> None:
    lab.apply(pipeline(failures="stop"))
    failing = Failing(a=Cause.USER)
    triggered(lab, failing)
    failing.causes.clear()
    lab.add("texts", {"/e": "5"})
    assert lab.row(triggered(lab, failing)).state == State.COMPLETE


@both
def test_slips_are_answered(lab: SmallLab) -> None:
    failing = Failing(a=Cause.USER)
    first = triggered(lab, failing)
    with pytest.raises(Missing, match="no parked task 'one/2'"):
        again(lab, first, ("one/2",))
    with pytest.raises(Conflict, match="nothing parked like that"):
        again(lab, first, (), (Cause.OOM,))
    with pytest.raises(Invalid, match="'memory' is not a cause"):
        chosen_causes(["memory"])
    assert chosen_causes(["oom,user", "Lost"]) == [Cause.OOM, Cause.USER, Cause.LOST]
