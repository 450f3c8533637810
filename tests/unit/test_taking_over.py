"""Files that become blobs as they lie: only those that nobody else can change."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.blobs.layout import key_of
from aliquot.blobs.pack import SMALL
from aliquot.model.blob import Location
from aliquot.model.digest import digest_bytes

CONTENT = bytes(range(256)) * (SMALL // 128)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def left(tmp_path: Path) -> Path:
    path = tmp_path / "left"
    path.write_bytes(CONTENT)
    return path


def taken(store: Store, path: Path) -> Location:
    batch = store.batch()
    blob = batch.take_over(path)
    assert blob == (digest_bytes(CONTENT), len(CONTENT))
    (location,) = batch.flush()
    assert store.read(location) == CONTENT
    return location


def is_the_same(store: Store, location: Location, path: Path) -> bool:
    local = store.local_path(location)
    assert local is not None
    return local.samefile(path)


def test_a_file_of_ours_alone_is_not_copied(store: Store, left: Path) -> None:
    assert is_the_same(store, taken(store, left), left)


@pytest.mark.parametrize("mode", [0o400, 0o777, 0o6755])
def test_what_a_command_did_to_time_and_rights_is_undone(store: Store, left: Path, mode: int) -> None:
    left.chmod(mode)
    os.utime(left, (0, 0))
    location = taken(store, left)
    other = store.put_bytes(CONTENT[::-1])
    path, ordinary = store.local_path(location), store.local_path(other)
    assert path
    assert ordinary
    assert path.stat().st_mode == ordinary.stat().st_mode
    # A sweep lets be what is younger than the looks that it has taken.
    assert not store.objects.remove(key_of(location), left.parent.stat().st_mtime - 60)


def _by_another_name(path: Path) -> Callable[[], None]:
    os.link(path, path.with_name("other"))
    return path.with_name("other").unlink


def _by_a_writer(path: Path) -> Callable[[], None]:
    return path.open("ab").close


def _by_a_mapping(path: Path) -> Callable[[], None]:
    import mmap

    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0).close


@pytest.mark.parametrize("reach", [_by_another_name, _by_a_writer, _by_a_mapping])
def test_a_file_that_somebody_else_can_reach_is_copied(
    store: Store, left: Path, reach: Callable[[Path], Callable[[], None]]
) -> None:
    let_go = reach(left)
    try:
        location = taken(store, left)
        assert not is_the_same(store, location, left)
    finally:
        let_go()
    left.write_bytes(b"changed")
    assert store.read(location) == CONTENT


def test_a_file_that_lies_on_the_same_disk_by_another_mount_is_copied(
    store: Store, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def within_a_mount(source: Path, target: Path) -> None:
        if Path(source) == left:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(source, target)

    monkeypatch.setattr(os, "link", within_a_mount)
    assert not is_the_same(store, taken(store, left), left)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_owner_is_copied(store: Store, left: Path) -> None:
    os.chown(left, 12345, -1)
    assert not is_the_same(store, taken(store, left), left)


def test_what_the_store_holds_already_stays(store: Store, left: Path) -> None:
    first = store.put_bytes(CONTENT)
    assert taken(store, left) == first
    assert not is_the_same(store, first, left)


def test_a_damaged_blob_is_replaced(store: Store, left: Path) -> None:
    first = store.put_bytes(CONTENT)
    path = store.local_path(first)
    assert path
    path.write_bytes(CONTENT[::-1])
    assert taken(store, left) == first


def test_two_at_once_take_the_same_content_over(store: Store, left: Path) -> None:
    others = [left.with_name(f"left-{number}") for number in range(4)]
    for each in others:
        each.write_bytes(CONTENT)
    threads = [threading.Thread(target=taken, args=(store, each)) for each in others]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(list(store.locations())) == 1


def test_a_bucket_copies(left: Path) -> None:
    store = open_store("memory://")
    taken(store, left)
    assert left.read_bytes() == CONTENT
