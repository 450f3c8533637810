"""Many files that a person gives at once have one receipt, and each of them can still be asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.lineage import lineage
from aliquot.datasets.read import entries, resolve
from aliquot.datasets.rebuild import rebuild
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import entry, receipt
from aliquot.intake.by_hand import ingest
from aliquot.intake.decided import Intake, Taken
from aliquot.intake.judge import Rule
from aliquot.intake.quarantine import list_held, release
from aliquot.intake.receipts import Receipt, Wanted, find, how_many
from aliquot.intake.scan import scan
from aliquot.intake.unseen import take_unseen
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import AliquotError
from aliquot.model.reference import parse_reference
from datasets_world import contents
from intake_world import ROWS, types

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

FILES = 150


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    for number in range(FILES):
        file = folder / f"plate {number // 100}" / f"{number:03}_x.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"well {number}")
    return folder


@pytest.fixture
def fresh(catalogue: Catalogue, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """Give an empty catalogue beside the other."""
    opened = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    yield opened
    opened.close()


def _find(catalogue: Catalogue, **wanted: str) -> list[Receipt]:
    with catalogue.read() as connection:
        found = find(connection, Wanted(**wanted), limit=None)  # type: ignore[arg-type]
        assert how_many(connection, Wanted(**wanted)) == len(found)  # type: ignore[arg-type]
        return found


def test_one_receipt_stands_for_all_and_each_file_is_found(catalogue: Catalogue, store: Store, given: Path) -> None:
    taken, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, taken.unchanged, len(taken.safe)) == (FILES, 0, FILES)
    (one,) = _find(catalogue)
    assert (one.path, one.files, one.decision, one.dataset, one.version, one.who) == (
        "/", FILES, "accepted", "wells", 1, "ada",
    )  # fmt: skip
    assert one.size == sum(file.stat().st_size for file in given.rglob("*.txt"))
    assert [each.id for each in _find(catalogue, dataset="wells")] == [one.id]
    digest = digest_bytes(b"well 120")
    for wanted in ({"name": "120_x.txt"}, {"name": "/plate 1/120_x.txt"}, {"part": "120_X"}, {"digest": digest[:20]}):
        (each,) = _find(catalogue, **wanted)
        assert (each.id, each.path, each.entry_path, each.digest, each.size, each.files) == (
            one.id, "/plate 1/120_x.txt", "/plate 1/120_x.txt", digest, 8, None,
        )  # fmt: skip
        assert (each.source, each.decision, each.version, each.seen_at) == ("hand:wells", "accepted", 1, one.seen_at)
    assert [each.path for each in _find(catalogue, part="plate 1/")] == [f"/plate 1/{n}_x.txt" for n in range(100, 150)]
    assert _find(catalogue, name="none.txt") == []
    with catalogue.read() as connection:
        told = lineage(connection, parse_reference("wells:/plate 0/007_x.txt")).document()
    (arrival,) = told["back"]
    assert (arrival["facts"]["path"], arrival["facts"]["digest"]) == ("/plate 0/007_x.txt", digest_bytes(b"well 7"))


def test_the_same_again_adds_nothing_and_says_so_of_each(catalogue: Catalogue, store: Store, given: Path) -> None:
    ingest(catalogue, store, "wells", [given], "ada")
    taken, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, taken.unchanged, taken.versions) == (0, FILES, [])
    (given / "plate 0" / "000_x.txt").write_text("other")
    taken, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, taken.unchanged) == (1, FILES - 1)
    first = _find(catalogue, name="000_x.txt")
    assert [(each.decision, each.version) for each in first] == [
        ("accepted", 2), ("unchanged", 1), ("accepted", 1),
    ]  # fmt: skip
    with catalogue.read() as connection:
        (now,) = [each for each in entries(connection, resolve(connection, parse_reference("wells"))) if
                  each.path == "/plate 0/000_x.txt"]  # fmt: skip
    assert now.receipt_id == first[0].id


def test_what_is_refused_waits_alone_and_the_rest_comes_together(
    catalogue: Catalogue, store: Store, given: Path
) -> None:
    (given / "bad.csv").write_text("id,name\nx,a\n")
    (given / "good.csv").write_text("id,name\n1,a\n")
    known = list(types(rows=ROWS, text={"recognise": {"name": "*.txt"}}).values())
    taken, _ = ingest(catalogue, store, "wells", [given], "ada", known)
    assert (taken.added, len(taken.quarantined)) == (FILES + 1, 1)
    rows = _find(catalogue)
    assert sorted((each.path, each.files, each.decision, each.type) for each in rows) == [
        ("/", FILES, "accepted", "text"), ("/bad.csv", None, "quarantined", "rows"),
        ("/good.csv", None, "accepted", "rows"),
    ]  # fmt: skip
    with catalogue.read() as connection:
        (held,) = list_held(connection)
    release(catalogue, store, held.id, "grace", "a dry run")
    assert len(contents(catalogue, store, "wells")) == FILES + 2


def test_a_lost_catalogue_comes_back_with_the_delivery(
    catalogue: Catalogue, store: Store, given: Path, fresh: Catalogue
) -> None:
    for number in range(600):
        (given / f"{number}.bin").write_text(f"more {number}")
    ingest(catalogue, store, "wells", [given], "ada")
    (given / "later.txt").write_text("later")
    ingest(catalogue, store, "wells", [given / "later.txt"], "ada")
    report = rebuild(store, fresh)
    assert report.receipts == 2
    assert verify(fresh, store, None).damages == ()

    def told(of: Catalogue) -> list[tuple[object, ...]]:
        columns = (receipt.c.source, receipt.c.path, receipt.c.files, receipt.c.size, receipt.c.digest,
                   receipt.c.seen_at, receipt.c.decision, receipt.c.dataset, receipt.c.version)  # fmt: skip
        with of.read() as connection:
            owned = connection.execute(
                select(entry.c.path, receipt.c.path).join(receipt).order_by(entry.c.path)
            ).all()  # fmt: skip
            query = select(*columns).where(receipt.c.decision == "accepted").order_by(receipt.c.id)
            return [tuple(row) for row in connection.execute(query)] + [tuple(row) for row in owned]

    assert told(fresh) == told(catalogue)
    assert [each.path for each in _find(fresh, name="7.bin")] == ["/7.bin"]


def test_a_path_that_clashes_waits_alone_and_the_rest_comes_together(
    catalogue: Catalogue, store: Store, given: Path
) -> None:
    (given / "plate 0" / "050_x.txt").rename(given / "moved")
    ingest(catalogue, store, "wells", [given / "moved"], "ada")
    (given / "moved").unlink()
    (given / "moved").mkdir()
    (given / "moved" / "050_x.txt").write_text("below what is a file")
    taken, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, [each.path for each in taken.quarantined]) == (FILES - 1, ["/moved/050_x.txt"])
    with catalogue.read() as connection:
        assert len(list(entries(connection, resolve(connection, parse_reference("wells"))))) == FILES
    assert [each.files for each in _find(catalogue, dataset="wells", name="/plate 1/120_x.txt")] == [None]


def test_files_of_every_size_come_together(catalogue: Catalogue, store: Store, given: Path) -> None:
    large = "0123456789abcdef" * 16_000
    (given / "empty").touch()
    (given / "large.bin").write_text(large)
    taken, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (taken.added, len(taken.versions)) == (FILES + 2, 1)
    found = contents(catalogue, store, "wells")
    assert (found["/empty"], found["/large.bin"], found["/plate 1/120_x.txt"]) == ("", large, "well 120")


def test_a_file_that_changes_meanwhile_is_told_and_comes_the_next_time(
    catalogue: Catalogue, store: Store, given: Path
) -> None:
    files = scan(given).files
    (given / "plate 1" / "120_x.txt").write_text("another text")
    taken = Taken()
    intake = Intake(catalogue, store, "hand:wells", [Rule("wells")], "ada", by_hand=True)
    assert take_unseen(intake, files, taken)
    assert ([each.path for each in taken.changing], taken.added) == (["/plate 1/120_x.txt"], FILES - 1)
    assert len(taken.safe) == FILES - 1
    again, _ = ingest(catalogue, store, "wells", [given], "ada")
    assert (again.added, again.unchanged) == (1, FILES - 1)
    assert contents(catalogue, store, "wells")["/plate 1/120_x.txt"] == "another text"


def test_what_went_wrong_first_is_told_where_the_rest_cannot_be_written_either(
    catalogue: Catalogue, store: Store, given: Path, tmp_path: Path
) -> None:
    with pytest.raises(AliquotError) as alone:
        commit(catalogue, store, Change("wells", (), within="elsewhere", project="here"))
    (tmp_path / "store" / "packs").write_text("no folder")
    intake = Intake(
        catalogue, store, "hand:wells", [Rule("wells")], "ada", by_hand=True, within={"wells": "elsewhere"}
    )  # fmt: skip
    with pytest.raises(AliquotError) as told:
        take_unseen(intake, scan(given).files, Taken())
    assert told.value.code == alone.value.code
