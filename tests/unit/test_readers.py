"""Readers in processes of their own give what reading here would, and leave out what did not rest."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.blobs.batch import MANY_FILES, Resting
from aliquot.blobs.pack import SMALL
from aliquot.blobs.readers import FILES, Part, Read, Readers, useful_readers
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
        now = file.stat()
        found.append((str(file), len(data), now.st_mtime_ns, now.st_ctime_ns))
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
            assert [(size, at) for _, size, at, _ in files[seen : seen + len(digests)]] == list(
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
        readers.put(Part("", [place for place, *_ in files]))
        found: dict[str, Digest | None] = {}
        while readers.left:
            read = readers.get()
            assert read
            assert [place for place, *_ in files[read.part.first :]][: len(read.digests)] == read.part.places
            found.update(zip(read.part.places, read.digests, strict=True))
            read.release()
    assert found == {place: digest_bytes(data) for (place, *_), data in zip(files, contents.values(), strict=True)}


def test_nothing_is_waited_for_longer_than_was_asked(tmp_path: Path) -> None:
    ((place, *_),) = _resting(tmp_path / "given", {"a": b"a"})
    with Readers(1) as readers:
        os.kill(readers._readers[0]._process.pid, signal.SIGSTOP)  # whom else to stop
        readers.put(Part("", [place]))
        assert readers.get(0.01) is None
        os.kill(readers._readers[0]._process.pid, signal.SIGCONT)
        read = readers.get()
    assert read
    assert read.digests == [digest_bytes(b"a")]


def test_one_more_starts_when_the_others_are_waited_for(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {f"{n}": b"%d" % n for n in range(5)})
    with Readers(2) as readers:
        first = readers._readers[0]  # whom else to stop
        os.kill(first._process.pid, signal.SIGSTOP)
        for number, (place, *_) in enumerate(files):
            readers.put(Part("", [place], first=number))
        assert len(readers._readers) == 1
        assert readers.get(0.15) is None
        assert len(readers._readers) == 2
        assert not readers._waiting
        os.kill(first._process.pid, signal.SIGCONT)
        found: list[Read] = []
        while readers.left:
            read = readers.get()
            assert read
            found.append(read)
    assert [read.part.first for read in found] == [0, 1, 2, 3, 4]
    assert [read.digests for read in found] == [[digest_bytes(b"%d" % n)] for n in range(5)]


def test_a_reader_that_is_killed_is_told(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {"a": b"a"})
    with Readers(1) as readers:
        reader = readers._readers[0]  # whom else to kill
        os.kill(reader._process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ended before its work"):
            list(readers.read([Part("", [place for place, *_ in files])]))


def _drafts(folder: Path) -> Callable[[], Path]:
    folder.mkdir()
    numbers = count()
    return lambda: folder / f"{next(numbers)}"


def test_what_is_read_lies_in_a_draft_until_it_is_let_go(tmp_path: Path) -> None:
    contents = {f"{n}": os.urandom(n * 600 % 90_000) for n in range(200)}
    contents["large"] = os.urandom(SMALL)
    files = _resting(tmp_path / "given", contents)
    with Readers(2, _drafts(tmp_path / "drafts")) as readers:
        parts = [Part("", [place for place, *_ in files[:120]]), Part("", [place for place, *_ in files[120:]])]
        small = [data for name, data in contents.items() if name != "large"]
        for read, expected in zip(readers.read(parts), (small[:120], small[120:]), strict=True):
            assert read.draft
            assert read.draft.read_bytes() == bytes(read.content) == b"".join(expected)
            read.release()
            assert not read.draft.exists()
        (none,) = list(readers.read([Part("", [files[-1][0]])]))
        assert (none.digests, bytes(none.content)) == ([None], b"")
        none.release()
    assert list((tmp_path / "drafts").iterdir()) == []


def test_what_nobody_fetches_leaves_no_draft(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {f"{n}": b"x" * n for n in range(100)})
    with Readers(1, _drafts(tmp_path / "drafts")) as readers:
        for _ in range(3):
            readers.put(Part("", [place for place, *_ in files]))
        until(lambda: list((tmp_path / "drafts").iterdir()))
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    files = _resting(tmp_path / "given", {"a": b"a"})
    with Readers(1, lambda: tmp_path / "no folder" / "draft") as readers:
        readers.put(Part("", [files[0][0]]))
        with pytest.raises(Unavailable, match=r"no folder cannot be used: .* No such file") as raised:
            readers.get()
    assert raised.value.code == "store-unavailable"


@pytest.mark.skipif(useful_readers() == 0, reason="readers need two cores")
def test_a_blob_that_is_stored_already_is_not_packed_again(tmp_path: Path) -> None:
    contents = {f"{n}": os.urandom(4096) for n in range(FILES)} | {f"few {n}": b"%d" % n for n in range(6_000)}
    files = _resting(tmp_path / "given", contents)
    there = Location(digest_bytes(contents["7"]), 4096, digest_bytes(b"a pack"), 8)
    store = open_store(str(tmp_path / "store"))
    batch = store.batch(lambda digests: {there.digest: there} if there.digest in digests else {})
    batch.add_files(files)
    assert there in batch.flush()
    assert {each.digest for each in _in_packs(store)} == {
        digest_bytes(data) for name, data in contents.items() if name != "7"
    }
    assert list((tmp_path / "store" / "drafts").iterdir()) == []


@pytest.mark.parametrize("gone", [True, False])
def test_a_draft_that_is_not_as_it_was_written_becomes_no_pack(tmp_path: Path, *, gone: bool) -> None:
    files = _resting(tmp_path / "given", {f"{n}": os.urandom(SMALL - 1) for n in range(129)})
    store = open_store(str(tmp_path / "store"))
    batch = store.batch()
    with batch.readers(1) as readers:
        readers.put(Part("", [file[0] for file in files]))
        read = readers.get()
        assert read
        assert read.draft
        # What a sweep does, or an opening of the store, when whoever fills the draft was stopped for a day.
        if gone:
            read.draft.unlink()
        else:
            with read.draft.open("ab") as file:
                file.write(b"more")
        batch.add_read(read)
        with pytest.raises(Unavailable, match="store"):
            batch.flush()
    assert list(_in_packs(store)) == []


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
    assert list((tmp_path / "store" / "drafts").iterdir()) == []


def _in_packs(store: Store) -> Iterator[Location]:
    for key, size in store.objects.list_keys("packs/"):
        yield from store.pack_index(key, size)


@pytest.mark.parametrize("count", [3, MANY_FILES])
def test_a_folder_that_gave_way_to_a_link_gives_nothing(tmp_path: Path, count: int) -> None:
    folder, away, secrets = (tmp_path / name for name in ("given", "away", "secrets"))
    names = [*map(str, range(count)), "large"]
    files = _resting(folder, {name: b"open" * (SMALL if name == "large" else 1) for name in names})
    _resting(secrets, {name: b"shut" * (SMALL if name == "large" else 1) for name in names})
    # Size and time of the other files can be had.
    for name, file in zip(names, files, strict=True):
        os.utime(secrets / name, ns=(file[2], file[2]))
    looked_at = (folder / "large").stat()
    folder.rename(away)
    folder.symlink_to(secrets)
    store = open_store(str(tmp_path / "store"))
    batch = store.batch()
    found = batch.add_files(files)
    assert {type(each) for each in found} == {Conflict}
    with pytest.raises(Conflict, match="changed"):
        store.objects.copy_in(folder / "large", looked_at)
    assert batch.flush() == ()
    store.close()


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
    seen = [*files[:2], (files[2][0], 0, (folder / "c").stat().st_mtime_ns, 0), files[3]]
    found = opened.batch().add_files(seen)
    assert [isinstance(each, Conflict) for each in found] == [False, True, True, False]
    with pytest.raises(Conflict, match="changed"):
        opened.batch().add_file(folder / "c")
    opened.close()
