"""The plan says what a run then does, and why says why it did."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.engine.explain import why
from aliquot.engine.pipelines import current
from aliquot.engine.preview import Intent, preview
from aliquot.engine.start import Order
from aliquot.engine.supervise import Supervisor
from aliquot.model.errors import Missing
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab

PIPELINE: dict[str, Any] = {
    "pipeline": "copy",
    "parameters": {
        "unit": {"type": "string", "default": "l"},
        "title": {"type": "string", "default": "Lines"},
    },
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "one": {
            "inputs": {"file": {"from": "texts", "glob": "/{name}.txt"}},
            "command": "cp",
            "parameters": ["unit"],
            "bundle": ["one.sh"],
        },
        "two": {"inputs": {"all": {"from": "one", "glob": "/"}}, "command": "cp all", "parameters": ["title"]},
    },
    "outputs": {"copies": {"from": "two", "publish": "copies"}},
}


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {"/a.txt": "1", "/b.txt": "2", "/c.md": "3"})
    made.apply(PIPELINE, {"one.sh": b"1"})
    yield made
    made.close()


def plan(lab: SmallLab, **parameters: Any) -> list[Intent]:
    with lab.catalogue.read() as connection:
        return preview(connection, Order(current(connection, "copy"), parameters), lambda _: InstantExecutor())


def run(lab: SmallLab, executor: InstantExecutor | None = None, **parameters: Any) -> int:
    number = lab.start("copy", **parameters)
    instant = executor or InstantExecutor()
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: instant)
    for _ in range(20):
        supervisor.cycle()
    assert supervisor.idle()
    return number


def changed(lab: SmallLab, what: str) -> dict[str, Any]:
    """Change one thing; gives the parameters for what follows."""
    if what == "input":
        lab.add("texts", {"/a.txt": "changed"})
    elif what == "new input":
        lab.add("texts", {"/d.txt": "4"})
    elif what == "removed input":
        lab.put("texts", removes=("/a.txt",))
    elif what == "code":
        lab.apply(PIPELINE, {"one.sh": b"2"})
    elif what == "command":
        steps = {**PIPELINE["steps"], "two": {**PIPELINE["steps"]["two"], "command": "cp -v all"}}
        lab.apply({**PIPELINE, "steps": steps}, {"one.sh": b"1"})
    elif what == "title":
        lab.apply({**PIPELINE, "title": "Another"}, {"one.sh": b"1"})
    return {"unit": "w"} if what == "unit" else {"title": "Zeilen"} if what == "parameter of the last step" else {}


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("nothing", set()),
        ("title", set()),
        ("input", {"one:/a.txt", "two:?"}),
        ("new input", {"one:/d.txt", "two:?"}),
        ("removed input", {"two:/"}),
        ("code", {"one:/a.txt", "one:/b.txt", "two:?"}),
        ("unit", {"one:/a.txt", "one:/b.txt", "two:?"}),
        ("command", {"two:/"}),
        ("parameter of the last step", {"two:/"}),
    ],
)
def test_a_run_does_what_its_plan_says(lab: SmallLab, what: str, wanted: set[str]) -> None:
    run(lab)
    parameters = changed(lab, what)
    intents = plan(lab, **parameters)
    sure = {
        f"{each.step}:{each.label if each.label.startswith('/') else '/'}"
        for each in intents
        if each.action == "run" and each.datum and (each.step == "one" or "two:?" not in wanted)
    }
    open_ended = {f"{each.step}:?" for each in intents if not each.datum}
    assert sure | open_ended == wanted
    number = run(lab, **parameters)
    assert lab.row(number).state == State.COMPLETE
    really = set(lab.ran(number))
    assert {each for each in really if each.startswith("one")} == {each for each in sure if each.startswith("one")}
    if not open_ended:
        assert really == sure


def test_a_plan_of_a_pipeline_that_never_ran_says_so_and_changes_nothing(lab: SmallLab) -> None:
    intents = plan(lab)
    assert [(each.step, each.label, each.action) for each in intents] == [
        ("one", "/a.txt", "run"), ("one", "/b.txt", "run"), ("two", "…", "run"),
    ]  # fmt: skip
    assert intents[0].reason == "this step has not succeeded yet"
    assert "when one has run" in intents[2].reason
    assert plan(lab) == intents


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("code", "code one.sh changed"),
        ("unit", "parameter unit changed"),
        ("input", "new or changed input"),
        ("nothing", "the same work has been done: its key is known"),
    ],
)
def test_a_plan_says_why(lab: SmallLab, what: str, reason: str) -> None:
    run(lab)
    intents = plan(lab, **changed(lab, what))
    assert intents[0].reason == reason


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("code", ["code one.sh"]),
        ("unit", ["parameter unit"]),
        ("input", ["input file /a.txt"]),
    ],
)
def test_why_names_what_differs_from_the_task_on_the_same_datum(lab: SmallLab, what: str, parts: list[str]) -> None:
    first = run(lab)
    number = run(lab, **changed(lab, what))
    # Tasks that an earlier run has done come first.
    (ordinal,) = [
        row.ordinal
        for row in lab.tasks(number, "one")
        if [part[0] for part in row.datum["parts"].values()] == ["/a.txt"]
    ]
    with lab.catalogue.read() as connection:
        reason = why(connection, number, f"one/{ordinal}")
    assert reason.action == "run"
    assert reason.nearest == f"{first}/one/1"
    assert [each.part for each in reason.differences] == parts
    assert all(each.before != each.after for each in reason.differences)


def test_why_names_who_has_done_the_same_work(lab: SmallLab) -> None:
    first = run(lab)
    number = run(lab)
    with lab.catalogue.read() as connection:
        reason = why(connection, number, "one/2")
    assert (reason.action, reason.nearest) == ("skip", f"{first}/one/2")


def test_why_says_that_a_task_is_new(lab: SmallLab) -> None:
    first = run(lab)
    with lab.catalogue.read() as connection:
        assert "it is new" in why(connection, first, "one/1").text


def test_why_says_that_the_last_attempt_did_not_succeed(lab: SmallLab) -> None:
    def failing(document: TaskDocument) -> Outcome:
        return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, 1, ended_at=1.0)

    run(lab, InstantExecutor(failing))
    number = run(lab, InstantExecutor(copied))
    with lab.catalogue.read() as connection:
        reason = why(connection, number, "one/1")
    assert "did not succeed (EXECUTOR_ERROR)" in reason.text
    assert reason.document()["differences"] == []


@pytest.mark.parametrize("name", ["one/9", "three/1", "one", "", "one/x"])
def test_a_task_that_is_not_there_is_missing(lab: SmallLab, name: str) -> None:
    number = run(lab)
    with lab.catalogue.read() as connection, pytest.raises(Missing):
        why(connection, number, name)
