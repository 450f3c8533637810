"""Decisions about what waits in quarantine, and files taken in by hand, on both databases."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from aliquot.blobs import Store
from aliquot.datasets.read import one_entry, resolve
from aliquot.datasets.remove import remove_paths
from aliquot.db import Catalogue
from aliquot.db.tables import version
from aliquot.intake import quarantine, receipts, taking_out
from aliquot.intake.by_hand import ingest, receipts_name
from aliquot.model.errors import AliquotError, Conflict, Damaged, Invalid, Missing
from aliquot.model.reference import parse_reference
from datasets_world import add, contents
from intake_world import ROWS, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

BAD = "id,name\nx,a\n"
GOOD = "id,name\n1,a\n"
TYPES = list(types(rows=ROWS).values())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def _refuse(catalogue: Catalogue, store: Store, place: Path, text: str = BAD) -> int:
    (place / "x.csv").write_text(text)
    taken, _ = ingest(catalogue, store, "plates", [place / "x.csv"], "ada", TYPES)
    return taken.quarantined[0].id


# --- decisions -------------------------------------------------------------------------------------------------------


@both
def test_released_bytes_enter_their_dataset_with_their_findings_attached(
    catalogue: Catalogue, store: Store, place: Path
) -> None:
    id_ = _refuse(catalogue, store, place)
    done = quarantine.release(catalogue, store, id_, "ada", "the ward confirmed it")
    assert (done.dataset, done.number, done.added) == ("plates", 1, 1)
    assert contents(catalogue, store, "plates") == {"/x.csv": BAD}
    with catalogue.read() as connection:
        held = quarantine.show(connection, id_)
        entry = one_entry(connection, resolve(connection, parse_reference("plates")), "/x.csv")
        (receipt,) = receipts.find(connection, receipts.Wanted(quarantine_id=id_))
        assert quarantine.count_held(connection) == 0
    assert (held.state, held.decided_by, held.because, held.version) == ("RELEASED", "ada", "the ward confirmed it", 1)
    assert entry.receipt_id == receipt.id
    assert (receipt.decision, receipt.dataset, receipt.version) == ("released", "plates", 1)
    assert receipt.facts["findings"][0]["row"] == 2


@both
def test_rejected_bytes_stay_out(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place)
    quarantine.reject(catalogue, id_, "ada", "a test file")
    with catalogue.read() as connection:
        held = quarantine.show(connection, id_)
        assert quarantine.list_held(connection) == []
        assert [each.id for each in quarantine.list_held(connection, state=None)] == [id_]
        assert [each.decision for each in receipts.find(connection)] == ["rejected"]
    assert (held.state, held.because, held.version) == ("REJECTED", "a test file", None)


@both
@pytest.mark.parametrize("first", ["release", "reject"])
@pytest.mark.parametrize("second", ["release", "reject"])
def test_nobody_decides_twice(catalogue: Catalogue, store: Store, place: Path, first: str, second: str) -> None:
    id_ = _refuse(catalogue, store, place)
    decide = {
        "release": lambda: quarantine.release(catalogue, store, id_, "ada", "yes"),
        "reject": lambda: quarantine.reject(catalogue, id_, "ada", "no"),
    }
    decide[first]()
    with pytest.raises(Conflict, match="has decided"):
        decide[second]()
    with catalogue.read() as connection:
        assert quarantine.show(connection, id_).state == {"release": "RELEASED", "reject": "REJECTED"}[first]


@both
def test_of_many_who_decide_at_once_one_does(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place)
    begin = threading.Barrier(4)
    ends: list[str] = []

    def run(decide: Callable[[], object]) -> None:
        begin.wait()
        try:
            decide()
            ends.append("done")
        except AliquotError as error:
            ends.append(error.code)

    release = lambda: quarantine.release(catalogue, store, id_, "ada", "yes")  # noqa: E731
    reject = lambda: quarantine.reject(catalogue, id_, "bob", "no")  # noqa: E731
    threads = [threading.Thread(target=run, args=(each,)) for each in (release, reject, release, reject)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["done", *["quarantine-decided"] * 3]


@both
def test_what_nothing_recognised_needs_a_dataset(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place, "a;b\n")
    with pytest.raises(Invalid, match="into which dataset"):
        quarantine.release(catalogue, store, id_, "ada", "yes")
    assert quarantine.release(catalogue, store, id_, "ada", "yes", into="others").dataset == "others"
    with catalogue.read() as connection:
        assert [each.dataset for each in receipts.find(connection)] == ["others"]


@both
def test_a_decision_needs_a_reason_and_something_to_decide(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place)
    with pytest.raises(Invalid, match="Say why"):
        quarantine.release(catalogue, store, id_, "ada", " ")
    with pytest.raises(Invalid, match="Say why"):
        quarantine.reject(catalogue, id_, "ada", "")
    with pytest.raises(Missing, match="quarantine list"):
        quarantine.release(catalogue, store, id_ + 1, "ada", "yes")
    with pytest.raises(Missing):
        quarantine.reject(catalogue, id_ + 1, "ada", "no")


@both
def test_a_release_that_clashes_decides_nothing(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place)
    add(catalogue, store, "plates", {"/x.csv/deeper": "1"})
    with pytest.raises(Invalid, match="both a file and a folder"):
        quarantine.release(catalogue, store, id_, "ada", "yes")
    with catalogue.read() as connection:
        assert quarantine.show(connection, id_).state == "WAITING"


def test_exported_bytes_are_the_ones_that_came(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place)
    (place / "out").mkdir()
    assert taking_out.export(catalogue, store, id_, place / "out") == [place / "out/x.csv"]
    assert taking_out.export(catalogue, store, id_, place / "y.csv") == [place / "y.csv"]
    assert (place / "out/x.csv").read_text() == (place / "y.csv").read_text() == BAD
    with pytest.raises(Conflict, match="there already"):
        taking_out.export(catalogue, store, id_, place / "y.csv")


# --- bytes that are not what they were -------------------------------------------------------------------------------


LARGE = "id,name\n" + "x,a\n" * 50_000


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("text", [BAD, LARGE], ids=["in a pack", "alone"])
def test_damaged_bytes_are_neither_released_nor_exported(
    catalogue: Catalogue, store: Store, place: Path, text: str, gone: bool
) -> None:
    id_ = _refuse(catalogue, store, place, text)
    (file,) = (each for each in Path(store.url.removeprefix("file://")).glob("[bp]*/*/*"))
    if gone:
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[9] ^= 1
        file.write_bytes(content)
    store.close()
    (place / "out").mkdir()
    with pytest.raises(Damaged, match=rf"quarantine {id_}: /x\.csv.*nothing"):
        quarantine.release(catalogue, store, id_, "ada", "yes")
    for to in (place / "out", place / "new"):
        with pytest.raises(Damaged, match=rf"quarantine {id_}: /x\.csv.*nothing"):
            taking_out.export(catalogue, store, id_, to)
    assert sorted(each.name for each in place.rglob("*")) == ["out", "x.csv"]
    with catalogue.read() as connection:
        assert quarantine.show(connection, id_).state == "WAITING"
        assert connection.execute(select(func.count()).select_from(version)).scalar_one() == 0


# --- newer files -----------------------------------------------------------------------------------------------------


@both
def test_an_older_file_is_not_released_over_a_newer_one_unless_asked(
    catalogue: Catalogue, store: Store, place: Path
) -> None:
    id_ = _refuse(catalogue, store, place)
    with catalogue.read() as connection:
        assert quarantine.show(connection, id_).newer is None
    (place / "x.csv").write_text(GOOD)
    ingest(catalogue, store, "plates", [place / "x.csv"], "ada", TYPES)
    with catalogue.read() as connection:
        newer = quarantine.show(connection, id_).newer
        assert [each.newer for each in quarantine.list_held(connection)] == [newer]
    assert newer is not None
    assert (newer.path, newer.dataset, newer.version) == ("/x.csv", "plates", 1)
    with pytest.raises(Conflict, match=r"plates@1 holds a newer /x\.csv.*over-newer") as refused:
        quarantine.release(catalogue, store, id_, "ada", "yes")
    assert refused.value.code == "newer-accepted"
    assert contents(catalogue, store, "plates") == {"/x.csv": GOOD}
    assert quarantine.release(catalogue, store, id_, "ada", "yes", into="others").dataset == "others"


@both
def test_an_older_file_is_released_over_a_newer_one_when_asked(catalogue: Catalogue, store: Store, place: Path) -> None:
    id_ = _refuse(catalogue, store, place, "a;b\n")
    (place / "x.csv").write_text(GOOD)
    ingest(catalogue, store, "plates", [place / "x.csv"], "ada", TYPES)
    with catalogue.read() as connection:
        assert quarantine.show(connection, id_).newer is not None
    with pytest.raises(Conflict, match="newer"):
        quarantine.release(catalogue, store, id_, "ada", "yes", into="plates")
    done = quarantine.release(catalogue, store, id_, "ada", "yes", into="plates", over_newer=True)
    assert (done.dataset, done.number) == ("plates", 2)
    assert contents(catalogue, store, "plates") == {"/x.csv": "a;b\n"}


@both
def test_what_came_after_the_accepted_file_is_released_over_it(catalogue: Catalogue, store: Store, place: Path) -> None:
    (place / "x.csv").write_text(GOOD)
    ingest(catalogue, store, "plates", [place / "x.csv"], "ada", TYPES)
    first = _refuse(catalogue, store, place)
    second = _refuse(catalogue, store, place, "id,name\ny,b\n")
    with catalogue.read() as connection:
        assert [each.newer for each in quarantine.list_held(connection)] == [None, None]
    assert quarantine.release(catalogue, store, second, "ada", "yes").number == 2
    with pytest.raises(Conflict, match="plates@2 holds a newer"):
        quarantine.release(catalogue, store, first, "ada", "yes")


# --- by hand ---------------------------------------------------------------------------------------------------------


@both
def test_files_and_folders_given_by_hand_become_one_version(catalogue: Catalogue, store: Store, place: Path) -> None:
    (place / "run/deep").mkdir(parents=True)
    (place / "run/deep/a").write_text("1")
    (place / "run/b").write_text("2")
    (place / "c").write_text("3")
    (place / "run/link").symlink_to(place / "c")
    taken, findings = ingest(catalogue, store, "plates", [place / "run", place / "c"], "ada")
    assert [(each.number, each.added) for each in taken.versions] == [(1, 3)]
    assert contents(catalogue, store, "plates") == {"/deep/a": "1", "/b": "2", "/c": "3"}
    assert [each.code for each in findings] == ["link-ignored"]
    with catalogue.read() as connection:
        found = receipts.find(connection, receipts.Wanted(source=receipts_name("plates")))
    assert sorted((each.path, each.who, each.decision) for each in found) == [
        (path, "ada", "accepted") for path in ("/b", "/c", "/deep/a")
    ]


@both
def test_the_same_files_again_are_unchanged_and_removed_ones_come_back(
    catalogue: Catalogue, store: Store, place: Path
) -> None:
    (place / "a").write_text("1")
    (place / "b").write_text("2")
    ingest(catalogue, store, "plates", [place], "ada")
    taken, _ = ingest(catalogue, store, "plates", [place], "ada")
    assert (taken.added, taken.unchanged, taken.versions) == (0, 2, [])
    remove_paths(catalogue, store, "plates", ["/a"], "ada", "a mistake")
    taken, _ = ingest(catalogue, store, "plates", [place], "ada")
    assert (taken.added, taken.unchanged, [each.number for each in taken.versions]) == (1, 1, [3])
    assert contents(catalogue, store, "plates") == {"/a": "1", "/b": "2"}
    taken, _ = ingest(catalogue, store, "others", [place], "ada")
    assert taken.added == 2


@both
def test_a_refused_file_given_again_waits_once_and_enters_when_its_type_allows(
    catalogue: Catalogue, store: Store, place: Path
) -> None:
    id_ = _refuse(catalogue, store, place)
    assert _refuse(catalogue, store, place) == id_
    taken, _ = ingest(catalogue, store, "plates", [place / "x.csv"], "ada")
    assert taken.added == 1
    with catalogue.read() as connection:
        assert quarantine.show(connection, id_).state == "RELEASED"


@both
def test_checks_by_hand_are_those_of_the_types_that_are_given(catalogue: Catalogue, store: Store, place: Path) -> None:
    (place / "good.csv").write_text(GOOD)
    (place / "bad.csv").write_text(BAD)
    taken, _ = ingest(catalogue, store, "plates", [place], "ada", TYPES)
    assert (taken.added, [each.path for each in taken.quarantined]) == (1, ["/bad.csv"])


def test_a_companion_that_is_missing_by_hand_is_for_the_check_to_tell(
    catalogue: Catalogue, store: Store, place: Path
) -> None:
    pair = types(image={"recognise": {"name": "*.imzML"}, "format": "imzml", "set": ["{name}.imzML", "{name}.ibd"]})
    (place / "a.imzML").write_text('<?xml version="1.0"?><mzML></mzML>')
    taken, _ = ingest(catalogue, store, "images", [place], "ada", list(pair.values()))
    assert [each.path for each in taken.quarantined] == ["/a.imzML"]


def test_what_is_not_there_or_twice_is_refused_before_anything_is_taken(
    catalogue: Catalogue, store: Store, place: Path
) -> None:
    for folder in ("one", "two"):
        (place / folder).mkdir()
        (place / folder / "a").write_text(folder)
    with pytest.raises(Missing, match="nothing was taken"):
        ingest(catalogue, store, "plates", [place / "one", place / "nowhere"], "ada")
    with pytest.raises(Invalid, match="Two of the files"):
        ingest(catalogue, store, "plates", [place / "one", place / "two"], "ada")
    with pytest.raises(Invalid, match="cannot name a dataset"):
        ingest(catalogue, store, "No!", [place / "one"], "ada")
    with catalogue.read() as connection:
        assert receipts.find(connection) == []


def test_many_small_files_lie_in_few_packs(catalogue: Catalogue, store: Store, place: Path) -> None:
    for number in range(600):
        (place / str(number)).write_text(f"file {number}")
    (place / "large").write_bytes(b"x" * 300_000)
    taken, _ = ingest(catalogue, store, "plates", [place], "ada")
    assert taken.added == 601
    assert len(list(store.objects.list_keys("packs"))) == 1
    read = contents(catalogue, store, "plates")
    assert read["/599"] == "file 599"
    assert len(read["/large"]) == 300_000
