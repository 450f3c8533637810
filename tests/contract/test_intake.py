"""Intake on both databases: every file that arrives is in a dataset or in quarantine, once, with its receipt."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import entry, quarantine, receipt
from aliquot.intake import receipts
from aliquot.intake.quarantine import list_held, show
from aliquot.intake.source import SourceIntake
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.reference import parse_reference
from datasets_world import contents
from intake_world import ANY, ROWS, World, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

PAIR = {"recognise": {"name": "*.imzML"}, "format": "imzml", "set": ["{name}.imzML", "{name}.ibd"]}
GOOD = "id,name\n1,a\n2,b\n"


@pytest.fixture
def world(catalogue: Catalogue, store: Store, tmp_path: Path) -> World:
    return World(catalogue, store, tmp_path)


def _decisions(world: World) -> list[tuple[str, str, int | None]]:
    with world.catalogue.read() as connection:
        return [(row.path, row.decision, row.version) for row in reversed(receipts.find(connection))]


def _count(world: World, table: object) -> int:
    with world.catalogue.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


# --- what is accepted ------------------------------------------------------------------------------------------------


@both
def test_what_settled_becomes_one_version_for_each_dataset_with_receipts(world: World) -> None:
    known = types(rows=ROWS, notes={"recognise": {"name": "*.txt"}})
    source = world.source([("rows", "plates"), ("notes", "notes")], known)
    for path, text in {"a.csv": GOOD, "deep/b.csv": GOOD + "3,c\n", "read me.txt": "hello"}.items():
        world.drop(path, text)
    look = world.look(source)
    assert sorted((each.dataset, each.number, each.added) for each in look.taken.versions) == [
        ("notes", 1, 1), ("plates", 1, 2),
    ]  # fmt: skip
    assert contents(world.catalogue, world.store, "plates") == {"/a.csv": GOOD, "/deep/b.csv": GOOD + "3,c\n"}
    with world.catalogue.read() as connection:
        newest = resolve(connection, parse_reference("plates"))
        found = {each.receipt_id: each for each in entries(connection, newest)}
        kept = receipts.find(connection, receipts.Wanted(dataset="plates"))
    assert {each.id for each in kept} == set(found)
    for each in kept:
        assert (each.entry_path, each.digest, each.size) == (
            found[each.id].path, found[each.id].digest, found[each.id].size,
        )  # fmt: skip
        assert (each.source, each.type, each.version, each.decision) == ("bench", "rows", 1, "accepted")
        assert each.facts["facts"]["rows"] == len(found[each.id].path.split("/"))
        assert each.seen_at <= each.settled_at <= each.taken_at


@both
def test_a_second_look_and_a_restart_take_nothing_twice(world: World) -> None:
    source = world.source([("any", "plates")], types(any=ANY))
    world.drop("a", "1")
    assert world.look(source).taken.added == 1
    for again in (source, world.source([("any", "plates")], types(any=ANY))):
        look = world.look(again)
        assert (look.taken.safe, look.taken.versions, look.pending) == ([], [], ())
    assert _count(world, receipt) == 1


@both
def test_a_changed_file_becomes_the_next_version_and_a_touched_one_a_receipt_alone(world: World) -> None:
    source = world.source([("any", "plates")], types(any=ANY))
    world.drop("a", "1", mtime=1000)
    world.look(source)
    world.drop("a", "2", mtime=2000)
    assert [each.number for each in world.look(source).taken.versions] == [2]
    world.drop("a", "2", mtime=3000)
    look = world.look(source)
    assert (look.taken.unchanged, look.taken.versions) == (1, [])
    world.drop("a", "1", mtime=4000)
    assert [each.number for each in world.look(source).taken.versions] == [3]
    assert _decisions(world) == [
        ("/a", "accepted", 1), ("/a", "accepted", 2), ("/a", "unchanged", None), ("/a", "accepted", 3),
    ]  # fmt: skip


@both
@pytest.mark.parametrize("after", ["keep", "archive"])
def test_a_file_put_back_with_its_old_time_becomes_the_next_version(world: World, after: str) -> None:
    known = types(any=ANY)
    source = world.source([("any", "plates")], known, after=after)
    for number, text in enumerate(["one", "two", "one", "two", "one"], start=1):
        world.drop("a", text, mtime={"one": 1000, "two": 2000}[text])
        assert [each.number for each in world.look(source).taken.versions] == [number]
        assert contents(world.catalogue, world.store, "plates") == {"/a": text}
        # Nothing is left to do, neither here nor for one who begins anew.
        again = world.look(world.source([("any", "plates")], known, after=after))
        assert (again.taken.versions, again.taken.unchanged) == ([], 0)
    with world.catalogue.read() as connection:
        entry_receipts = connection.execute(select(entry.c.added, entry.c.receipt_id).order_by(entry.c.added)).all()
        by_id = {each.id: each.version for each in receipts.find(connection)}
    assert _decisions(world) == [("/a", "accepted", number) for number in range(1, 6)]
    assert [by_id[row.receipt_id] for row in entry_receipts] == [1, 2, 3, 4, 5]


@both
def test_a_refused_file_put_back_with_its_old_time_waits_again(world: World) -> None:
    source = world.source([("rows", "plates")], types(rows=ROWS))
    for text, mtime in (("id,name\nx,a\n", 1000), (GOOD, 2000), ("id,name\nx,a\n", 1000)):
        world.drop("x.csv", text, mtime=mtime)
        world.look(source)
    assert [decision for _, decision, _ in _decisions(world)] == ["quarantined", "accepted", "quarantined"]
    with world.catalogue.read() as connection:
        newer, older = list_held(connection)
    assert (newer.newer, older.newer is None) == (None, False)
    assert world.look(world.source([("rows", "plates")], types(rows=ROWS))).taken.quarantined == []


@both
def test_a_split_table_put_back_with_its_old_time_is_split_again(world: World) -> None:
    split = types(rows=ROWS | {"on_invalid": "split"})
    source = world.source([("rows", "plates")], split)
    for text, mtime in ((GOOD + "x,c\n", 1000), (GOOD + "7,g\n", 2000), (GOOD + "x,c\n", 1000)):
        world.drop("x.csv", text, mtime=mtime)
        world.look(source)
    found = [decision for _, decision, _ in _decisions(world)]
    assert found == ["quarantined", "accepted", "accepted", "quarantined", "accepted"]
    assert contents(world.catalogue, world.store, "plates")["/x.csv"] == GOOD
    look = world.look(world.source([("rows", "plates")], split))
    assert (look.taken.versions, look.taken.quarantined, look.taken.unchanged) == ([], [], 0)


@both
def test_odd_names_and_an_empty_file_arrive_whole(world: World) -> None:
    names = ["with space", "new\nline", "ünïcødé 試料", "x" * 255, "back\\slash", "per%cent_", "quote'\""]
    source = world.source([("any", "plates")], types(any=ANY))
    for name in names:
        world.drop(name, name)
    world.drop("empty", "")
    assert world.look(source).taken.added == len(names) + 1
    assert contents(world.catalogue, world.store, "plates") == {"/" + n: n for n in names} | {"/empty": ""}
    with world.catalogue.read() as connection:
        assert [each.path for each in receipts.find(connection, receipts.Wanted(name="per%cent_"))] == ["/per%cent_"]
        (empty,) = receipts.find(connection, receipts.Wanted(name="/empty"))
        assert [each["code"] for each in empty.facts["findings"]] == ["file-empty"]
        assert [each.path for each in receipts.find(connection, receipts.Wanted(digest=empty.digest[7:20]))] == [
            "/empty"
        ]


@both
def test_real_claims_are_all_accepted(world: World, shared_data: Path) -> None:
    known = types(
        **{
            name: {
                "recognise": {"name": f"*_{name}_*.csv"},
                "format": "table",
                "table": json.loads((shared_data / f"claims/schemas/{name}.schema.json").read_text()),
            }
            for name in ("charge", "transaction")
        }
    )
    shutil.copytree(shared_data / "claims/good", world.inbox, dirs_exist_ok=True)
    accept = [("charge", "charges"), ("transaction", "transactions")]
    look = world.look(world.source(accept, known, ignore=["CONTROL_TOTALS.csv"]))
    assert (look.taken.added, look.taken.quarantined) == (70, [])
    with world.catalogue.read() as connection:
        rows = {
            name: sum(
                each.facts["facts"]["rows"]
                for each in receipts.find(connection, receipts.Wanted(dataset=name), limit=None)
            )
            for name in ("charges", "transactions")
        }
    assert rows == {"charges": 379, "transactions": 643}


# --- what is refused -------------------------------------------------------------------------------------------------


@both
def test_what_nothing_accepts_waits_with_the_reasons_of_every_type(world: World) -> None:
    known = types(rows=ROWS, reads={"recognise": {"name": "*.fastq"}, "format": "fastq"})
    source = world.source([("rows", "plates"), ("reads", "reads")], known)
    world.drop("x.csv", "id,title\n1,a\n")
    (refusal,) = world.look(source).taken.quarantined
    with world.catalogue.read() as connection:
        held = show(connection, refusal.id)
    assert (held.path, held.type, held.into, held.state) == ("/x.csv", None, None, "WAITING")
    assert {each.rule: each.text for each in held.findings}.keys() == {"rows", "reads"}
    assert "'name'" in next(each.text for each in held.findings if each.rule == "rows")
    assert held.counts == {"not-recognised": 2}
    assert world.store.read(_location(world, held.files[0].digest)) == b"id,title\n1,a\n"


def _location(world: World, digest: Digest) -> Location:
    with world.catalogue.read() as connection:
        return places.require(connection, [digest])[digest]


@both
def test_a_bad_file_waits_and_the_others_go_on(world: World) -> None:
    source = world.source([("rows", "plates")], types(rows=ROWS))
    world.drop("good.csv", GOOD)
    world.drop("bad.csv", "id,name\nx,a\n2,b\n")
    look = world.look(source)
    assert look.taken.added == 1
    (refusal,) = look.taken.quarantined
    with world.catalogue.read() as connection:
        held = show(connection, refusal.id)
    assert (held.type, held.into, held.findings[0].row) == ("rows", "plates", 2)
    assert sorted(_decisions(world)) == [("/bad.csv", "quarantined", None), ("/good.csv", "accepted", 1)]


@both
def test_findings_are_kept_up_to_a_hundred_and_counted_beyond(world: World) -> None:
    source = world.source([("rows", "plates")], types(rows=ROWS))
    world.drop("bad.csv", "id,name\n" + "x,a\n" * 500)
    (refusal,) = world.look(source).taken.quarantined
    with world.catalogue.read() as connection:
        held = show(connection, refusal.id)
    assert len(held.findings) == 100
    assert sum(held.counts.values()) == 500


@both
@pytest.mark.parametrize(
    ("content", "accepted"),
    [
        (b"id,name\n1,Z\xfcrich\n", True),
        ("id,name\n1,Zürich\n".encode("utf-16"), True),
        ("\ufeffid,name\n1,Zürich\n".encode(), True),
        (b"id;name\n1;a\n", True),
        (b"id,name\n1,a\x00b\n", None),
        (b"id,name\n1,a,extra\n", False),
        (b"id,name\n1\n", False),
        (b"", False),
        (b"\xff\xfe\xff", False),
    ],
)
def test_tables_as_the_world_writes_them_end_in_a_dataset_or_in_quarantine(
    world: World, content: bytes, accepted: bool | None
) -> None:
    source = world.source([("rows", "plates")], types(rows=ROWS))
    world.drop("t.csv", content)
    look = world.look(source)
    assert look.taken.added + len(look.taken.quarantined) == 1
    if accepted is not None:
        assert look.taken.added == accepted
    assert world.look(source).taken.safe == []


@both
def test_a_name_that_is_no_unicode_waits_in_quarantine(world: World) -> None:
    source = world.source([("any", "plates")], types(any=ANY))
    Path(os.fsdecode(os.fsencode(world.inbox) + b"/caf\xe9")).write_text("x")
    world.drop("fine", "y")
    look = world.look(source)
    assert look.taken.added == 1
    assert [(each.path, each.findings[0].code) for each in look.taken.quarantined] == [(r"/caf\xe9", "name-refused")]
    assert world.look(source).taken.safe == []


@both
def test_a_file_where_the_dataset_has_a_folder_waits_and_the_others_go_on(world: World) -> None:
    source = world.source([("any", "plates")], types(any=ANY))
    world.drop("a/b", "1")
    world.look(source)
    shutil.rmtree(world.inbox / "a")
    world.drop("a", "2")
    world.drop("c", "3")
    look = world.look(source)
    assert [(each.path, each.findings[0].code) for each in look.taken.quarantined] == [("/a", "path-clash")]
    assert contents(world.catalogue, world.store, "plates") == {"/a/b": "1", "/c": "3"}


@both
def test_refused_bytes_that_come_again_get_no_second_row_and_leave_when_accepted(world: World) -> None:
    strict = world.source([("rows", "plates")], types(rows=ROWS))
    world.drop("x.csv", "id,name\nx,a\n", mtime=1000)
    first = world.look(strict).taken.quarantined
    world.drop("x.csv", "id,name\nx,a\n", mtime=2000)
    assert [each.id for each in world.look(strict).taken.quarantined] == [first[0].id]
    assert _count(world, quarantine) == 1
    with world.catalogue.read() as connection:
        assert len(show(connection, first[0].id).files) == 1
    lenient = world.source([("any", "plates")], types(any=ANY))
    world.drop("x.csv", "id,name\nx,a\n", mtime=3000)
    assert world.look(lenient).taken.added == 1
    with world.catalogue.read() as connection:
        held = show(connection, first[0].id)
    assert (held.state, held.version) == ("RELEASED", 1)


# --- tables cut in two -----------------------------------------------------------------------------------------------


@both
def test_good_rows_go_on_refused_rows_wait_and_both_add_up(world: World) -> None:
    source = world.source([("rows", "plates")], types(rows=ROWS | {"on_invalid": "split"}))
    world.drop("deep/x.csv", "id,name\n1,a\nx,b\n3,c\ny,d\n")
    look = world.look(source)
    assert look.taken.added == 1
    (refusal,) = look.taken.quarantined
    assert contents(world.catalogue, world.store, "plates") == {"/deep/x.csv": "id,name\n1,a\n3,c\n"}
    with world.catalogue.read() as connection:
        held = show(connection, refusal.id)
        accepted = next(each for each in receipts.find(connection) if each.decision == "accepted")
    assert held.path == "/deep/x.csv"
    (half,) = held.files
    assert half.path == "/deep/x.refused.csv"
    assert world.store.read(_location(world, half.digest)) == b"id,name\nx,b\ny,d\n"
    assert accepted.facts["split"]["good_rows"] == 2
    assert accepted.facts["split"]["refused_rows"] == 2
    assert world.look(source).taken.safe == []
    restarted = world.source([("rows", "plates")], types(rows=ROWS | {"on_invalid": "split"}))
    assert world.look(restarted).taken.safe == []
    os.utime(world.inbox / "deep/x.csv", (5000, 5000))
    assert world.look(source).taken.unchanged == 1


@both
@pytest.mark.parametrize("text", ["id,name\nx,a\n", "id,nome\n1,a\n"])
def test_a_table_without_a_good_row_waits_whole(world: World, text: str) -> None:
    known = types(rows=ROWS | {"on_invalid": "split", "recognise": {"name": "*.csv"}})
    source = world.source([("rows", "plates")], known)
    world.drop("x.csv", text)
    look = world.look(source)
    assert (look.taken.added, len(look.taken.quarantined)) == (0, 1)
    with world.catalogue.read() as connection:
        (half,) = show(connection, look.taken.quarantined[0].id).files
    assert world.store.read(_location(world, half.digest)).decode() == text


# --- sets ------------------------------------------------------------------------------------------------------------


@both
def test_a_pair_of_which_one_file_is_late(world: World, shared_data: Path) -> None:
    (xml,) = (shared_data / "imaging-ms").rglob("*ontinuous.imzML")
    source = world.source([("image", "images")], types(image=PAIR))
    shutil.copy(xml, world.inbox / "run.imzML")
    look = world.look(source)
    assert (look.taken.safe, [each.until for each in look.pending]) == ([], [None])
    assert "run.ibd" in look.pending[0].why
    shutil.copy(xml.with_suffix(".ibd"), world.inbox / "run.ibd")
    look = world.look(source)
    assert (look.taken.added, [each.number for each in look.taken.versions]) == (2, [1])
    # The .ibd of another run: the pair is judged anew, and refused as a whole.
    (other,) = (shared_data / "imaging-ms").rglob("*rocessed.ibd")
    shutil.copy(other, world.inbox / "run.ibd")
    look = world.look(source)
    assert look.taken.versions == []
    (refusal,) = look.taken.quarantined
    with world.catalogue.read() as connection:
        assert [each.path for each in show(connection, refusal.id).files] == ["/run.ibd", "/run.imzML"]
    assert world.look(source).taken.safe == []
    # Now its own .imzML: what was refused for a companion's sake is accepted with the right one.
    shutil.copy(other.with_suffix(".imzML"), world.inbox / "run.imzML")
    look = world.look(source)
    assert (look.taken.added, [each.number for each in look.taken.versions]) == (2, [2])
    with world.catalogue.read() as connection:
        assert [each.decision for each in receipts.find(connection)] == ["accepted"] * 4
        assert show(connection, refusal.id).state == "WAITING"


# --- what moves meanwhile --------------------------------------------------------------------------------------------


class _Growing:
    """Appends to a file as fast as it can, until told to stop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._wrote = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with self._path.open("ab", buffering=0) as file:
            while not self._stop.is_set():
                file.write(b"x" * 4096)
                self._wrote.set()

    def __enter__(self) -> None:
        self._thread.start()
        self._wrote.wait()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@both
def test_a_file_that_grows_while_it_is_read_is_not_taken_and_nothing_of_it_kept(world: World) -> None:
    source = world.source([("any", "plates")], types(any=ANY))
    path = world.drop("a", b"x" * 2_000_000)
    with _Growing(path):
        look = world.look(source)
    assert (look.taken.safe, look.taken.versions) == ([], [])
    assert [each.path for each in look.pending] == ["/a"]
    assert look.next_at is not None
    assert _count(world, receipt) == 0
    assert world.look(source).taken.added == 1
    assert len(contents(world.catalogue, world.store, "plates")["/a"]) == path.stat().st_size


@both
def test_a_source_that_vanishes_is_unavailable_and_comes_back(world: World) -> None:
    source = world.source([("any", "plates")], types(any=ANY))
    world.inbox.rename(world.inbox.with_name("away"))
    with pytest.raises(Unavailable, match="mount or create it"):
        world.look(source)
    world.inbox.with_name("away").rename(world.inbox)
    world.drop("a", "1")
    assert world.look(source).taken.added == 1


@both
def test_many_at_once_on_one_source_take_each_file_once(world: World) -> None:
    known = types(rows=ROWS | {"on_invalid": "split"})
    for number in range(40):
        world.drop(f"{number:02}.csv", "id,name\n" + f"{number},a\n" + ("x,b\n" if number % 2 else ""))
    world.drop("none.txt", "?")
    sources = [world.source([("rows", "plates")], known) for _ in range(4)]
    begin = threading.Barrier(4)
    failures: list[BaseException] = []

    def run(source: SourceIntake) -> None:
        begin.wait()
        try:
            source.look()
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert _count(world, entry) == 40
    assert _count(world, quarantine) == 21
    assert _count(world, receipt) == 40 + 20 + 1


# --- afterwards ------------------------------------------------------------------------------------------------------


@both
def test_what_is_safe_is_archived_with_its_marker(world: World) -> None:
    source = world.source(
        [("rows", "plates")], types(rows=ROWS), after="archive", settled={"quiet": 0, "marker": "{path}.done"}
    )
    for name, text in {
        "deep/a.csv": GOOD,
        "deep/a.csv.done": "",
        "bad.csv": "?",
        "bad.csv.done": "",
        "c.csv": GOOD,
    }.items():
        world.drop(name, text)
    look = world.look(source)
    assert (look.taken.added, len(look.taken.quarantined), look.findings) == (1, 1, ())
    assert sorted(
        str(path.relative_to(world.inbox)) for path in world.inbox.rglob("*.csv*") if ".archive" not in path.parts
    ) == ["c.csv"]
    (day,) = (world.inbox / ".archive").iterdir()
    assert sorted(str(path.relative_to(day)) for path in day.rglob("*.*")) == [
        "bad.csv", "bad.csv.done", "deep/a.csv", "deep/a.csv.done",
    ]  # fmt: skip


@both
def test_a_folder_marker_goes_with_the_last_file(world: World) -> None:
    source = world.source(
        [("any", "plates")], types(any=ANY), after="delete", settled={"quiet": 2, "marker": "{folder}/DONE"}
    )
    world.drop("run/a", "1")
    world.look(source)
    world.drop("run/DONE", "")
    world.drop("run/b", "2")
    world.look(source)
    assert sorted(path.name for path in (world.inbox / "run").iterdir()) == ["DONE", "b"]
    world.look(source)
    assert list((world.inbox / "run").iterdir()) == []


@both
def test_a_file_is_deleted_only_once_these_very_bytes_are_safe(world: World) -> None:
    keeping = world.source([("any", "plates")], types(any=ANY))
    world.drop("a", "one", mtime=1000)
    world.drop("b", "two", mtime=1000)
    world.look(keeping)
    world.drop("a", "ONE", mtime=1000)  # same size, same time, other bytes
    deleting = world.source([("any", "plates")], types(any=ANY), after="delete")
    look = world.look(deleting)
    assert [each.added for each in look.taken.versions] == [1]
    assert list(world.inbox.iterdir()) == []
    assert contents(world.catalogue, world.store, "plates") == {"/a": "ONE", "/b": "two"}


@both
def test_a_bucket_is_no_folder_and_a_type_has_to_be_there(world: World) -> None:
    with pytest.raises(Invalid, match="cannot be watched"):
        world.source([("any", "plates")], types(any=ANY), watch="ftp://host/x")
    with pytest.raises(Invalid, match="no such file type"):
        world.source([("other", "plates")], types(any=ANY))


@both
def test_quarantine_lists_by_state_and_source_in_pages(world: World) -> None:
    source = world.source([("rows", "plates")], types(rows=ROWS))
    for number in range(5):
        world.drop(f"{number}.txt", str(number))
    world.look(source)
    with world.catalogue.read() as connection:
        first = list_held(connection, limit=3)
        rest = list_held(connection, before=first[-1].id)
        assert [each.path for each in (*first, *rest)] == ["/4.txt", "/3.txt", "/2.txt", "/1.txt", "/0.txt"]
        assert list_held(connection, "REJECTED") == []
        assert list_held(connection, source="other") == []


# --- tables that point to other datasets -----------------------------------------------------------------------------

VISITS = {
    "recognise": {"name": "*.csv", "columns": ["patient", "day"]},
    "format": "table",
    "table": {
        "fields": [{"name": "patient", "type": "integer"}, {"name": "day"}],
        "foreignKeys": [{"fields": "patient", "reference": {"resource": "people", "fields": "id"}}],
    },
    "rules": [{"code": "day-is-patient", "rule": "day <> 'x'", "text": "The day is wrong."}],
}  # fmt: skip


@both
def test_foreign_keys_are_followed_into_the_newest_version_of_another_dataset(world: World) -> None:
    pytest.importorskip("polars", reason="needs the PyPI package polars")
    source = world.source([("visits", "visits"), ("rows", "people")], types(visits=VISITS, rows=ROWS))
    world.drop("a-early.csv", "patient,day\n1,mon\n")
    early = world.look(source).taken.quarantined
    assert [each.findings[0].code for each in early] == ["reference-missing"]
    # What comes with the table to which it points is looked up in it.
    world.drop("b-visits.csv", "patient,day\n1,mon\n2,tue\n")
    world.drop("people.csv", "id,name\n1,a\n2,b\n")
    look = world.look(source)
    assert {each.dataset for each in look.taken.versions} == {"visits", "people"}
    assert not look.taken.quarantined
    world.drop("c.csv", "patient,day\n3,mon\n1,x\n")
    refused = world.look(source).taken.quarantined
    assert [(each.code, each.row) for each in refused[0].findings] == [("foreign-key", 2), ("day-is-patient", 3)]
    assert "stands nowhere in id of people@1" in refused[0].findings[0].text
    # A newer version counts at once.
    world.drop("people.csv", "id,name\n1,a\n3,c\n")
    world.drop("d.csv", "patient,day\n3,mon\n")
    assert [each.dataset for each in world.look(source).taken.versions] == ["people", "visits"]
    with world.catalogue.read() as connection:
        kept = receipts.find(connection, receipts.Wanted(dataset="visits"))
    assert [each.facts["facts"]["looked_up_in"] for each in kept if each.path == "/d.csv"] == [["people@2"]]
