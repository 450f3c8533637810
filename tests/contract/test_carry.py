"""Runs whose steps take their tasks from an earlier run, on both databases: they are what planning anew would give."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from aliquot.blobs import Store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.read import Reference, entries, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import output, run, run_step
from aliquot.engine.explain import why
from aliquot.engine.gate import RECALL
from aliquot.engine.keys import parts_from
from aliquot.engine.pipelines import current
from aliquot.engine.plan import input_files, made_by, plan_step
from aliquot.engine.planner import bound_versions
from aliquot.engine.supervise import Supervisor
from aliquot.model.blob import Location
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import Invalid
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, OutputFile, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


class CarryLab(SmallLab):
    """A lab whose tasks end at once as `outcome` says."""

    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        super().__init__(catalogue, store, folder)
        self.outcome = copied
        self.instant = InstantExecutor(lambda document: self.outcome(document))

    def run(self, pipeline: str, publish: bool = True, **parameters: Any) -> int:
        number = self.start(pipeline, publish=publish, **parameters)
        mine = Supervisor(self.catalogue, self.store, lambda _: self.instant)
        mine.open()
        self.supervise(mine)
        mine.close()
        return number

    def carried(self, number: int) -> dict[str, tuple[int | None, int]]:
        """Give from which run each step's tasks came, and how many."""
        with self.catalogue.read() as connection:
            rows = connection.execute(select(run_step).where(run_step.c.run_id == number)).all()
        return {row.step: (row.carried_from, row.carried) for row in rows}


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[CarryLab]:
    made = CarryLab(catalogue, store, tmp_path)
    yield made
    made.close()


def pipeline(steps: dict[str, Any], of: str, *inputs: str) -> dict[str, Any]:
    return {
        "pipeline": "p",
        "parameters": {"least": {"type": "integer", "default": 0}},
        "inputs": {name: {"dataset": name} for name in inputs or ("files",)},
        "steps": {name: {"command": name, "parameters": [], **each} for name, each in steps.items()},
        "outputs": {"ends": {"from": of, "publish": "ends"}},
    }


def star(glob: str = "/*", **more: Any) -> dict[str, Any]:
    return {"inputs": {"file": {"from": "files", "glob": glob, **more}}}


CHAIN = pipeline({"one": star(), "two": {"inputs": {"file": {"from": "one", "glob": "/*"}}}}, "two")


def expected(lab: CarryLab, number: int, step: str) -> dict[str, Any]:
    """Plan a step of a run that has ended over everything, and give the keys with the paths of their datums."""
    row = lab.row(number)
    with lab.catalogue.read() as connection:
        applied = current(connection, row.pipeline)
        given = applied.pipeline.steps[step]
        kept = select(run_step.c.parts).where(run_step.c.run_id == number, run_step.c.step == step)
        parts = parts_from(connection.execute(kept).scalar_one())
        sources = {each.from_ for each in given.inputs.values()} & applied.pipeline.steps.keys()
        made = {each: made_by(connection, number, each) for each in sources}
        files = input_files(connection, applied.pipeline, given, bound_versions(connection, row), made)
        planned = plan_step(connection, given, parts, files, row.parameters)
    return {each.key: [part.matched for part in each.datum] for each in planned if not each.left_out}


def require_as_planned(lab: CarryLab, number: int) -> None:
    assert lab.row(number).state == "COMPLETE", lab.row(number).message
    for step in lab.carried(number):
        rows = lab.tasks(number, step)
        found = {row.key: [part[0] for part in row.datum["parts"].values()] for row in rows}
        assert found == expected(lab, number, step)
        assert len(rows) == len(found)
        assert sorted(row.ordinal for row in rows) == list(range(1, len(rows) + 1))


@both
def test_an_unchanged_run_takes_its_tasks_from_the_one_before(lab: CarryLab) -> None:
    lab.apply(CHAIN)
    lab.add("files", {f"/{name}.txt": name for name in "abc"})
    first = lab.run("p")
    version = lab.content("ends")
    again = lab.run("p")
    assert lab.carried(again) == {"one": (first, 3), "two": (first, 3)}
    assert lab.carried(lab.run("p")) == {"one": (again, 3), "two": (again, 3)}
    require_as_planned(lab, again)
    values = [[(row.step, row.ordinal, row.key, row.datum) for row in lab.tasks(each)] for each in (first, again)]
    assert values[0] == values[1]
    assert {(row.state, row.reused, row.recall, row.attempts) for row in lab.tasks(again)} == {
        ("COMPLETE", True, False, 0)
    }
    assert len(lab.instant.started) == 6
    assert lab.content("ends") == version
    with lab.catalogue.read() as connection:
        assert resolve(connection, Reference("ends")).number == 1
        assert why(connection, again, "two/2").nearest == f"{first}/two/2"


@both
def test_one_file_more_is_one_task_more_and_one_less_leaves_no_gap(lab: CarryLab) -> None:
    lab.apply(pipeline({"one": star()}, "one"))
    lab.add("files", {f"/{name}.txt": name for name in "abcdef"})
    first = lab.run("p")
    lab.add("files", {"/g.txt": "g", "/b.txt": "other"})
    more = lab.run("p")
    assert lab.carried(more) == {"one": (first, 5)}
    assert lab.ran(more) == ["one:/b.txt", "one:/g.txt"]
    require_as_planned(lab, more)
    assert lab.content("ends") == lab.content("files")
    lab.put("files", removes=("/a.txt", "/c.txt"))
    less = lab.run("p")
    assert lab.carried(less) == {"one": (more, 5)}
    require_as_planned(lab, less)
    assert lab.content("ends") == lab.content("files")
    lab.add("files", {"/h.txt": "h"})
    last = lab.run("p")
    assert lab.carried(last) == {"one": (less, 5)}
    require_as_planned(lab, last)
    assert lab.content("ends") == lab.content("files")


SHAPES: dict[str, dict[str, Any]] = {
    "files": pipeline({"one": star()}, "one"),
    "any depth": pipeline({"one": star("/**")}, "one"),
    "captures": pipeline({"one": star("/{name}.txt")}, "one"),
    "folders": pipeline({"one": star("/*/")}, "one"),
    "groups": pipeline({"one": star("/(*)*", group_by="$1")}, "one"),
    "chain": CHAIN,
    "when": pipeline({"one": {**star(), "when": "least < `3`"}}, "one"),
    "all": pipeline({"one": star(), "two": {"inputs": {"file": {"from": "one", "glob": "/"}}}}, "two"),
    "cross": pipeline(
        {"one": {"inputs": {"file": {"from": "files", "glob": "/*"}, "other": {"from": "others", "glob": "/"}}}},
        "one", "files", "others",
    ),
    "join": pipeline(
        {"one": {"inputs": {"join": [
            {"file": {"from": "files", "glob": "/{name}.txt", "join_on": "$name"}},
            {"other": {"from": "others", "glob": "/{name}.txt", "join_on": "$name", "outer_join": True}},
        ]}}},
        "one", "files", "others",
    ),
    "union": pipeline(
        {"one": {"inputs": {"union": [
            {"file": {"from": "files", "glob": "/*"}}, {"other": {"from": "others", "glob": "/{name}.txt"}},
        ]}}},
        "one", "files", "others",
    ),
    "twice": pipeline(
        {"one": {"inputs": {"union": [
            {"file": {"from": "files", "glob": "/*"}}, {"other": {"from": "files", "glob": "/{name}.txt"}},
        ]}}},
        "one",
    ),
}  # fmt: skip


def by_datum(document: TaskDocument) -> Outcome:
    """End with one file whose name and content the datum decides."""
    inputs = sorted(file.path for file in document.files)
    name = "+".join(each.removeprefix("in/").replace("/", "_") for each in inputs)
    content = digest_bytes("".join(file.blob.digest for file in document.files).encode())
    name = name if len(name) < 100 else digest_bytes(name.encode()).removeprefix("blake3:")
    made, where = (OutputFile("/" + name, content, 1),), (Location(content, 1),)
    return Outcome(document.task, document.fence, State.COMPLETE, outputs=made, locations=where, ended_at=1.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_changes_the_tasks_are_those_that_planning_anew_gives(lab: CarryLab, shape: str) -> None:
    lab.outcome = by_datum
    lab.apply(SHAPES[shape])
    chance = random.Random(len(shape))
    names = [f"/{name}.txt" for name in "abcdefghijkl"] + [f"/d{n}/{name}.txt" for n in range(2) for name in "ab"]
    datasets = list(SHAPES[shape]["inputs"])
    for dataset in datasets:
        lab.add(dataset, {name: dataset + name for name in names})
    lab.run("p")
    took = 0
    for turn in range(8):
        for path in chance.sample(names, chance.choice([0, 0, 1, 2])):
            for dataset in chance.sample(datasets, chance.choice([1, 1, len(datasets)])):
                if chance.random() < 0.4:
                    lab.put(dataset, removes=(path,))
                else:
                    lab.add(dataset, {path: f"{turn}"})
        number = lab.run("p", publish=chance.random() < 0.8, least=chance.choice([0, 0, 5]))
        require_as_planned(lab, number)
        took += sum(carried for _, carried in lab.carried(number).values())
        with lab.catalogue.read() as connection:
            made = {
                file.path: file.digest for file in made_by(connection, number, SHAPES[shape]["outputs"]["ends"]["from"])
            }
        if lab.row(number).publish:
            assert _published(lab) == made
    assert took > 0, "nothing was carried over at all"


def _published(lab: CarryLab) -> dict[str, str]:
    with lab.catalogue.read() as connection:
        return {each.path: each.digest for each in entries(connection, resolve(connection, Reference("ends")))}


def test_parked_datums_are_planned_anew(lab: CarryLab) -> None:
    lab.apply(pipeline({"one": star()}, "one"))
    lab.add("files", {f"/{name}.txt": name for name in "abc"})
    lab.outcome = lambda document: (
        Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, ended_at=1.0)
        if document.environment.get("x") or document.files[0].path.endswith("b.txt")
        else copied(document)
    )
    assert lab.row(lab.run("p")).parked == 1
    lab.outcome = copied
    again = lab.run("p")
    assert lab.carried(again) == {"one": (None, 0)}
    assert lab.ran(again) == ["one:/b.txt"]
    assert lab.content("ends") == lab.content("files")


def test_what_was_made_again_with_other_bytes_is_planned_anew(lab: CarryLab) -> None:
    lab.apply(CHAIN)
    lab.add("files", {"/a.txt": "a", "/b.txt": "b"})
    first = lab.run("p")
    with lab.catalogue.write() as connection:
        key = lab.tasks(first, "one")[0].key
        row = connection.execute(select(run).where(run.c.id == first)).one()
        other = {column.name: getattr(row, column.name) for column in run.c if column.name != "id"}
        connection.execute(insert(run).values({**other, "cause": RECALL, "ended_at": time.time(), "publish": False}))
        connection.execute(update(output).where(output.c.key == key).values(digest=digest_bytes(b"b"), size=1))
    again = lab.run("p")
    assert lab.carried(again)["two"] == (None, 0)
    assert len([row for row in lab.tasks(again, "two") if not row.reused]) == 1
    assert lab.content("ends") == {"/a.txt": b"b", "/b.txt": b"b"}


def test_a_dataset_that_moved_on_gets_what_a_full_run_gives(lab: CarryLab) -> None:
    lab.apply(pipeline({"one": star()}, "one"))
    lab.add("files", {f"/{name}.txt": name for name in "abcd"})
    lab.run("p")
    commit(lab.catalogue, lab.store, Change("ends", (), ("/a.txt",)))
    again = lab.run("p")
    assert lab.carried(again)["one"][1] == 4
    assert lab.content("ends") == lab.content("files")
    lab.add("files", {"/e.txt": "e"})
    lab.add("ends", {"/foreign.txt": "foreign"})
    lab.run("p")
    assert lab.content("ends") == lab.content("files")


@pytest.mark.parametrize("path", ["/a.txt", "/a.txt/below"], ids=["the same path", "a folder where a file is"])
def test_a_new_task_that_writes_what_another_wrote_ends_the_run_as_ever(lab: CarryLab, path: str) -> None:
    lab.apply(pipeline({"one": star()}, "one"))
    lab.add("files", {f"/{name}.txt": name for name in "abcd"})
    lab.run("p")

    def clashing(document: TaskDocument) -> Outcome:
        made = (OutputFile(path, document.files[0].blob.digest, 1),)
        return Outcome(document.task, document.fence, State.COMPLETE, exit_code=0, outputs=made, ended_at=1.0)

    lab.outcome = clashing
    lab.add("files", {"/e.txt": "e"})
    number = lab.run("p")
    assert lab.carried(number)["one"][1] == 4
    assert lab.row(number).state == "EXECUTOR_ERROR"
    assert "both wrote /a.txt" in lab.row(number).message
    with lab.catalogue.read() as connection, pytest.raises(Invalid, match="both wrote"):
        made_by(connection, number, "one")
