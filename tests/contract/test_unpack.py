"""Archives whose members enter a dataset, on both databases: one version, in which exactly what changed has changed."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from aliquot.blobs import Store
from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.intake import receipts
from aliquot.intake.by_hand import ingest
from aliquot.model.file_type import FileType
from aliquot.model.reference import parse_reference
from datasets_world import contents
from intake_world import World, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

UPLOADS = types(upload={"recognise": {"name": "*.*"}, "format": "archive", "unpack": True})


@pytest.fixture
def world(catalogue: Catalogue, store: Store, tmp_path: Path) -> World:
    return World(catalogue, store, tmp_path)


def _tar(members: Mapping[str, str], mode: str = "w") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as archive:  # type: ignore[call-overload]
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), 0o6755
            archive.addfile(info, io.BytesIO(text.encode()))
    return written.getvalue()


def _zip(members: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return written.getvalue()


@both
def test_members_enter_as_one_version_and_a_new_upload_changes_exactly_what_changed(world: World) -> None:
    source = world.source([("upload", "uploads")], UPLOADS)
    large = "L" * 300_000
    world.drop("input.tar", _tar({"./a.txt": "1", "deep/b c.txt": "2", "試料.txt": "3", "large": large}), mtime=1)
    look = world.look(source)
    assert [(each.number, each.added, each.removed) for each in look.taken.versions] == [(1, 4, 0)]
    assert contents(world.catalogue, world.store, "uploads") == {
        "/input/a.txt": "1", "/input/deep/b c.txt": "2", "/input/試料.txt": "3", "/input/large": large,
    }  # fmt: skip
    world.drop("input.tar", _tar({"a.txt": "1", "deep/b c.txt": "changed", "new.txt": "4", "large": large}), mtime=2)
    look = world.look(source)
    assert [(each.number, each.added, each.removed) for each in look.taken.versions] == [(2, 2, 1)]
    with world.catalogue.read() as connection:
        newest = resolve(connection, parse_reference("uploads"))
        found = {each.path: each.receipt_id for each in entries(connection, newest)}
        new, old = receipts.find(connection)
    assert found.keys() == {"/input/a.txt", "/input/deep/b c.txt", "/input/large", "/input/new.txt"}
    assert (found["/input/a.txt"], found["/input/new.txt"]) == (old.id, new.id)
    assert (new.path, new.decision, new.version) == ("/input.tar", "accepted", 2)
    again = world.look(world.source([("upload", "uploads")], UPLOADS))
    assert (again.taken.safe, again.pending) == ([], ())


@both
def test_the_same_members_in_another_kind_of_archive_change_nothing(world: World) -> None:
    source = world.source([("upload", "uploads")], UPLOADS)
    world.drop("x.tar.gz", _tar({"a": "1"}, "w:gz"), mtime=1)
    world.look(source)
    world.drop("x.tar.gz", _zip({"a": "1"}), mtime=2)
    look = world.look(source)
    assert (look.taken.added, look.taken.versions[1:]) == (0, [])
    assert contents(world.catalogue, world.store, "uploads") == {"/x/a": "1"}


@both
@pytest.mark.parametrize("name", ["/etc/passwd", "../out", "a"])
def test_an_archive_with_a_bad_member_waits_as_it_is_and_nothing_of_it_enters(world: World, name: str) -> None:
    source = world.source([("upload", "uploads")], UPLOADS)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for each in ("a", name):
            archive.addfile(tarfile.TarInfo(each), io.BytesIO())
    world.drop("bad.tar", written.getvalue())
    world.drop("good.zip", _zip({"a": "1"}))
    look = world.look(source)
    assert [each.path for each in look.taken.quarantined] == ["/bad.tar"]
    assert contents(world.catalogue, world.store, "uploads") == {"/good/a": "1"}


def test_archives_given_by_hand_are_unpacked_by_their_type(world: World) -> None:
    world.drop("hand.zip", _zip({"b/c": "1"}))
    ingest(world.catalogue, world.store, "uploads", [world.inbox], "ada", list(UPLOADS.values()))
    assert contents(world.catalogue, world.store, "uploads") == {"/hand/b/c": "1"}


def test_only_archives_are_unpacked() -> None:
    with pytest.raises(ValueError, match="needs 'format: archive'"):
        FileType.model_validate({"type": "x", "recognise": {"name": "*"}, "unpack": True})
