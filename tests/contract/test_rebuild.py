"""A catalogue that is lost comes back from the store, and is the one that was lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.rebuild import rebuild
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import dataset, entry, receipt, version
from aliquot.model.errors import Conflict, Damaged
from datasets_world import add, contents, put

KINDS = ["sqlite", "postgresql"]


@pytest.fixture(params=KINDS)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """Give the empty catalogue that is to be filled."""
    if request.param == "postgresql":
        opened = open_catalogue(request.getfixturevalue("postgresql_database"))
    else:
        opened = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    yield opened
    opened.close()


@pytest.fixture
def filled(catalogue: Catalogue, store: Store) -> Catalogue:
    origin = {"source": "inbox", "path": "run.tar", "arrived_at": 12.5, "digest": "blake3:tar", "size": 99,
              "mtime_ns": 7, "who": "ada", "member": "a"}  # fmt: skip
    of_archive = put(catalogue, store, {"/a": "1", "/b/c": "2"}, origin=origin)
    alone = put(catalogue, store, {"/d": "3"}, origin={"source": "inbox", "path": "d", "arrived_at": 3.5})
    computed = put(catalogue, store, {"/e": "4"}, origin={"key": "blake3:key"})
    commit(catalogue, store, Change("plates", [*of_archive, *alone, *computed], (), {"by": "ada"}))
    add(catalogue, store, "plates", {"/a": "one", "/large": "x" * 300_000}, ["/b/c"], by="grace")
    again = put(catalogue, store, {"/again": "2"}, origin=origin)
    commit(catalogue, store, Change("plates", again, ["/e"], {"by": "ada"}, parked=3))
    add(catalogue, store, "reads", {f"/{n}": str(n) for n in range(1_100)})
    add(catalogue, store, "reads", {f"/{n}": str(-n) for n in range(600)}, [f"/{n}" for n in range(600, 1_200)])
    add(catalogue, store, "empty", {})
    return catalogue


def _rows(catalogue: Catalogue) -> tuple[list[tuple[object, ...]], ...]:
    """Give datasets, versions and files without the numbers that a database gives its rows."""
    names = select(dataset.c.name, dataset.c.head).order_by(dataset.c.name)
    versions = (
        select(
            dataset.c.name, version.c.number, version.c.digest, version.c.parent, version.c.delta, version.c.provenance,
            version.c.added, version.c.removed, version.c.files, version.c.bytes, version.c.parked,
            version.c.created_at, version.c.named,
        ).join(dataset, dataset.c.id == version.c.dataset_id).order_by(dataset.c.name, version.c.number)
    )  # fmt: skip
    files = (
        select(dataset.c.name, entry.c.path, entry.c.digest, entry.c.size, entry.c.added, entry.c.removed)
        .join(dataset, dataset.c.id == entry.c.dataset_id)
        .order_by(dataset.c.name, entry.c.path, entry.c.added)
    )
    with catalogue.read() as connection:
        return tuple([tuple(row) for row in connection.execute(query)] for query in (names, versions, files))


def test_all_that_the_store_knows_comes_back(filled: Catalogue, store: Store, fresh: Catalogue) -> None:
    report = rebuild(store, fresh)
    assert _rows(fresh) == _rows(filled)
    assert (report.datasets, report.versions, report.files, report.receipts) == (3, 6, 4 + 2 + 1 + 1_100 + 599, 2)
    assert report.broken_packs == []
    assert any("Runs, tasks" in each for each in report.lost)
    assert contents(fresh, store, "plates@2") == contents(filled, store, "plates@2")
    assert verify(fresh, store, None).damages == ()
    assert add(fresh, store, "plates", {"/next": "5"}).number == 4


def test_receipts_come_back_as_far_as_deltas_tell(filled: Catalogue, store: Store, fresh: Catalogue) -> None:
    rebuild(store, fresh)
    with fresh.read() as connection:
        receipts = {row.path: row for row in connection.execute(select(receipt))}
        query = select(entry.c.path, entry.c.receipt_id).where(entry.c.receipt_id.isnot(None))
        owners = {row.path: row.receipt_id for row in connection.execute(query)}
    tar, alone = receipts["run.tar"], receipts["d"]
    assert owners == {"/a": tar.id, "/b/c": tar.id, "/again": tar.id, "/d": alone.id}
    assert (tar.size, tar.mtime_ns, tar.digest, tar.taken_at, tar.who) == (99, 7, "blake3:tar", 12.5, "ada")
    assert (tar.dataset, tar.version, tar.facts) == ("plates", 1, {"member": "a"})
    assert (alone.size, alone.taken_at, alone.entry_path) == (1, 3.5, "/d")


def test_a_catalogue_that_holds_something_is_left_alone(filled: Catalogue, store: Store) -> None:
    before = _rows(filled)
    with pytest.raises(Conflict, match="into a new, empty one"):
        rebuild(store, filled)
    assert _rows(filled) == before


@pytest.mark.parametrize("harm", ["delta", "lost delta", "name", "digest", "gap", "swapped"])
def test_a_chain_that_does_not_hold_names_its_version_and_leaves_nothing(
    filled: Catalogue, store: Store, tmp_path: Path, harm: str
) -> None:
    fresh = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    names = tmp_path / "store" / "versions" / "plates"
    with filled.read() as connection:
        second = connection.execute(select(version.c.delta).join(dataset, dataset.c.id == version.c.dataset_id).where(
            dataset.c.name == "plates", version.c.number == 2)).scalar_one().removeprefix("blake3:")  # fmt: skip
    delta = tmp_path / "store" / "blobs" / second[:2] / second[2:]
    two = names / "0000000002.json"
    if harm == "delta":
        delta.write_bytes(delta.read_bytes()[:-1] + b"?")
    elif harm == "lost delta":
        delta.unlink()
    elif harm == "name":
        two.write_text("{")
    elif harm == "digest":
        two.write_text(two.read_text().replace('"digest":"blake3:', '"digest":"blake3:0'))
    elif harm == "gap":
        two.unlink()
    else:
        three = names / "0000000003.json"
        two.write_text(three.read_text().replace('"number":3', '"number":2'))
    with pytest.raises(Damaged, match=r"plates[@/]0*2"):
        rebuild(store, fresh)
    assert _rows(fresh) == ([], [], [])
    fresh.close()


def test_a_broken_pack_costs_its_own_files_and_no_other(filled: Catalogue, store: Store, tmp_path: Path) -> None:
    fresh = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    pack = max((each for each in (tmp_path / "store" / "packs").rglob("*") if each.is_file()),
               key=lambda each: each.stat().st_size)  # fmt: skip
    pack.write_bytes(pack.read_bytes()[:-1])
    report = rebuild(store, fresh)
    assert len(report.broken_packs) == 1
    assert _rows(fresh) == _rows(filled)
    assert {each.references[0].partition("@")[0] for each in verify(fresh, store, None).damages} == {"reads"}
    fresh.close()


def test_an_entry_without_an_origin_needs_no_receipt(catalogue: Catalogue, store: Store, fresh: Catalogue) -> None:
    commit(
        catalogue,
        store,
        Change("plates", [NewEntry(e.path, e.digest, e.size) for e in put(catalogue, store, {"/a": ""})]),
    )
    assert rebuild(store, fresh).receipts == 0
