"""Sweeping on both databases: what goes, what stays, and what comes back."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from aliquot.blobs import Store
from aliquot.blobs.layout import blob_key, pack_key
from aliquot.datasets import places
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.rebuild import rebuild
from aliquot.datasets.sweep import sweep
from aliquot.datasets.sweep_report import Reason, SweepReport
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import blob, dataset, output, version
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.errors import Conflict, Missing
from aliquot.model.lab_config import Retention
from datasets_world import add, contents, put
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
DAY = 86_400.0
KEEP = Retention()

CHAIN: dict[str, Any] = {
    "pipeline": "chain",
    "parameters": {"title": {"type": "string", "default": "Total"}},
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "large": {
            "inputs": {"file": {"from": "texts", "glob": "/{name}.txt"}},
            "parameters": [],
            "command": 'echo large; yes "$(cat "$FILE")" | head -n 20000 > "$OUT/$NAME.large"',
        },
        "total": {
            "inputs": {"all": {"from": "large", "glob": "/"}},
            "command": '(echo "$TITLE"; cat "$ALL"/*.large | wc -c) > "$OUT/total"',
        },
    },
    "outputs": {"total": {"from": "total", "publish": "total"}},
}


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.apply(CHAIN)
    made.add("texts", {"/a.txt": "a rather short text\n", "/b.txt": "another text\n"})
    yield made
    made.close()


def swept(lab: SmallLab, days: float, retention: Retention = KEEP, *, dry_run: bool = False) -> SweepReport:
    return sweep(lab.catalogue, lab.store, retention, dry_run=dry_run, now=time.time() + days * DAY)


@both
def test_intermediates_go_in_two_sweeps_and_their_keys_still_skip(lab: SmallLab) -> None:
    lab.run("chain")
    first = swept(lab, 8, dry_run=True)
    assert first.shares[Reason.INTERMEDIATE].later == 2
    assert first.total.now == 0
    assert swept(lab, 8).freed == 0
    before = swept(lab, 8.5, dry_run=True)
    assert before.total.now == 0, "the grace time has not passed"
    promised = swept(lab, 9.1, dry_run=True).shares[Reason.INTERMEDIATE]
    done = swept(lab, 9.1)
    assert promised.now == 2
    assert done.shares[Reason.INTERMEDIATE].now_bytes == promised.now_bytes == done.freed > 600_000
    assert swept(lab, 9.2).total.now == 0

    again = lab.run("chain")
    assert lab.row(again).state == "COMPLETE"
    assert lab.ran(again) == []
    assert verify(lab.catalogue, lab.store, None).sound
    assert lab.content("total")["/total"].startswith(b"Total\n")


@both
def test_a_run_within_retention_keeps_what_it_made(lab: SmallLab) -> None:
    lab.run("chain")
    assert swept(lab, 6).total.later == 0
    assert swept(lab, 400, Retention(runs="forever", intermediates="forever", logs="forever")).total.later == 0


@both
def test_unpublished_outputs_and_logs_go_after_their_own_times(lab: SmallLab) -> None:
    lab.start("chain", publish=False)
    lab.supervise()
    early = swept(lab, 31, dry_run=True)
    assert early.shares[Reason.LOG].later == 1
    assert early.shares[Reason.OUTPUT].later == 0
    assert swept(lab, 91, dry_run=True).shares[Reason.OUTPUT].later == 1


@both
def test_what_is_stored_again_is_taken_back(catalogue: Catalogue, store: Store) -> None:
    put(catalogue, store, {"/small": "never named", "/large": "x" * 200_000})
    now = time.time() + 2 * DAY
    assert sweep(catalogue, store, KEEP, dry_run=False, now=now).shares[Reason.UNNAMED].later == 2
    add(catalogue, store, "plates", {"/small": "never named", "/large": "x" * 200_000})
    later = sweep(catalogue, store, KEEP, dry_run=False, now=now + 2 * DAY)
    assert later.shares[Reason.UNNAMED].now == 0
    assert contents(catalogue, store, "plates")["/small"] == "never named"
    assert verify(catalogue, store, None).sound


@both
def test_what_was_removed_and_is_stored_again_lies_where_it_was_stored_last(lab: SmallLab) -> None:
    lab.run("chain")
    swept(lab, 8)
    swept(lab, 10)
    [name] = [row for row in _gone(lab.catalogue) if row.size > 300_000]
    with lab.catalogue.read() as connection, pytest.raises(Missing) as error:
        places.require(connection, [name.digest])
    assert error.value.code == "blob-swept"
    add(lab.catalogue, lab.store, "copies", {"/again": "a rather short text\n" * 20_000})
    with lab.catalogue.read() as connection:
        found = places.require(connection, [name.digest])[name.digest]
    assert lab.store.read_checked(found)


def _gone(catalogue: Catalogue) -> list[Any]:
    with catalogue.read() as connection:
        return list(connection.execute(select(blob).where(blob.c.swept_at.isnot(None))))


@both
def test_what_retention_keeps_again_is_taken_back(lab: SmallLab) -> None:
    lab.run("chain")
    assert swept(lab, 2, Retention(intermediates=3600.0)).shares[Reason.INTERMEDIATE].later == 2
    again = swept(lab, 4)
    assert again.kept == 2
    assert again.freed == 0
    with lab.catalogue.read() as connection:
        assert not places.is_any_doomed(connection)


@both
def test_a_pack_that_is_mostly_dead_is_rewritten_and_goes_when_nobody_reads_it(
    catalogue: Catalogue, store: Store
) -> None:
    files = {f"/{number}": f"{number} " * 10_000 for number in range(10)}
    listed = put(catalogue, store, files)
    commit(catalogue, store, Change("plates", listed[:2]))
    with catalogue.read() as connection:
        old = places.require(connection, [listed[0].digest])[listed[0].digest]
    assert old.pack
    now = time.time() + 2 * DAY
    sweep(catalogue, store, KEEP, dry_run=False, now=now)
    second = sweep(catalogue, store, KEEP, dry_run=False, now=now + 2 * DAY)
    assert second.shares[Reason.UNNAMED].now == 8
    with catalogue.read() as connection:
        new = places.require(connection, [listed[0].digest])[listed[0].digest]
    assert new.pack not in {None, old.pack}
    assert store.read_checked(old) == store.read_checked(new), "a reader that was sent there must still find it"
    assert verify(catalogue, store, None).sound
    third = sweep(catalogue, store, KEEP, dry_run=False, now=now + 4 * DAY)
    assert third.freed > 150_000
    assert not store.exists(old)
    assert contents(catalogue, store, "plates") == {"/0": files["/0"], "/1": files["/1"]}
    assert verify(catalogue, store, None).sound
    assert sweep(catalogue, store, KEEP, dry_run=False, now=now + 6 * DAY).total.now == 0


@both
def test_objects_that_no_row_tells_of_go_when_they_are_old(catalogue: Catalogue, store: Store) -> None:
    alone = store.put_bytes(b"of a commit that was killed")
    batch = store.batch()
    batch.add_bytes(b"of an intake that was killed")
    [packed] = batch.flush()
    draft = Path(store.objects.root or "") / "drafts" / "killed"
    draft.write_bytes(b"half")
    assert sweep(catalogue, store, KEEP, dry_run=False).total.now == 0
    done = sweep(catalogue, store, KEEP, dry_run=False, now=time.time() + 2 * DAY)
    assert done.shares[Reason.UNKNOWN].now == 2
    assert done.shares[Reason.DRAFT].now == 1
    assert not store.exists(alone)
    assert not store.exists(packed)
    assert not draft.exists()


def test_what_a_writer_has_found_again_is_not_removed(store: Store) -> None:
    root = store.objects.root
    assert root
    for place in (store.put_bytes(b"alone"), *_packed(store)):
        key = pack_key(place.pack) if place.pack else blob_key(place.digest)
        os.utime(root / key, (1, 1))
        written = time.time() - 60
        store.put_bytes(b"alone")
        _packed(store)
        assert not store.objects.remove(key, written)
        assert store.exists(place)
        os.utime(root / key, (1, 1))
        assert store.objects.remove(key, written)
        assert not store.exists(place)


def _packed(store: Store) -> Any:
    batch = store.batch()
    batch.add_bytes(b"together")
    return batch.flush()


def test_a_catalogue_that_is_older_than_the_store_is_not_swept_with(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "one"})
    with catalogue.write() as connection:
        connection.execute(version.delete())
        connection.execute(dataset.update().values(head=0))
    with pytest.raises(Conflict) as error:
        sweep(catalogue, store, KEEP, dry_run=False, now=time.time() + 400 * DAY)
    assert error.value.code == "catalogue-behind-store"


@both
def test_a_rebuilt_catalogue_agrees_after_a_sweep(lab: SmallLab, tmp_path: Path) -> None:
    lab.run("chain")
    put(lab.catalogue, lab.store, {f"/{number}": f"{number} " * 10_000 for number in range(9)})
    swept(lab, 8)
    swept(lab, 10)
    swept(lab, 12)
    made = open_catalogue(f"sqlite:///{tmp_path}/rebuilt.db")
    rebuild(lab.store, made)
    assert verify(made, lab.store, None).sound
    assert contents(made, lab.store, "total")["/total"].startswith("Total\n")
    made.close()


def test_memory_stores_are_swept_as_buckets_are(catalogue: Catalogue) -> None:
    from aliquot.blobs import open_store

    store = open_store("memory:")
    put(catalogue, store, {"/large": "x" * 200_000})
    now = time.time() + 2 * DAY
    sweep(catalogue, store, KEEP, dry_run=False, now=now)
    assert sweep(catalogue, store, KEEP, dry_run=False, now=now + 2 * DAY).freed == 200_000
    assert not list(store.objects.list_keys(blob_key(digest_bytes(b"x" * 200_000))[:8]))


class _Meanwhile:
    """A catalogue with which something happens before the first write to it."""

    def __init__(self, catalogue: Catalogue, happens: Callable[[], object]) -> None:
        self.read = catalogue.read
        self.write = catalogue.write
        self._catalogue = catalogue
        self._happens: Callable[[], object] | None = happens

    def repeat(self, work: Callable[[Connection], Any]) -> Any:
        happens, self._happens = self._happens, None
        if happens:
            happens()
        return self._catalogue.repeat(work)


@both
def test_what_is_published_while_a_sweep_is_at_work_stays(lab: SmallLab) -> None:
    lab.start("chain", publish=False)
    lab.supervise()
    short = Retention(runs=0.0)
    swept(lab, 0.01, short)
    between: Any = _Meanwhile(lab.catalogue, lambda: lab.run("chain"))
    report = sweep(between, lab.store, short, dry_run=False, now=time.time() + 1.5 * DAY)
    assert report.kept == 1
    assert lab.content("total")["/total"].startswith(b"Total\n")
    assert verify(lab.catalogue, lab.store, None).sound


@both
def test_what_a_version_lists_while_a_sweep_is_at_work_stays(catalogue: Catalogue, store: Store) -> None:
    listed = put(catalogue, store, {"/small": "not named yet", "/large": "x" * 200_000})
    now = time.time() + 2 * DAY
    sweep(catalogue, store, KEEP, dry_run=False, now=now)
    between: Any = _Meanwhile(catalogue, lambda: commit(catalogue, store, Change("plates", listed)))
    assert sweep(between, store, KEEP, dry_run=False, now=now + 2 * DAY).kept == 2
    assert verify(catalogue, store, None).sound


@both
def test_a_version_holds_what_is_doomed_and_is_refused_what_is_gone(lab: SmallLab) -> None:
    lab.start("chain", publish=False)
    lab.supervise()
    short = Retention(runs=0.0, intermediates=0.0)
    with lab.catalogue.read() as connection:
        digests = [Digest(digest) for digest in connection.execute(select(output.c.digest)).scalars()]
    swept(lab, 0.01, short)
    with lab.catalogue.write() as connection:
        places.hold(connection, digests[:1])
    swept(lab, 1.5, short)
    assert {row.digest for row in _gone(lab.catalogue)} == set(digests[1:])
    with lab.catalogue.write() as connection, pytest.raises(Conflict) as error:
        places.hold(connection, digests)
    assert error.value.code == "blobs-just-swept"


def test_a_sweep_waits_for_who_publishes_at_the_same_moment(postgresql_database: str, store: Store) -> None:
    catalogue = open_catalogue(postgresql_database)
    listed = put(catalogue, store, {"/large": "x" * 200_000})
    now = time.time() + 2 * DAY
    sweep(catalogue, store, KEEP, dry_run=False, now=now)
    with ThreadPoolExecutor(1) as pool:
        with catalogue.write() as connection:
            places.hold(connection, [listed[0].digest])
            sweeping = pool.submit(sweep, catalogue, store, KEEP, dry_run=False, now=now + 2 * DAY)
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not sweeping.done():
                with catalogue.read() as other:
                    if other.execute(waits).scalar_one():
                        break
        assert sweeping.result().freed == 0
    with catalogue.read() as connection:
        assert places.require(connection, [listed[0].digest])
    catalogue.close()
