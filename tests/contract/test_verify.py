"""Verification finds each kind of damage, names it, and finds nothing else."""

import os
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from aliquot.blobs import Store, open_store
from aliquot.datasets import places
from aliquot.datasets.damage import Damage, Kind
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue
from aliquot.db.tables import (
    attempt,
    blob,
    dataset,
    definition,
    entry,
    held_file,
    output,
    quarantine,
    receipt,
    result,
    run,
    task,
    version,
)
from aliquot.intake.by_hand import ingest
from aliquot.model.blob import Location
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import Missing
from aliquot.model.state import State
from datasets_world import add, put

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

LARGE = b"0123456789abcdef" * 20_000


@pytest.fixture
def world(catalogue: Catalogue, store: Store) -> tuple[Catalogue, Store]:
    add(catalogue, store, "plates", {"/a": "one", "/b/c": "two", "/large": LARGE, "/same": "one"}, by="ada")
    add(catalogue, store, "plates", {"/a": "uno", "/d": "four"}, ["/b/c"], by="grace")
    add(catalogue, store, "plates", {"/e": "five"}, ["/d"], by="ada")
    add(catalogue, store, "reads", {"/r": "one", "/s": "reads", "/empty": ""}, by="ada")
    return catalogue, store


def _damages(world: tuple[Catalogue, Store], of: str | None = None) -> list[Damage]:
    catalogue, store = world
    return list(verify(catalogue, open_store(store.url), of).damages)


def _said(damages: list[Damage]) -> list[tuple[Kind, tuple[str, ...]]]:
    return [(each.kind, each.references) for each in damages]


def _location(world: tuple[Catalogue, Store], content: bytes) -> Location:
    with world[0].read() as connection:
        return places.find(connection, [digest_bytes(content)])[digest_bytes(content)]


def _file(world: tuple[Catalogue, Store], location: Location) -> Path:
    digest = location.pack or location.digest
    name = digest.removeprefix("blake3:")
    return Path(world[1].url.removeprefix("file://")) / ("packs" if location.pack else "blobs") / name[:2] / name[2:]


def _flip(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)[0]
        opened.seek(offset)
        opened.write(bytes([byte ^ 1]))


def _number(world: tuple[Catalogue, Store], name: str) -> int:
    with world[0].read() as connection:
        return connection.execute(select(dataset.c.id).where(dataset.c.name == name)).scalar_one()


# --- sound -----------------------------------------------------------------------------------------------------------


@both
def test_what_is_sound_is_said_to_be(world: tuple[Catalogue, Store]) -> None:
    catalogue, store = world
    seen: list[tuple[int, int]] = []
    report = verify(catalogue, store, None, lambda done, total: seen.append((done, total)))
    assert report.damages == ()
    assert report.sound
    assert (report.datasets, report.versions, report.files) == (2, 4, 10)
    # "one" lies in two packs' worth of names but is read once; four deltas are blobs, too.
    assert report.blobs == len({b"one", b"two", LARGE, b"uno", b"four", b"five", b"reads", b""}) + 4
    assert seen[-1] == (report.bytes, report.bytes)
    part = verify(catalogue, store, "reads")
    assert (part.datasets, part.versions, part.files, part.blobs) == (1, 1, 3, 4)
    assert part.document()["sound"] is True
    with pytest.raises(Missing):
        verify(catalogue, store, "none")


def test_a_store_in_memory_is_verified_alike(catalogue: Catalogue) -> None:
    store = open_store("memory://")
    add(catalogue, store, "plates", {f"/{n}": str(n) for n in range(1_200)})
    add(catalogue, store, "plates", {f"/{n}": str(-n) for n in range(700)}, [f"/{n}" for n in range(700, 1_200)])
    assert verify(catalogue, store, None).damages == ()


# --- bytes -----------------------------------------------------------------------------------------------------------


def test_a_bit_in_a_blob_that_lies_alone(world: tuple[Catalogue, Store]) -> None:
    location = _location(world, LARGE)
    _flip(_file(world, location), 300_000)
    [found] = _damages(world)
    assert (found.kind, found.references, found.digest) == (Kind.BLOB, ("plates@1:/large",), location.digest)
    assert found.place.startswith("blobs/")
    assert "Restore it" in found.message


@pytest.mark.parametrize("after", [0, 10, 400_000])
def test_a_blob_that_is_shorter_or_longer(world: tuple[Catalogue, Store], after: int) -> None:
    os.truncate(_file(world, _location(world, LARGE)), after)
    assert _said(_damages(world)) == [(Kind.BLOB, ("plates@1:/large",))]


def test_a_blob_that_is_gone(world: tuple[Catalogue, Store]) -> None:
    _file(world, _location(world, LARGE)).unlink()
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.BLOB, ("plates@1:/large",))
    assert "gone" in found.message


def test_a_bit_in_a_pack_names_the_files_that_had_it(world: tuple[Catalogue, Store]) -> None:
    location = _location(world, b"one")
    _flip(_file(world, location), location.offset + 1)
    [found] = _damages(world)
    assert (found.kind, found.digest, found.touched) == (Kind.BLOB, location.digest, 3)
    assert found.references == ("plates@1:/a", "plates@1:/same", "reads@1:/r")
    assert f"from {location.offset}" in found.place
    assert _said(_damages(world, "reads")) == [(Kind.BLOB, ("reads@1:/r",))]


def test_a_bit_in_the_index_of_a_pack(world: tuple[Catalogue, Store]) -> None:
    location = _location(world, b"two")
    file = _file(world, location)
    _flip(file, file.stat().st_size - 20)
    assert [each.kind for each in _damages(world)] == [Kind.PACK]
    _flip(file, file.stat().st_size - 20)
    _flip(file, file.stat().st_size - 1)
    assert [each.kind for each in _damages(world)] == [Kind.PACK]


def test_a_pack_that_is_cut_off(world: tuple[Catalogue, Store]) -> None:
    location = _location(world, b"two")
    os.truncate(_file(world, location), location.offset + 1)
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.BLOB, ("plates@1:/b/c",))
    assert "cut off" in found.message


def test_a_pack_that_is_gone(world: tuple[Catalogue, Store]) -> None:
    _file(world, _location(world, b"uno")).unlink()
    assert sorted(_said(_damages(world))) == [
        (Kind.BLOB, ("plates@2:/a",)), (Kind.BLOB, ("plates@2:/d",)),
    ]  # fmt: skip


def test_a_delta_that_has_changed_is_a_blob_of_its_version(world: tuple[Catalogue, Store]) -> None:
    with world[0].read() as connection:
        delta = connection.execute(select(version.c.delta).where(version.c.number == 2)).scalar_one()
        location = places.find(connection, [delta])[delta]
    _flip(_file(world, location), 30)
    assert _said(_damages(world)) == [(Kind.BLOB, ("plates@2",))]


# --- what no version has ---------------------------------------------------------------------------------------------


def _named_elsewhere(world: tuple[Catalogue, Store], how: str, content: bytes) -> str:
    """Let something other than a version name these bytes; gives the name by which damage to it goes."""
    (given,) = put(*world, {"/x.csv": content})
    digest = given.digest
    with world[0].write() as connection:
        if how == "quarantine":
            connection.execute(
                insert(quarantine).values(
                    id=3,
                    source="bench",
                    path="/x.csv",
                    findings=[],
                    counts={},
                    described={},
                    state="WAITING",
                    arrived_at=0.0,
                )
            )
            connection.execute(insert(held_file).values(quarantine_id=3, path="/x.csv", digest=digest, size=9))
            return "quarantine 3: /x.csv"
        if how == "receipt":
            connection.execute(
                insert(receipt).values(
                    id=5, source="bench", path="/x.csv", size=9, mtime_ns=0, digest=digest, seen_at=0.0, settled_at=0.0,
                    taken_at=0.0, decision="accepted", who="ada", facts={},
                )
            )  # fmt: skip
            return "receipt 5: /x.csv as it came"
        connection.execute(
            insert(definition).values(
                id=1, kind="pipeline", name="sum", digest="", document={}, file="", applied_at=0.0, applied_by="ada",
                bundle={"a.py": digest} if how == "bundle" else {}, current=True,
            )
        )  # fmt: skip
        if how == "bundle":
            return "pipeline sum: a.py"
        connection.execute(
            insert(run).values(
                id=4, definition_id=1, pipeline="sum", parameters={}, inputs={}, cause="manual", publish=False,
                pinned=False, state=State.QUEUED, message="", parked=0, cancel_asked=False, stop_asked=False, who="ada",
                fence=0, created_at=0.0,
            )
        )  # fmt: skip
        connection.execute(
            insert(task).values(
                id=7, run_id=4, step="step", ordinal=2, key="k", datum={}, state=State.QUEUED, reused=False, message="",
                attempts=1, fence=1, not_before=0.0, created_at=0.0,
            )
        )  # fmt: skip
        if how == "output":
            connection.execute(insert(result).values(key="k", parts={}, task_id=7, created_at=0.0))
            connection.execute(insert(output).values(key="k", path="/y", digest=digest, size=9))
            return "run 4, step/2: output /y"
        connection.execute(
            insert(attempt).values(
                task_id=7, fence=1, executor="process", handle="", state=State.QUEUED, message="", tail="",
                **{how: digest},
            )
        )  # fmt: skip
        return f"run 4, step/2: {how}"


@both
@pytest.mark.parametrize("damage", ["bit", "gone", "unplaced"])
@pytest.mark.parametrize("content", [b"in a pack", LARGE[::-1]], ids=["in a pack", "alone"])
@pytest.mark.parametrize("how", ["quarantine", "receipt", "bundle", "output", "stdout", "stderr"])
def test_damage_to_what_no_version_has(world: tuple[Catalogue, Store], how: str, content: bytes, damage: str) -> None:
    name = _named_elsewhere(world, how, content)
    assert _damages(world) == []
    location = _location(world, content)
    if damage == "bit":
        _flip(_file(world, location), location.offset + 3)
    elif damage == "gone":
        _file(world, location).unlink()
    else:
        with world[0].write() as connection:
            connection.execute(delete(blob).where(blob.c.digest == location.digest))
        # Whether these bytes were ever kept, a receipt does not say.
        expected = [] if how == "receipt" else [(Kind.PLACE, (name,))]
        assert _said(_damages(world)) == expected
        return
    [found] = _damages(world)
    assert (found.kind, found.references, found.touched, found.digest) == (Kind.BLOB, (name,), 1, location.digest)
    assert ("take the file in again" in found.message) == (how == "receipt")
    assert _damages(world, "plates") == []


@both
@pytest.mark.parametrize("damage", ["bit", "gone"])
@pytest.mark.parametrize("content", [b"in a pack", LARGE[::-1]], ids=["in a pack", "alone"])
def test_a_damaged_file_is_whole_again_when_it_is_taken_in_again(
    catalogue: Catalogue, store: Store, tmp_path: Path, content: bytes, damage: str
) -> None:
    world = (catalogue, store)
    for name, text in (("x", content), ("y", b"beside it")):
        (tmp_path / name).write_bytes(text)
    ingest(catalogue, store, "plates", [tmp_path / "x", tmp_path / "y"], "ada")
    location = _location(world, content)
    if damage == "bit":
        _flip(_file(world, location), location.offset + 3)
    else:
        _file(world, location).unlink()
    assert "take the file in again by hand" in _damages(world)[0].message
    store.close()
    taken, _ = ingest(catalogue, store, "plates", [tmp_path / "x", tmp_path / "y"], "ada")
    assert (taken.added, taken.unchanged) == (0, 2)
    assert _damages(world) == []


# --- rows ------------------------------------------------------------------------------------------------------------

DIGEST = digest_bytes(b"uno")


@both
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"digest": DIGEST}, "digest"), ({"parent": DIGEST}, "parent"),
        ({"provenance": {"by": "eve"}}, "provenance"),
        ({"files": 7}, "files"), ({"bytes": 7}, "bytes"), ({"added": 7}, "added"), ({"removed": 7}, "removed"),
        ({"parked": 7}, "parked"), ({"created_at": 7.0}, "created_at"),
    ],
)  # fmt: skip
def test_an_altered_row_of_a_version(world: tuple[Catalogue, Store], values: dict[str, object], field: str) -> None:
    with world[0].write() as connection:
        here = (version.c.dataset_id == _number(world, "plates")) & (version.c.number == 2)
        connection.execute(update(version).where(here).values(**values))
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.VERSION, ("plates@2",))
    assert f"committed: {field}." in found.message


def test_a_row_of_a_version_with_another_versions_delta(world: tuple[Catalogue, Store]) -> None:
    with world[0].write() as connection:
        here = version.c.dataset_id == _number(world, "plates")
        other = connection.execute(select(version.c.delta).where(here, version.c.number == 3)).scalar_one()
        connection.execute(update(version).where(here, version.c.number == 2).values(delta=other))
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.VERSION, ("plates@2",))
    assert "committed: delta." in found.message


def test_a_missing_row_of_a_version(world: tuple[Catalogue, Store]) -> None:
    with world[0].write() as connection:
        here = version.c.dataset_id == _number(world, "plates")
        connection.execute(delete(version).where(here, version.c.number == 2))
    assert _said(_damages(world)) == [(Kind.VERSION, ("plates@2",))]


def test_a_dataset_that_is_set_back(world: tuple[Catalogue, Store]) -> None:
    with world[0].write() as connection:
        connection.execute(update(dataset).where(dataset.c.name == "plates").values(head=2))
    assert _said(_damages(world)) == [
        (Kind.VERSION, ("plates@3",)), (Kind.ENTRY, ("plates@2:/d", "plates@3:/e")),
    ]  # fmt: skip


@both
@pytest.mark.parametrize(
    ("path", "values", "expected"),
    [
        ("/a", {"digest": DIGEST}, ["plates@1:/a"]),
        ("/a", {"size": 4}, ["plates@1:/a"]),
        ("/large", {"path": "/tiny"}, ["plates@1:/large", "plates@1:/tiny"]),
        ("/large", {"removed": 3}, ["plates@3:/large"]),
        ("/b/c", {"removed": None}, ["plates@2:/b/c"]),
        ("/a", {"removed": 3}, ["plates@2:/a", "plates@3:/a"]),
        ("/large", {"added": 2}, ["plates@1:/large", "plates@2:/large"]),
        ("/large", {"removed": 99}, ["plates@1:/large"]),
    ],
)
def test_an_altered_row_of_a_file(
    world: tuple[Catalogue, Store], path: str, values: dict[str, object], expected: list[str]
) -> None:
    with world[0].write() as connection:
        here = (entry.c.dataset_id == _number(world, "plates")) & (entry.c.path == path) & (entry.c.added == 1)
        connection.execute(update(entry).where(here).values(**values))
    damages = _damages(world)
    assert {each.kind for each in damages} == {Kind.ENTRY}
    assert sorted(name for each in damages for name in each.references) == expected


def test_rows_of_files_that_are_lacking_or_too_many(world: tuple[Catalogue, Store]) -> None:
    plates = _number(world, "plates")
    with world[0].write() as connection:
        connection.execute(delete(entry).where(entry.c.dataset_id == plates, entry.c.path == "/same"))
    assert _said(_damages(world)) == [(Kind.ENTRY, ("plates@1:/same",))]
    with world[0].write() as connection:
        for path in ("/same", "/smuggled"):
            row = {"path": path, "digest": digest_bytes(b"one"), "size": 3, "added": 1, "dataset_id": plates}
            connection.execute(insert(entry).values(**row))
    assert _said(_damages(world)) == [(Kind.ENTRY, ("plates@1:/smuggled",))]


def test_rows_that_say_where_bytes_lie(world: tuple[Catalogue, Store]) -> None:
    digest = digest_bytes(b"two")
    right = _location(world, b"two")
    with world[0].write() as connection:
        connection.execute(update(blob).where(blob.c.digest == digest).values(offset=right.offset + 1))
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.PLACE, ("plates@1:/b/c",))
    assert f"lies at {right.offset}" in found.message
    other = _location(world, b"uno").pack
    with world[0].write() as connection:
        connection.execute(update(blob).where(blob.c.digest == digest).values(offset=0, pack=other))
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.PLACE, ("plates@1:/b/c",))
    assert "not in it" in found.message
    with world[0].write() as connection:
        connection.execute(delete(blob).where(blob.c.digest == digest))
    assert _said(_damages(world)) == [(Kind.PLACE, ("plates@1:/b/c",))]


# --- names -----------------------------------------------------------------------------------------------------------


def _name(world: tuple[Catalogue, Store], number: int) -> Path:
    return Path(world[1].url.removeprefix("file://")) / "versions" / "plates" / f"{number:010d}.json"


def test_a_missing_name(world: tuple[Catalogue, Store]) -> None:
    _name(world, 2).unlink()
    [found] = _damages(world)
    assert (found.kind, found.references) == (Kind.NAME, ("plates@2",))
    assert found.place == "versions/plates/0000000002.json"
    with world[0].write() as connection:
        connection.execute(update(version).values(named=False))
    assert _damages(world) == []


@pytest.mark.parametrize("content", ["", "{}", "[1]", "{", "other", "digest"])
def test_a_name_that_says_something_else(world: tuple[Catalogue, Store], content: str) -> None:
    if content == "other":
        content = _name(world, 3).read_text()
    elif content == "digest":
        content = _name(world, 2).read_text().replace('"digest":"blake3:', '"digest":"blake3:0')
    _name(world, 2).write_text(content)
    assert _said(_damages(world)) == [(Kind.NAME, ("plates@2",))]


def test_a_catalogue_that_is_older_than_its_store(world: tuple[Catalogue, Store]) -> None:
    _name(world, 4).write_text(_name(world, 3).read_text())
    folder = _name(world, 1).parent
    (folder.parent / "gone").mkdir()
    (folder.parent / "gone" / "0000000001.json").write_text("{}")
    assert _said(_damages(world)) == [(Kind.NAME, ("plates@4",)), (Kind.NAME, ("gone",))]
