"""Readers in processes of their own give what reading here would, and leave out what did not rest."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.blobs.batch import MANY_FILES
from aliquot.blobs.readers import Readers, Resting, useful_readers
from aliquot.model.blob import Location
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.errors import Conflict, Unavailable

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="readers need Linux")


def _resting(folder: Path, contents: dict[str, bytes]) -> list[Resting]:
    folder.mkdir(exist_ok=True)
    found: list[Resting] = []
    for name, data in contents.items():
        file = folder / name
        file.write_bytes(data)
        found.append((str(file), len(data), file.stat().st_mtime_ns))
    return found


def test_what_is_read_is_what_lies_there_in_its_order(tmp_path: Path) -> None:
    contents = {f"{n} ü\n.bin": bytes([n % 251]) * (n * 7 % 5_000) for n in range(5_000)}
    files = _resting(tmp_path / "given", contents)
    with Readers(2) as readers:
        seen = 0
        for part in readers.read(files):
            assert [digest_bytes(data) for data in contents.values()][seen : seen + len(part.files)] == part.digests
            assert b"".join(bytes(data) for _, data in part.blobs()) == bytes(part.content)
            assert [digest_bytes(bytes(data)) for _, data in part.blobs()] == part.digests
            seen += len(part.files)
            part.release()
    assert seen == len(files)


def test_what_does_not_rest_is_left_out_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {name: name.encode() * 10 for name in "abcdefg"})
    (tmp_path / "given" / "b").unlink()
    (tmp_path / "given" / "c").write_bytes(b"grown" * 100)
    (tmp_path / "given" / "d").write_bytes(b"d")
    os.utime(tmp_path / "given" / "e", ns=(1, 1))
    (tmp_path / "given" / "f").unlink()
    (tmp_path / "given" / "f").mkdir()
    with Readers(1) as readers:
        (part,) = list(readers.read(files))
    assert [digest is not None for digest in part.digests] == [True, False, False, False, False, False, True]
    assert bytes(part.content) == b"a" * 10 + b"g" * 10


def test_a_reader_that_is_killed_is_told(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {"a": b"a"})
    with Readers(1) as readers:
        reader = readers._readers[0]  # whom else to kill
        os.kill(reader._process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ended before its work"):
            list(readers.read(files))


@pytest.mark.skipif(useful_readers() == 0, reason="readers need two cores")
def test_many_files_are_packed_as_few_are(tmp_path: Path) -> None:
    contents = {f"{n}": (b"same" if n % 10 == 0 else f"{n} ".encode()) * 300 for n in range(MANY_FILES - 500)}
    contents |= {f"large {n}": os.urandom(60_000) for n in range(500)}
    files = _resting(tmp_path / "given", contents)
    (tmp_path / "given" / "7").write_bytes(b"changed")
    known: set[Digest] = set()
    asked = threading.Lock()

    def no_blob_is_known(digests: object) -> dict[Digest, Location]:
        with asked:
            known.update(digests)  # type: ignore[call-overload]
        return {}

    store = open_store(str(tmp_path / "store"))
    batch = store.batch(no_blob_is_known)
    found = batch.add_files(files)
    assert isinstance(found[7], Conflict)
    expected = [digest_bytes(data) for data in contents.values()]
    assert [each for at, each in enumerate(found) if at != 7] == [each for at, each in enumerate(expected) if at != 7]
    where = {each.digest: each for each in batch.flush()}
    del expected[7]
    assert set(where) == set(expected) == known
    packs = {each.pack for each in where.values()}
    assert len(packs) < 8
    by_digest = {digest_bytes(data): data for data in contents.values()}
    for digest, location in where.items():
        assert store.read_checked(location) == by_digest[digest]
    assert {each.digest for each in _in_packs(store)} == set(where)


def _in_packs(store: Store) -> Iterator[Location]:
    for key, size in store.objects.list_keys("packs/"):
        yield from store.pack_index(key, size)
