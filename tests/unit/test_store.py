"""The store: durable names, packs, batches, and files that change under the reader."""

import itertools
import os
import threading
from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.blobs.layout import blob_key
from aliquot.blobs.pack import SMALL
from aliquot.model.blob import Location
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import AliquotError, Conflict, Damaged


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store("memory://" if request.param == "memory" else str(tmp_path / "a store"))


def test_bytes_come_back_by_digest(store: Store) -> None:
    location = store.put_bytes(b"hello")
    assert location == Location(digest_bytes(b"hello"), 5)
    assert store.read(location) == b"hello"
    assert store.read_range(location, 1, 3) == b"ell"
    assert store.read_range(location, 4, 100) == b"o"


def test_a_large_file_is_stored_alone_and_digested_in_passing(store: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000
    source = tmp_path / "large"
    source.write_bytes(content)
    location = store.put_file(source)
    assert location.digest == digest_bytes(content)
    assert location.pack is None
    assert b"".join(store.stream(location)) == content
    assert store.digest(location) == location.digest


def test_a_bucket_keeps_nothing_of_a_file_that_changed_between_digest_and_upload(tmp_path: Path) -> None:
    store = open_store("memory://")
    source = tmp_path / "changing"
    source.write_bytes(b"a" * 50_000_000)
    stop = threading.Event()

    def flip() -> None:
        letters = itertools.cycle(b"bc")
        while not stop.is_set():
            with source.open("r+b") as file:
                file.seek(49_999_000)
                file.write(bytes([next(letters)]) * 1000)

    writer = threading.Thread(target=flip)
    writer.start()
    try:
        for _ in range(5):
            try:
                location = store.put_file(source)
            except Conflict:
                assert list(store.locations()) == []
                break
            assert store.digest(location) == location.digest
            store = open_store("memory://")
    finally:
        stop.set()
        writer.join()


def test_small_blobs_travel_in_packs_and_are_listed_from_the_store_alone(store: Store) -> None:
    batch = store.batch()
    blobs = [batch.add_bytes(f"{n % 50}".encode() * 10) for n in range(100)]
    locations = {each.digest: each for each in batch.flush()}
    assert len(locations) == 50
    assert len({each.pack for each in locations.values()}) == 1
    assert all(store.digest(locations[blob.digest]) == blob.digest for blob in blobs)
    assert set(store.locations()) == set(locations.values())


def test_a_batch_leaves_out_what_is_known(store: Store) -> None:
    first = store.batch()
    first.add_bytes(b"old")
    known = {each.digest: each for each in first.flush()}
    second = store.batch(lambda digests: {d: known[d] for d in digests if d in known})
    second.add_bytes(b"old")
    second.add_bytes(b"new")
    packs = {each.digest: each.pack for each in second.flush()}
    assert packs[digest_bytes(b"old")] == known[digest_bytes(b"old")].pack
    assert packs[digest_bytes(b"new")] != known[digest_bytes(b"old")].pack


@pytest.mark.parametrize("change", ["flip", "cut", "longer"])
@pytest.mark.parametrize("how", ["bytes", "file", "batch"])
def test_a_damaged_blob_that_lies_alone_is_replaced_when_its_bytes_come_again(
    tmp_path: Path, how: str, change: str
) -> None:
    store = open_store(str(tmp_path / "store"))
    content = bytes(range(256)) * 20_000
    location = store.put_bytes(content)
    file = store.local_path(location)
    assert file is not None
    whole = file.stat().st_ino
    store.put_bytes(content)
    assert file.stat().st_ino == whole
    file.write_bytes({"flip": b"\1" + content[1:], "cut": content[:-1], "longer": content + b"x"}[change])
    (tmp_path / "again").write_bytes(content)
    if how == "bytes":
        store.put_bytes(content)
    elif how == "file":
        store.put_file(tmp_path / "again")
    else:
        batch = store.batch()
        batch.add_file(tmp_path / "again")
        batch.flush()
    assert store.read(location) == content
    assert not list((tmp_path / "store" / "drafts").iterdir())


def test_a_damaged_pack_is_replaced_when_its_bytes_come_again(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))

    def write() -> Location:
        batch = store.batch()
        batch.add_bytes(b"small")
        return batch.flush()[0]

    location = write()
    (file,) = (tmp_path / "packs").glob("*/*")
    assert store.read(location) == b"small"
    file.write_bytes(b"S" + file.read_bytes()[1:])
    assert store.read(location) == b"Small"
    assert write() == location
    assert store.read(location) == b"small"


@pytest.mark.parametrize("change", ["one", "two", "gone"])
def test_a_batch_mends_what_is_known_and_damaged_or_writes_it_again(tmp_path: Path, change: str) -> None:
    store = open_store(str(tmp_path))
    first = store.batch()
    blobs = [first.add_bytes(text) for text in (b"one", b"two", b"three")]
    known = {each.digest: each for each in first.flush()}
    (file,) = (tmp_path / "packs").glob("*/*")
    whole = file.read_bytes()
    if change == "gone":
        file.unlink()
    else:
        # The third blob does not come again: a pack in which it is damaged, too, cannot be mended.
        file.write_bytes((b"onetWothree" if change == "one" else b"onetWothrEe") + whole[11:])
    moves: list[tuple[Location, Location]] = []
    second = store.batch(lambda digests: {d: known[d] for d in digests if d in known}, moves.extend)
    for text in (b"two", b"one"):
        second.add_bytes(text)
    now = {each.digest: each for each in second.flush()}
    damaged = {"one": [], "two": [blobs[1].digest], "gone": [blobs[1].digest, blobs[0].digest]}[change]
    assert change != "one" or file.read_bytes() == whole
    assert [(old, new) for old, new in moves] == [(known[digest], now[digest]) for digest in damaged]
    assert [store.read(now[blob.digest]) for blob in blobs[:2]] == [b"one", b"two"]


def test_many_files_are_added_together_and_each_that_cannot_be_says_why(store: Store, tmp_path: Path) -> None:
    contents = {f"{number:04}": f"{number}".encode() * (30_000 if number == 70 else 1) for number in range(200)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "moved").write_bytes(b"shorter than it was")
    wanted = [tmp_path / name for name in (*contents, "moved", "gone")]
    seen = [
        (str(path), status.st_size, status.st_mtime_ns, 0)
        for path in wanted
        if path.exists() and (status := path.stat())
    ]
    gone = (str(tmp_path / "gone"), 5, 5, 0)
    (tmp_path / "moved").write_bytes(b"other")
    batch = store.batch()
    added = batch.add_files([*seen, gone])
    where = {place.digest: place for place in batch.flush()}
    for content, digest in zip(contents.values(), added, strict=False):
        assert not isinstance(digest, AliquotError)
        assert store.read_checked(where[digest]) == content
    refused = [each.code for each in added if isinstance(each, AliquotError)]
    assert refused == ["file-changed", "file-vanished"]
    assert len(where) == len(contents)


def test_several_threads_share_a_batch(store: Store) -> None:
    batch = store.batch()
    threads = [
        threading.Thread(target=lambda n=n: [batch.add_bytes(bytes([n, i]) * 30_000) for i in range(150)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    locations = batch.flush()
    assert len(locations) == 600
    assert all(store.digest(each) == each.digest for each in locations)


def test_fetch_writes_a_copy_that_shares_nothing(store: Store, tmp_path: Path) -> None:
    for content in (b"small", b"x" * (3 * SMALL)):
        location = store.put_bytes(content)
        target = tmp_path / location.digest
        store.fetch(location, target)
        target.write_bytes(b"scribbled")
        assert store.read(location) == content


@pytest.mark.parametrize("size", [100, SMALL, 3 * SMALL, 20_000_000])
@pytest.mark.parametrize("change", ["flip", "cut"])
def test_fetch_refuses_bytes_that_are_not_what_was_written(tmp_path: Path, size: int, change: str) -> None:
    store = open_store(str(tmp_path / "store"))
    location = store.put_bytes(os.urandom(size))
    path = store.local_path(location)
    assert path
    if change == "flip":
        with path.open("r+b") as file:
            file.seek(size // 2)
            before = file.read(1)
            file.seek(size // 2)
            file.write(bytes([before[0] ^ 1]))
    else:
        os.truncate(path, size - 1)
    with pytest.raises(Damaged, match="from a copy") as refused:
        store.fetch(location, tmp_path / "target")
    assert location.digest in refused.value.message
    assert not (tmp_path / "target").exists()


def test_fetch_from_objects_refuses_bytes_that_are_not_what_was_written(tmp_path: Path) -> None:
    store = open_store("memory://")
    location = store.put_bytes(b"x" * 3_000_000)
    store.objects.put_object(blob_key(location.digest), [b"x" * 2_000_000 + b"y" * 1_000_000])
    with pytest.raises(Damaged, match="from a copy"):
        store.fetch(location, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_fetch_replaces_no_file(store: Store, tmp_path: Path) -> None:
    location = store.put_bytes(b"x" * (2 * SMALL))
    (tmp_path / "target").write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        store.fetch(location, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"kept"


def test_a_file_that_changes_while_it_is_read_is_a_conflict(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    source = tmp_path / "growing"
    source.write_bytes(b"x" * 50_000_000)
    stop = threading.Event()

    def grow() -> None:
        while not stop.is_set():
            with source.open("ab") as file:
                file.write(b"y")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(Conflict, match="changed while it was read"):
            store.batch().add_file(source)
    finally:
        stop.set()
        writer.join()
    assert list(store.locations()) == []
    assert list((tmp_path / "store" / "drafts").iterdir()) == []


def test_a_missing_or_short_blob_is_damaged(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    location = store.put_bytes(b"x" * 200_000)
    path = store.local_path(location)
    assert path
    path.write_bytes(b"x" * 10)
    with pytest.raises(Damaged, match="shorter"):
        store.read(location)
    path.unlink()
    with pytest.raises(Damaged, match="gone"):
        store.read(location)
    assert not store.exists(location)


def test_names_are_replaced_whole(store: Store) -> None:
    store.objects.replace_object("versions/a/1.json", b"one")
    store.objects.replace_object("versions/a/1.json", b"two")
    assert store.objects.read_object("versions/a/1.json") == b"two"
    assert [key for key, _ in store.objects.list_keys("versions/")] == ["versions/a/1.json"]


def test_a_flush_covers_every_add_that_came_before_it(store: Store) -> None:
    batch = store.batch()
    added: list[str] = []
    lock = threading.Lock()
    stop = threading.Event()

    def add(thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            digest = batch.add_bytes(f"{thread} {number} ".encode() + b"x" * 120_000).digest
            with lock:
                added.append(digest)

    threads = [threading.Thread(target=add, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    known: set[str] = set()
    for _ in range(15):
        with lock:
            before = list(added)
        known |= {each.digest for each in batch.flush()}
        assert known.issuperset(before)
    stop.set()
    for thread in threads:
        thread.join()


def test_drafts_of_the_dead_go_after_a_day(tmp_path: Path) -> None:
    open_store(str(tmp_path)).close()
    old, new = tmp_path / "drafts" / "old", tmp_path / "drafts" / "new"
    for draft in (old, new):
        draft.write_bytes(b"half")
    os.utime(old, (0, 0))
    open_store(str(tmp_path)).close()
    assert not old.exists()
    assert new.exists()
