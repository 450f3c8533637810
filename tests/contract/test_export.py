"""Exports: what is on the disk afterwards is the version, or nothing."""

import os
from pathlib import Path

import pytest
from sqlalchemy import update

from aliquot.blobs import Store, open_store
from aliquot.blobs.pack import SMALL
from aliquot.datasets.export import export
from aliquot.db import Catalogue
from aliquot.db.tables import entry
from aliquot.model.errors import Conflict, Damaged, Missing, Unavailable
from aliquot.model.reference import parse_reference
from datasets_world import add

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

LARGE = bytes(range(256)) * 20_000


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@both
def test_a_version_a_folder_and_a_file_are_written(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    files = {"/a.txt": b"1", "/f/b": b"2", "/f/g/large": LARGE, "/empty": b"", "/f-x": b"3"}
    add(catalogue, store, "plates", files)
    add(catalogue, store, "plates", {}, ["/a.txt"])
    assert export(catalogue, store, parse_reference("plates@1"), tmp_path / "new" / "all") == 5
    assert _tree(tmp_path / "new" / "all") == {path[1:]: content for path, content in files.items()}
    (tmp_path / "made").mkdir()
    assert export(catalogue, store, parse_reference("plates:/f"), tmp_path / "made") == 2
    assert _tree(tmp_path / "made") == {"b": b"2", "g/large": LARGE}
    assert export(catalogue, store, parse_reference("plates:/f/"), tmp_path / "slash") == 2
    assert export(catalogue, store, parse_reference("plates:/f/g/large"), tmp_path / "one") == 1
    assert _tree(tmp_path / "one") == {"large": LARGE}
    add(catalogue, store, "none", {})
    assert export(catalogue, store, parse_reference("none"), tmp_path / "nothing") == 0
    assert (tmp_path / "nothing").is_dir()


def test_more_files_than_a_page(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    files = {f"/{n % 7}/{n}": str(n % 50).encode() for n in range(2_500)}
    add(catalogue, store, "plates", files)
    assert export(catalogue, store, parse_reference("plates"), tmp_path / "out") == 2_500
    assert _tree(tmp_path / "out") == {path[1:]: content for path, content in files.items()}


def test_exports_from_a_bucket_are_the_same(catalogue: Catalogue, tmp_path: Path) -> None:
    bucket = open_store("memory://")
    add(catalogue, bucket, "plates", {"/a": b"1", "/large": LARGE})
    assert export(catalogue, bucket, parse_reference("plates"), tmp_path / "out") == 2
    assert _tree(tmp_path / "out") == {"a": b"1", "large": LARGE}


def test_what_is_exported_shares_no_byte_with_the_store(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    add(catalogue, store, "plates", {"/large": LARGE})
    for name in ("one", "two"):
        export(catalogue, store, parse_reference("plates"), tmp_path / name)
        with (tmp_path / name / "large").open("r+b") as file:
            file.write(b"scribbled")
    assert _tree(tmp_path / "two")["large"][9:] == LARGE[9:]
    assert export(catalogue, store, parse_reference("plates"), tmp_path / "three") == 1


def test_a_target_that_holds_something_is_left_alone(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    folder, file, link = tmp_path / "folder", tmp_path / "file", tmp_path / "link"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    file.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")
    for target in (folder, file, link):
        with pytest.raises(Conflict, match="holds something"):
            export(catalogue, store, parse_reference("plates"), target)
    assert _tree(folder) == {"mine": b"mine"}
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_of_an_export_that_fails(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    add(catalogue, store, "plates", {"/a": "1", "/large": LARGE})
    here = tmp_path / "here"
    here.mkdir()
    with pytest.raises(Missing, match="no file or folder /none"):
        export(catalogue, store, parse_reference("plates:/none"), here / "out")
    with pytest.raises(Missing):
        export(catalogue, store, parse_reference("plates@9"), here / "out")
    blob = max((tmp_path / "store" / "blobs").rglob("*"), key=lambda each: each.stat().st_size * each.is_file())
    assert blob.stat().st_size == len(LARGE) > SMALL
    with blob.open("r+b") as damaged:
        damaged.seek(3_000_000)
        damaged.write(b"?")
    with pytest.raises(Damaged, match="/large cannot be exported"):
        export(catalogue, store, parse_reference("plates"), here / "out")
    os.truncate(blob, 100)
    with pytest.raises(Damaged, match="/large cannot be exported"):
        export(catalogue, store, parse_reference("plates"), here / "out")
    assert list(here.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        export(catalogue, store, parse_reference("plates:/a"), tmp_path / "file" / "out")


def test_an_altered_catalogue_cannot_lead_out_of_the_target(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    for path in ("/../../escaped", "//etc/escaped", "/f/../../escaped", "escaped"):
        with catalogue.write() as connection:
            connection.execute(update(entry).values(path=path))
        with pytest.raises(Damaged, match="no commit takes"):
            export(catalogue, store, parse_reference("plates"), tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("escaped"))
