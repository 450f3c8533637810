"""Files that are adopted where they lie: read there, proved there, and never touched."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from aliquot.blobs import Store, open_store
from aliquot.blobs.layout import ADOPTED, BLOBS
from aliquot.datasets import places
from aliquot.datasets.export import export
from aliquot.datasets.read import entries, resolve
from aliquot.datasets.rebuild import rebuild
from aliquot.datasets.sweep import sweep
from aliquot.datasets.usage import dataset_uses, store_use
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import blob
from aliquot.intake.settle import Clock
from aliquot.intake.source import Look, SourceIntake
from aliquot.model.blob import Location
from aliquot.model.errors import Damaged, Unavailable
from aliquot.model.lab_config import Retention, Source
from aliquot.model.reference import parse_reference
from azurite import Azurite, azurite_of
from bucket import Bucket, bucket_of
from datasets_world import contents
from intake_world import ANY, ROWS, types
from source_kinds import FolderKind, ObjectsKind

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)

LARGE = b"id,name\n" + b"".join(b"%d,a name\n" % number for number in range(20_000))
OTHER = LARGE.replace(b"a name", b"b name")


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, bucket_of(patch) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def azure() -> Iterator[Azurite]:
    with azurite_of() as server:
        yield server


class Shelf:
    """A source that adopts, over one kind of place."""

    def __init__(
        self, catalogue: Catalogue, store: Store, kind: FolderKind | ObjectsKind, lab: Path, **more: str
    ) -> None:
        self.catalogue, self.store, self.kind, self.lab, self._settings = catalogue, store, kind, lab, more
        self.ticks = 0.0

    def look(self, accept: Sequence[str] = ("any",)) -> Look:
        document = {"watch": self.kind.url, "since": "all", "adopt": True, "settled": {"quiet": 0},
                    "accept": [{"type": each, "into": "plates"} for each in accept],
                    "settings": self._settings}  # fmt: skip
        source = SourceIntake(
            self.catalogue, self.store, "bench", Source.model_validate(document), types(any=ANY, rows=ROWS), self.lab
        )
        self.ticks += 10
        return source.look(Clock(self.ticks, time.time()))

    def location(self, path: str, version: str = "plates") -> Location:
        with self.catalogue.read() as connection:
            found = {
                each.path: each.digest for each in entries(connection, resolve(connection, parse_reference(version)))
            }
            return places.require(connection, [found[path]])[found[path]]

    def stored(self, prefix: str) -> int:
        return len(list(self.store.objects.list_keys(prefix)))


@pytest.fixture(params=["folder", "s3", "azure"])
def shelf(
    request: pytest.FixtureRequest,
    catalogue: Catalogue,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shelf:
    disk = tmp_path / "disk"
    match request.param:
        case "folder":
            return Shelf(catalogue, store, FolderKind(tmp_path / "inbox"), tmp_path)
        case "s3":
            bucket: Bucket = request.getfixturevalue("s3")
            kind = ObjectsKind(f"s3://{bucket.name}/{tmp_path.name}", disk, settings=bucket.settings)
            return Shelf(catalogue, store, kind, tmp_path, aws_endpoint=bucket.endpoint)
        case _:
            server: Azurite = request.getfixturevalue("azure")
            kind = ObjectsKind(f"az://{server.container}/{tmp_path.name}", disk, settings=server.settings)
            secret = "azure_storage_account_key"
            monkeypatch.setenv(secret.upper(), server.settings[secret])
            return Shelf(catalogue, store, kind, tmp_path, **{k: v for k, v in server.settings.items() if k != secret})


def test_large_files_stay_where_they_lie_and_small_ones_are_copied(shelf: Shelf, tmp_path: Path) -> None:
    shelf.kind.put("deep/large.csv", LARGE)
    shelf.kind.put("small", b"1")
    assert [version.added for version in shelf.look().taken.versions] == [2]
    assert (shelf.stored(ADOPTED), shelf.stored(BLOBS)) == (1, 1)  # the version's delta lies there
    assert contents(shelf.catalogue, shelf.store, "plates") == {"/deep/large.csv": LARGE.decode(), "/small": "1"}
    place = shelf.location("/deep/large.csv")
    assert shelf.store.read_range(place, 100, 50) == LARGE[100:150]
    assert b"".join(shelf.store.stream(place)) == LARGE
    assert shelf.store.local_path(place) is None
    shelf.store.fetch(place, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == LARGE
    assert export(shelf.catalogue, shelf.store, parse_reference("plates"), tmp_path / "out") == 2
    assert (tmp_path / "out/deep/large.csv").read_bytes() == LARGE
    assert verify(shelf.catalogue, shelf.store, None).sound
    assert shelf.look().taken.safe == []


def test_what_is_adopted_is_checked_as_everything_is(shelf: Shelf) -> None:
    shelf.kind.put("good.csv", LARGE)
    shelf.kind.put("bad.csv", LARGE + b"x,y\n")
    look = shelf.look(["rows"])
    assert (look.taken.added, [each.path for each in look.taken.quarantined]) == (1, ["/bad.csv"])
    assert (shelf.stored(ADOPTED), shelf.stored(BLOBS)) == (2, 1)


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_what_changed_or_vanished_at_the_source_is_told_and_found_again(shelf: Shelf, how: str, tmp_path: Path) -> None:
    shelf.kind.put("a.csv", LARGE)
    shelf.look()
    place = shelf.location("/a.csv")
    if how == "changed":
        shelf.kind.put("a.csv", OTHER)
    else:
        shelf.kind.delete("a.csv")
        shelf.kind.put("b.csv", OTHER)
    for read in (lambda: shelf.store.read(place), lambda: list(shelf.store.stream(place))):
        with pytest.raises(Damaged, match="lost to the lab") as told:
            read()
        assert told.value.code == f"adopted-{how}"
    with pytest.raises(Damaged, match=r"a\.csv"):
        export(shelf.catalogue, shelf.store, parse_reference("plates"), tmp_path / "out")
    (damage,) = verify(shelf.catalogue, shelf.store, "plates").damages
    assert damage.references == ("plates@1:/a.csv",)
    assert damage.place.endswith("/a.csv")
    assert "lost to the lab" in damage.message
    assert shelf.look().taken.added == 1
    # The same bytes, wherever they come back, are those of the version.
    shelf.kind.put("again/c.csv", LARGE)
    shelf.look()
    assert shelf.store.read(place) == LARGE
    assert verify(shelf.catalogue, shelf.store, "plates").sound


def test_a_place_that_cannot_be_reached_is_no_loss(
    shelf: Shelf, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.kind.put("a.csv", LARGE)
    shelf.look()
    place = shelf.location("/a.csv")
    if isinstance(shelf.kind, FolderKind):
        shutil.move(shelf.kind.root, shelf.lab / "unmounted")
        shelf.kind.root.mkdir()
    elif "azure" in request.node.name:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "b3RoZXI=")
    else:
        request.getfixturevalue("s3").shut()
    again = open_store(shelf.store.url)
    try:
        with pytest.raises(Unavailable, match="Nothing is lost by that") as told:
            again.read(place)
        (damage,) = verify(shelf.catalogue, again, None).damages
    finally:
        if "s3" in request.node.name:
            request.getfixturevalue("s3").open()
    assert told.value.code == "adopted-unavailable"
    assert "cannot be read" in damage.message


def test_the_store_alone_gives_the_catalogue_back(shelf: Shelf, tmp_path: Path) -> None:
    shelf.kind.put("a.csv", LARGE)
    shelf.look()
    fresh = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    assert rebuild(shelf.store, fresh).files == 1
    assert contents(fresh, shelf.store, "plates") == {"/a.csv": LARGE.decode()}
    with fresh.read() as connection:
        assert store_use(connection).adopted == len(LARGE)
    fresh.close()


def test_sweep_and_du_know_what_is_not_in_the_store(shelf: Shelf) -> None:
    shelf.kind.put("a.csv", LARGE)
    shelf.look()
    with shelf.catalogue.read() as connection:
        whole, (use,) = store_use(connection), dataset_uses(connection)
    assert (whole.adopted, use.stored, use.adopted) == (len(LARGE), len(LARGE), len(LARGE))
    assert whole.total < len(LARGE)
    sweep(shelf.catalogue, shelf.store, Retention(), dry_run=False, now=time.time() + 10**6)
    assert shelf.stored(ADOPTED) == 1
    place = shelf.location("/a.csv")
    batch = shelf.store.batch()
    # Bytes that come on another way become the store's own.
    batch.add_bytes(LARGE)
    with shelf.catalogue.write() as connection:
        places.record(connection, batch.flush())
    shelf.kind.delete("a.csv")
    assert shelf.store.read(place) == LARGE
    with shelf.catalogue.read() as connection:
        assert store_use(connection).adopted == 0


def test_sweep_forgets_what_nothing_names_and_leaves_it_where_it_lies(shelf: Shelf) -> None:
    shelf.kind.put("a.csv", LARGE)
    shelf.look()
    place = shelf.location("/a.csv")
    with shelf.catalogue.write() as connection:
        connection.execute(blob.delete().where(blob.c.digest == place.digest))
    report = sweep(shelf.catalogue, shelf.store, Retention(), dry_run=False, now=time.time() + 10**6)
    assert shelf.stored(ADOPTED) == 0
    assert report.freed < len(LARGE)
    assert shelf.kind.paths()


def test_an_older_version_of_an_object_is_read_where_the_bucket_keeps_it(
    catalogue: Catalogue, store: Store, s3: Bucket, tmp_path: Path
) -> None:
    s3.keep_versions()
    kind = ObjectsKind(f"s3://{s3.name}/{tmp_path.name}", tmp_path / "disk", settings=s3.settings)
    shelf = Shelf(catalogue, store, kind, tmp_path, aws_endpoint=s3.endpoint)
    kind.put("a.csv", LARGE)
    shelf.look()
    place = shelf.location("/a.csv")
    kind.put("a.csv", OTHER)
    assert store.read(place) == LARGE
    kind.delete("a.csv")
    assert b"".join(store.stream(place)) == LARGE


def test_a_file_that_is_touched_is_found_again_by_the_next_look(
    catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:
    kind = FolderKind(tmp_path / "inbox")
    shelf = Shelf(catalogue, store, kind, tmp_path)
    kind.put("a.csv", LARGE, mtime=1_700_000_000.0)
    shelf.look()
    os.utime(kind.root / "a.csv", (1_800_000_000.0, 1_800_000_000.0))
    shelf.look()
    assert store.read(shelf.location("/a.csv")) == LARGE


@pytest.mark.parametrize("part", ["file", "folder"])
def test_a_link_in_the_place_of_what_was_adopted_is_not_followed(
    part: str, catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:  # fmt: skip
    """Size and time are what anybody can give to a file before they put a link to another one in its place."""
    shelf = Shelf(catalogue, store, FolderKind(tmp_path / "inbox"), tmp_path)
    shelf.kind.put("deep/er/large.csv", LARGE)
    assert shelf.look().taken.added == 1
    location = shelf.location("/deep/er/large.csv")
    adopted = tmp_path / "inbox/deep/er/large.csv"
    assert store.read_range(location, 0, 8) == LARGE[:8]
    secret = tmp_path / "secret/large.csv"
    secret.parent.mkdir()
    secret.write_bytes(OTHER)
    as_adopted = adopted.stat()
    os.utime(secret, ns=(as_adopted.st_atime_ns, as_adopted.st_mtime_ns))
    if part == "file":
        adopted.unlink()
        adopted.symlink_to(secret)
    else:
        shutil.rmtree(adopted.parent)
        adopted.parent.symlink_to(secret.parent)
    for read in (lambda: store.read_range(location, 0, 100), lambda: b"".join(store.stream(location))):
        with pytest.raises(Damaged) as damaged:
            read()
        assert damaged.value.code == ("adopted-changed" if part == "file" else "adopted-gone")


def test_notes_hold_no_secret_and_a_broken_one_is_damage(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    kind = FolderKind(tmp_path / "inbox")
    shelf = Shelf(catalogue, store, kind, tmp_path)
    kind.put("a.csv", LARGE)
    shelf.look()
    ((key, _),) = store.objects.list_keys(ADOPTED)
    note = json.loads(store.objects.read_object(key))
    assert (note["place"], note["path"], note["size"]) == (str(kind.root), "/a.csv", len(LARGE))
    store.objects.replace_object(key, b"{")
    with pytest.raises(Damaged, match="cannot be read; restore it") as told:
        open_store(store.url).read(shelf.location("/a.csv"))
    assert told.value.code == "adopted-note-damaged"


def test_nothing_doubtful_is_said_in_the_catalogue(shelf: Shelf) -> None:
    shelf.kind.put("a.csv", LARGE)
    shelf.look()
    with shelf.catalogue.read() as connection:
        rows = connection.execute(select(blob.c.size, blob.c.adopted).order_by(blob.c.size)).all()
    assert [(row.size == len(LARGE), row.adopted) for row in rows] == [(False, False), (True, True)]
