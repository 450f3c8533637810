"""A folder that gets all of its content at once, or none of it."""

import os
from pathlib import Path

import pytest

from aliquot.blobs.new_folder import new_folder
from aliquot.model.errors import Conflict

TAKEN = Conflict("taken", "There is something.")


def fill(draft: Path) -> None:
    (draft / "a").mkdir()
    (draft / "a/b").write_text("b")
    (draft / "c").write_text("c")


def content(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_a_folder_that_is_not_there_is_made_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "new"
    with new_folder(target, TAKEN) as draft:
        fill(draft)
        assert not target.exists()
    assert content(tmp_path) == ["deep", "deep/new", "deep/new/a", "deep/new/a/b", "deep/new/c"]


def test_an_empty_folder_is_filled_and_stays_the_one_that_it_is(tmp_path: Path) -> None:
    target = tmp_path / "empty"
    target.mkdir(mode=0o750)
    before = target.stat()
    with new_folder(target, TAKEN) as draft:
        fill(draft)
        assert content(target) == []
    assert content(tmp_path) == ["empty", "empty/a", "empty/a/b", "empty/c"]
    after = target.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_a_link_to_an_empty_folder_leads_there(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    with new_folder(tmp_path / "link", TAKEN) as draft:
        fill(draft)
    assert content(tmp_path) == ["far", "far/a", "far/a/b", "far/c", "link"]
    assert (tmp_path / "link").is_symlink()


def test_an_empty_folder_on_a_disk_of_its_own_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As where it is a mount: nothing can be moved into it from beside it.
    target = tmp_path / "empty"
    target.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with new_folder(target, TAKEN) as draft:
        assert draft.parent == target
        fill(draft)
    assert content(tmp_path) == ["empty", "empty/a", "empty/a/b", "empty/c"]


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_what_is_there_is_not_touched(tmp_path: Path, make: object) -> None:
    target = tmp_path / "there"
    make(target)  # type: ignore[operator]
    if target.is_dir():
        (target / "mine").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(Conflict, match="something"), new_folder(target, TAKEN):
        pytest.fail("a draft was given")
    assert content(tmp_path) == before


@pytest.mark.parametrize("there", [True, False])
def test_what_comes_meanwhile_is_not_touched(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "x"
    if there:
        target.mkdir()

    def disturbed(draft: Path) -> None:
        fill(draft)
        target.mkdir(exist_ok=True)
        (target / "theirs").write_text("theirs")

    with pytest.raises(Conflict, match="something"), new_folder(target, TAKEN) as draft:
        disturbed(draft)
    assert content(tmp_path) == ["x", "x/theirs"]


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_left_of_what_went_wrong(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "x"
    if there:
        target.mkdir()

    def failing(draft: Path) -> None:
        fill(draft)
        raise KeyError

    with pytest.raises(KeyError), new_folder(target, TAKEN) as draft:
        failing(draft)
    assert content(tmp_path) == (["x"] if there else [])
