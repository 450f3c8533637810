"""Readers in processes of their own give what reading here would, and leave out what did not rest."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.blobs.batch import MANY_FILES, Resting
from aliquot.blobs.pack import SMALL
from aliquot.blobs.readers import FILES, Part, Readers, useful_readers
from aliquot.model.blob import Location
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.errors import Conflict, Unavailable
from waiting import until

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
    names = list(contents)
    with Readers(2) as readers:
        seen = 0
        for read in readers.read([Part(str(tmp_path / "given"), names[:100]), Part("", [f[0] for f in files[100:]])]):
            digests = [digest_bytes(data) for data in contents.values()][seen : seen + len(read.part.places)]
            assert digests == read.digests
            assert [(size, at) for _, size, at in files[seen : seen + len(digests)]] == list(
                zip(read.sizes, read.times, strict=True)
            )
            assert b"".join(bytes(data) for _, data in read.blobs()) == bytes(read.content)
            assert [digest_bytes(bytes(data)) for _, data in read.blobs()] == digests
            seen += len(digests)
            read.release()
    assert seen == len(files)


def test_what_cannot_be_read_or_may_be_changing_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    files = _resting(folder, {name: name.encode() * 10 for name in "abcdefg"})
    (folder / "b").unlink()
    (folder / "c").unlink()
    (folder / "c").mkdir()
    (folder / "d").write_bytes(b"d" * SMALL)
    os.utime(folder / "e", ns=(1, time.time_ns() + 10**12))
    later = time.time_ns() + 10**11
    with Readers(1) as readers:
        (read,) = list(readers.read([Part(str(folder), list("abcdefg"), later)]))
        assert [digest is not None for digest in read.digests] == [True, False, False, False, False, True, True]
        assert list(read.sizes) == [10, -1, read.sizes[2], SMALL, 10, 10, 10]
        assert bytes(read.content) == b"a" * 10 + b"f" * 10 + b"g" * 10
        assert [bytes(data) for _, data in read.blobs(but={5})] == [b"a" * 10, b"g" * 10]
        # By the time at which the system noted the last change, whatever the files say themselves.
        (none,) = list(readers.read([Part("", [files[0][0]], files[0][2] - 10**9)]))
        assert none.digests == [None]
        (gone,) = list(readers.read([Part(str(tmp_path / "no folder"), ["a"])]))
        assert (gone.digests, gone.sizes) == ([None], [-1])


def test_what_there_is_no_room_for_comes_later(tmp_path: Path) -> None:
    contents = {f"{n}": os.urandom(100_000) for n in range(200)} | {f"{n} small": b"%d" % n for n in range(FILES)}
    files = _resting(tmp_path / "given", contents)
    with Readers(2) as readers:
        readers.put(Part("", [place for place, _, _ in files]))
        found: dict[str, Digest | None] = {}
        while readers.left:
            read = readers.get()
            assert read
            assert [place for place, _, _ in files[read.part.first :]][: len(read.digests)] == read.part.places
            found.update(zip(read.part.places, read.digests, strict=True))
            read.release()
    assert found == {place: digest_bytes(data) for (place, _, _), data in zip(files, contents.values(), strict=True)}


def test_nothing_is_waited_for_longer_than_was_asked(tmp_path: Path) -> None:
    ((place, _, _),) = _resting(tmp_path / "given", {"a": b"a"})
    with Readers(1) as readers:
        os.kill(readers._readers[0]._process.pid, signal.SIGSTOP)  # whom else to stop
        readers.put(Part("", [place]))
        assert readers.get(0.01) is None
        os.kill(readers._readers[0]._process.pid, signal.SIGCONT)
        read = readers.get()
    assert read
    assert read.digests == [digest_bytes(b"a")]


def test_a_reader_that_is_killed_is_told(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {"a": b"a"})
    with Readers(1) as readers:
        reader = readers._readers[0]  # whom else to kill
        os.kill(reader._process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ended before its work"):
            list(readers.read([Part("", [place for place, _, _ in files])]))


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
    early = until(batch.written)
    where = {each.digest: each for each in [*batch.flush(), *early]}
    assert batch.written() == []
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


def test_what_has_become_a_link_or_a_pipe_since_it_was_listed_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    files = _resting(folder, {name: name.encode() * 10 for name in "abcd"})
    (tmp_path / "elsewhere").write_bytes(b"secret")
    (folder / "b").unlink()
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "c").unlink()
    os.mkfifo(folder / "c")
    with Readers(1) as readers:
        (read,) = list(readers.read([Part(str(folder), list("abcd"))]))
        assert [digest is not None for digest in read.digests] == [True, False, False, True]
        assert bytes(read.content) == b"a" * 10 + b"d" * 10
    opened = open_store(str(tmp_path / "store"))
    # Read one by one, and of a size and a time that were seen: at such a pipe it would wait for a writer.
    seen = [*files[:2], (files[2][0], 0, (folder / "c").stat().st_mtime_ns), files[3]]
    found = opened.batch().add_files(seen)
    assert [isinstance(each, Conflict) for each in found] == [False, True, True, False]
    with pytest.raises(Conflict, match="changed"):
        opened.batch().add_file(folder / "c")
    opened.close()
