"""Lineage over a small world: arrivals, two runs of a pipeline of two steps, published versions and a table."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from aliquot.blobs import Store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.lineage import Node, lineage
from aliquot.db import Catalogue
from aliquot.db.tables import attempt, definition, key_input, load, output, published, receipt, result, run, task
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import Missing
from aliquot.model.reference import parse_reference
from datasets_world import add, put

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

STEPS = {
    "clean": {"inputs": {"raw": {"from": "uploads"}}},
    "profile": {"inputs": {"cleaned": {"from": "clean"}, "sheet": {"from": "sheets"}}},
    "twice": {"inputs": {"sheet": {"from": "sheets"}, "again": {"from": "sheets"}, "raw": {"from": "uploads"}}},
}


class World:
    """Writes what intake and the engine would write."""

    def __init__(self, catalogue: Catalogue, store: Store) -> None:
        self.catalogue = catalogue
        self.store = store
        with catalogue.write() as connection:
            self.definition = self._insert(
                connection, definition, kind="pipeline", name="p", digest="blake3:def", document={"steps": STEPS},
                bundle={}, file="p.yaml", applied_at=1.0, applied_by="ada", current=True,
            )  # fmt: skip

    def arrive(self, dataset: str, path: str, text: str) -> None:
        [made] = put(self.catalogue, self.store, {path: text})
        with self.catalogue.write() as connection:
            number = self._insert(
                connection, receipt, source="inbox", path=path[1:], size=len(text), mtime_ns=1, digest=made.digest,
                seen_at=1.0, settled_at=2.0, taken_at=3.0, decision="accepted", who="instrument-7", facts={},
            )  # fmt: skip
        commit(
            self.catalogue, self.store,
            Change(dataset, [NewEntry(path, made.digest, made.size, receipt_id=number)]),
        )  # fmt: skip

    def run(self, inputs: Mapping[str, Any]) -> int:
        with self.catalogue.write() as connection:
            return self._insert(
                connection, run, definition_id=self.definition, pipeline="p", parameters={}, inputs=dict(inputs),
                cause="manual", publish=True, pinned=False, state="COMPLETE", who="ada",
            )  # fmt: skip

    def task(
        self, of: int, step: str, key: str, inputs: list[tuple[str, str, str]], outputs: dict[str, str],
        ordinal: int = 1, *, reused: bool = False,
    ) -> int:  # fmt: skip
        with self.catalogue.write() as connection:
            number = self._insert(
                connection, task, run_id=of, step=step, ordinal=ordinal, key=key, datum={}, state="COMPLETE",
                reused=reused, message="", attempts=1, fence=1, not_before=0.0, created_at=1.0,
            )  # fmt: skip
            if reused:
                return number
            parts = {"format": 1, "environment": "sha256:env", "image": "busybox", "command": "tr a b",
                     "code": {"x.py": "blake3:x"}, "parameters": {"min": 3}, "exports": {}}  # fmt: skip
            connection.execute(insert(result).values(key=key, parts=parts, task_id=number, created_at=1.0))
            connection.execute(
                insert(attempt).values(
                    task_id=number, fence=1, executor="process", handle="h", state="COMPLETE", message="", tail="",
                    started_at=5.0, ended_at=6.0,
                )
            )  # fmt: skip
            for name, path, text in inputs:
                values = {"key": key, "input": name, "path": path, "digest": digest_bytes(text.encode())}
                connection.execute(insert(key_input).values(**values))
            for path, text in outputs.items():
                values = {"key": key, "path": path, "digest": digest_bytes(text.encode()), "size": len(text)}
                connection.execute(insert(output).values(**values))
        return number

    def publish(self, of: int, step: str, dataset: str, files: Mapping[str, tuple[str, int]]) -> None:
        made = put(self.catalogue, self.store, {path: text for path, (text, _) in files.items()})
        adds = [NewEntry(each.path, each.digest, each.size, task_id=files[each.path][1]) for each in made]
        done = commit(self.catalogue, self.store, Change(dataset, adds, (), {"run": of}, of))
        with self.catalogue.write() as connection:
            connection.execute(
                insert(published).values(run_id=of, output=step, step=step, dataset=dataset, number=done.number)
            )
            connection.execute(
                insert(load).values(
                    run_id=of, table_name="abundance", step=step, dataset=dataset, number=done.number, state="DONE",
                    rows=4, message="", created_at=1.0,
                )
            )  # fmt: skip

    @staticmethod
    def _insert(connection: Connection, table: Any, **values: Any) -> int:
        # What a row must have and lineage never reads: false, zero, empty.
        rest = {
            column.name: column.type.python_type()
            for column in table.columns
            if not (column.nullable or column.primary_key or column.name in values)
        }
        return int(connection.execute(insert(table).values(**rest, **values).returning(table.c.id)).scalar_one())


@pytest.fixture
def world(catalogue: Catalogue, store: Store) -> World:
    """Give two runs: the second reuses what did not change, and reads a new sheet."""
    made = World(catalogue, store)
    made.arrive("uploads", "/s1", "raw")
    made.arrive("uploads", "/other", "raw")
    made.arrive("sheets", "/sheet", "sheet one")
    first = made.run({"uploads": ["uploads", 2], "sheets": ["sheets", 1]})
    made.task(first, "clean", "key-c", [("raw", "/s1", "raw")], {"/s1.clean": "cleaned"})
    one = made.task(
        first, "profile", "key-p1", [("cleaned", "/s1.clean", "cleaned"), ("sheet", "/sheet", "sheet one")],
        {"/s1.tsv": "profile one"},
    )  # fmt: skip
    made.publish(first, "profile", "profiles", {"/s1.tsv": ("profile one", one)})
    made.arrive("sheets", "/sheet", "sheet two")
    second = made.run({"uploads": ["uploads", 2], "sheets": ["sheets", 2]})
    made.task(second, "clean", "key-c", [], {}, reused=True)
    two = made.task(
        second, "profile", "key-p2", [("cleaned", "/s1.clean", "cleaned"), ("sheet", "/sheet", "sheet two")],
        {"/s1.tsv": "profile two"},
    )  # fmt: skip
    made.publish(second, "profile", "profiles", {"/s1.tsv": ("profile two", two)})
    return made


def _grow(world: World, text: str, direction: Any = "back", depth: int = 20, limit: int = 500) -> Node:
    with world.catalogue.read() as connection:
        return lineage(connection, parse_reference(text), direction, depth, limit)


def _names(node: Node) -> Any:
    below = [_names(each) for each in (*node.back, *node.forward)]
    return {node.name: below} if below else node.name


def _all(node: Node) -> list[Node]:
    return [node, *(found for each in (*node.back, *node.forward) for found in _all(each))]


@both
def test_a_result_is_followed_back_to_its_arrivals(world: World) -> None:
    assert _names(_grow(world, "profiles@2:/s1.tsv")) == {
        "profiles@2:/s1.tsv": [
            {
                "run 2 profile/1": [
                    {
                        "run 2 clean:/s1.clean": [
                            {"run 2 clean/1": [{"uploads@2:/s1": ["inbox:s1"]}]},
                        ]
                    },
                    {"sheets@2:/sheet": ["inbox:sheet"]},
                ]
            }
        ]
    }


@both
def test_tasks_carry_what_decided_their_result(world: World) -> None:
    nodes = {each.name: each for each in _all(_grow(world, "profiles:/s1.tsv"))}
    made = nodes["run 2 profile/1"]
    assert made.kind == "task"
    assert made.facts["definition"] == "blake3:def"
    assert (made.facts["image"], made.facts["command"], made.facts["parameters"]) == ("busybox", "tr a b", {"min": 3})
    assert (made.facts["code"], made.facts["reused"], made.facts["computed_by_run"]) == ({"x.py": "blake3:x"}, False, 2)
    assert (made.facts["attempt"]["executor"], made.facts["attempt"]["ended_at"]) == ("process", 6.0)
    reused = nodes["run 2 clean/1"]
    assert (reused.facts["reused"], reused.facts["computed_by_run"]) == (True, 1)
    assert reused.facts["attempt"]["started_at"] == 5.0
    arrival = nodes["inbox:s1"]
    assert (arrival.facts["who"], arrival.facts["arrived_at"], arrival.facts["digest"]) == (
        "instrument-7", 1.0, digest_bytes(b"raw"),
    )  # fmt: skip
    assert nodes["uploads@2:/s1"].facts["input"] == "raw"


@both
def test_an_arrival_is_followed_forward_to_versions_and_tables(world: World) -> None:
    def told(number: int) -> dict[str, Any]:
        return {
            f"run {number} clean/1": [
                {
                    f"run {number} clean:/s1.clean": [
                        {
                            f"run {number} profile/1": [
                                "abundance",
                                {f"run {number} profile:/s1.tsv": [f"profiles@{number}:/s1.tsv"]},
                            ]
                        }
                    ]
                }
            ]
        }

    assert _names(_grow(world, "uploads:/s1", "forward")) == {"uploads@2:/s1": [told(1), told(2)]}
    # The same bytes under another path were read by nobody.
    assert _names(_grow(world, "uploads:/other", "forward")) == "uploads@2:/other"


@both
def test_a_file_that_was_replaced_came_to_what_was_made_while_it_was_there(world: World) -> None:
    old, new = _grow(world, "sheets@1:/sheet", "forward"), _grow(world, "sheets@2:/sheet", "forward")
    assert [each.name for each in old.forward] == ["run 1 profile/1"]
    assert [each.name for each in new.forward] == ["run 2 profile/1"]


def test_both_ways_and_whole_versions(world: World) -> None:
    node = _grow(world, "uploads@2:/s1", "both")
    assert [each.name for each in node.back] == ["inbox:s1"]
    assert [each.name for each in node.forward] == ["run 1 clean/1", "run 2 clean/1"]
    whole = _grow(world, "uploads@2", "both")
    assert (whole.kind, whole.name, whole.facts["files"]) == ("version", "uploads@2", 2)
    assert [each.name for each in whole.back] == ["uploads@2:/other", "uploads@2:/s1"]
    document = node.document()
    assert document["back"][0]["kind"] == "arrival"
    with pytest.raises(Missing, match="no file or folder /none"):
        _grow(world, "uploads@2:/none")


def test_a_file_without_an_origin_tells_its_versions_provenance(world: World) -> None:
    add(world.catalogue, world.store, "plain", {"/f/a": "1", "/g": "2"}, by="ada")
    assert _grow(world, "plain:/g").facts["provenance"] == {"by": "ada"}
    assert _names(_grow(world, "plain:/f")) == {"plain@1:/f": ["plain@1:/f/a"]}


def test_depth_and_number_of_nodes_are_bounded(world: World) -> None:
    assert _names(_grow(world, "profiles:/s1.tsv", depth=1)) == {"profiles@2:/s1.tsv": ["run 2 profile/1"]}
    files = [("raw", f"/{n}", str(n)) for n in range(40)]
    add(world.catalogue, world.store, "many", {path: text for _, path, text in files})
    of = world.run({"uploads": ["many", 1]})
    made = world.task(of, "clean", "key-many", files, {"/all": "all"})
    world.publish(of, "clean", "alls", {"/all": ("all", made)})
    node = _grow(world, "alls:/all", limit=12)
    below = node.back[0].back
    assert len([each for each in _all(node) if each.kind != "more"]) <= 12
    assert (below[-1].kind, below[-1].name, below[-1].facts["count"]) == ("more", "and 30 more", 30)
    whole = _grow(world, "many@1", limit=10)
    assert (len(whole.back), whole.back[-1].name) == (11, "and 30 more")
    assert len(_all(_grow(world, "many@1", "forward"))) > 40


@both
def test_a_file_that_very_many_tasks_read_names_the_first_and_counts_the_others(world: World) -> None:
    runs = [world.run({"uploads": ["uploads", 2], "sheets": ["sheets", 2]}) for _ in range(3)]
    unlike = world.run({"uploads": ["elsewhere", 1], "sheets": ["sheets", 2]})
    for of in (unlike, *runs):
        for ordinal in range(1, 61):
            # Every other one reads the sheet by two inputs, and is one task all the same.
            inputs = [("sheet", "/sheet", "sheet two"), ("raw", "/other", "raw")]
            inputs += [("again", "/sheet", "sheet two")] if ordinal % 2 else []
            world.task(of, "twice", f"key-{of}-{ordinal}", inputs, {}, ordinal)
    with world.catalogue.read() as connection:
        statements: list[str] = []
        event.listen(connection, "after_cursor_execute", lambda *told: statements.append(told[2]))
        node = lineage(connection, parse_reference("sheets@2:/sheet"), "forward", limit=100)
        asked = len(statements)
    assert [each.name for each in node.forward] == [
        "run 2 profile/1", *(f"run {runs[0]} twice/{number}" for number in range(1, 10)), "and 231 more",
    ]  # fmt: skip
    assert node.forward[-1].facts["count"] == 231
    # However many tasks there are.
    assert asked < 25
    # Of a file of the other dataset they read nothing.
    whole = _grow(world, "uploads@2:/other", "forward", limit=100)
    assert [each.name for each in whole.forward][-1:] == ["and 170 more"]


def test_what_is_shared_is_told_once(world: World) -> None:
    of = world.run({"uploads": ["uploads", 2], "sheets": ["sheets", 2]})
    for ordinal in (1, 2):
        world.task(of, "clean", f"key-s{ordinal}", [("raw", "/s1", "raw")], {f"/c{ordinal}": f"c{ordinal}"}, ordinal)
    last = world.task(
        of, "profile", "key-sp", [("cleaned", "/c1", "c1"), ("cleaned", "/c2", "c2")], {"/p": "p"}
    )  # fmt: skip
    world.publish(of, "profile", "shared", {"/p": ("p", last)})
    nodes = [each for each in _all(_grow(world, "shared:/p")) if each.name == "uploads@2:/s1"]
    assert [(each.told, len(each.back)) for each in nodes] == [(False, 1), (True, 0)]
