"""Reading many small blobs at once: what is near each other in a pack with one request, and each proved."""

from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.blobs.neighbours import neighbours
from aliquot.model.blob import Location
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.errors import Damaged

KIB = 1024


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store("memory://" if request.param == "memory" else str(tmp_path))


def test_contents_come_in_the_order_in_which_they_are_asked_for(store: Store) -> None:
    batch = store.batch()
    contents = [b"", *(bytes([n]) * (n * 500) for n in range(1, 200)), b"x" * 200 * KIB]
    digests = [blob.digest for blob in batch.add_all(contents)]
    assert digests == [digest_bytes(each) for each in contents]
    where = {each.digest: each for each in batch.flush()}
    alone = store.put_bytes(b"alone")
    wanted = [*reversed(digests), alone.digest, digests[3], digests[3]]
    where[alone.digest] = alone
    found = store.read_all_checked([where[digest] for digest in wanted])
    assert found == [*reversed(contents), b"alone", contents[3], contents[3]]
    assert store.read_all_checked([]) == []


def test_one_that_is_damaged_is_named(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    batch = store.batch()
    batch.add_all([b"one", b"two", b"three"])
    places = list(batch.flush())
    (file,) = (tmp_path / "packs").glob("*/*")
    content = bytearray(file.read_bytes())
    content[places[1].offset] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    assert store.read_all_checked([places[0], places[2]]) == [b"one", b"three"]
    with pytest.raises(Damaged, match=places[1].digest):
        store.read_all_checked(places)
    beyond = Location(places[2].digest, 5, places[2].pack, len(content) - 2)
    with pytest.raises(Damaged, match="shorter"):
        store.read_all_checked([beyond, beyond._replace(offset=len(content) - 4)])


def test_neighbours_are_those_of_one_pack_that_lie_near() -> None:
    pack, other = Digest("blake3:a"), Digest("blake3:b")

    def place(name: str, offset: int, size: int, within: Digest | None = pack) -> Location:
        return Location(Digest(name), size, within, offset)

    near = [place("one", 0, 10), place("empty", 0, 0), place("two", 10, 90 * KIB), place("three", 100 * KIB, 10)]
    far = place("far", 1024 * KIB, 10)
    elsewhere = place("elsewhere", 20, 10, other)
    alone = [place("alone", 0, 5, None), place("also alone", 0, 5, None)]
    parts = list(neighbours([far, *near, elsewhere, *alone, near[0]]))
    assert sorted(map(sorted, parts)) == sorted(map(sorted, ([*near], [far], [elsewhere], [alone[0]], [alone[1]])))
    long = [place(str(n), n * 100 * KIB, 100 * KIB) for n in range(100)]
    assert [len(part) for part in neighbours(long)] == [40, 40, 20]
