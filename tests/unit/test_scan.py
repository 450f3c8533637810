"""What lies in a folder, however odd its names."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aliquot.intake.dispose import ARCHIVE, dispose
from aliquot.intake.scan import File, look_at, one_file, paths_below, scan, walk
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.finding import Finding


def _write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_files_come_in_the_order_of_their_paths_with_size_and_time(tmp_path: Path) -> None:
    _write(tmp_path, "b", "a/z", "a.b", "a/b/c")
    listing = scan(tmp_path)
    assert [file.path for file in listing.files] == ["/a.b", "/a/b/c", "/a/z", "/b"]
    status = (tmp_path / "a/z").stat()
    assert listing.files[2] == File("/a/z", str(tmp_path / "a/z"), 3, status.st_mtime_ns, changed_ns=status.st_ctime_ns)
    assert (listing.files[2].name, listing.files[2].folder, listing.files[3].folder) == ("z", "/a", "")


def test_hidden_and_ignored_names_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, ".hidden", ".archive/2024/x", "a.tmp", "B.TMP", "keep", "skip/x", "deep/er/y", "~lock")
    assert [file.path for file in scan(tmp_path, ["*.tmp", "skip", "~*", "deep/*/y"]).files] == ["/keep"]
    with pytest.raises(Invalid, match="glob"):
        scan(tmp_path, ["[a"])


def test_links_and_pipes_are_told_and_not_followed(tmp_path: Path) -> None:
    _write(tmp_path, "in/real")
    (tmp_path / "in/link").symlink_to(tmp_path / "in/real")
    (tmp_path / "in/loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "in/pipe")
    listing = scan(tmp_path / "in")
    assert [file.path for file in listing.files] == ["/real"]
    assert sorted((each.code, each.file) for each in listing.findings) == [
        ("link-ignored", "/link"), ("link-ignored", "/loop"), ("not-a-file", "/pipe"),
    ]  # fmt: skip
    assert one_file(tmp_path / "in/link", "/link").size == 7
    with pytest.raises(Invalid, match="pipe"):
        one_file(tmp_path / "in/pipe", "/pipe")


@pytest.mark.parametrize("name", ["with space", "new\nline", "ünïcødé 試料", "x" * 255, "back\\slash", "a:b*c?"])
def test_names_that_are_odd_and_fine(tmp_path: Path, name: str) -> None:
    _write(tmp_path, name)
    (file,) = scan(tmp_path).files
    assert (file.path, file.fault) == ("/" + name, "")


def test_a_name_that_is_no_unicode_is_shown_and_faulted(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")).write_text("x")
    (file,) = scan(tmp_path).files
    assert file.path == r"/caf\xe9.csv"
    assert "Unicode" in file.fault
    assert Path(file.absolute).read_text() == "x"


def test_paths_alone_come_in_the_same_order_and_with_the_same_findings(tmp_path: Path) -> None:
    for path in ("a/b/1", "a/b.txt", "a.txt", "a b/2", "a/b-c/3", "é/4", "new\nline", "empty/.hidden", ".gone/5", "z"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "a" / "link").symlink_to("b.txt")
    os.mkfifo(tmp_path / "pipe")
    findings: list[Finding] = []
    found = [place for page in paths_below(tmp_path, findings.append) for place in page]
    listed = scan(tmp_path)
    assert ["/" + place for place in found] == [file.path for file in listed.files]
    assert sorted(findings, key=str) == sorted(listed.findings, key=str)
    assert len(findings) == 2
    assert look_at(tmp_path, found) == listed.files


def test_what_is_gone_or_no_file_any_more_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    assert [file.path for file in look_at(tmp_path, ["a", "b", "c", "a/d"])] == ["/a"]


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="mount or create it"):
        scan(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        scan(tmp_path / "file")


def test_what_is_archived_never_replaces_what_is_there(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "a.csv").write_text(text)
        assert dispose(tmp_path, "archive", scan(tmp_path).files) == []
    kept = sorted(path.read_text() for path in (tmp_path / ".archive").glob("*/*.csv"))
    assert kept == ["first", "second"]
    assert scan(tmp_path).files == []


def test_a_file_that_changed_since_is_neither_archived_nor_deleted(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b")
    listing = scan(tmp_path).files
    (tmp_path / "a").write_text("another")
    assert dispose(tmp_path, "delete", listing) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failure_to_clear_is_a_warning(tmp_path: Path) -> None:
    _write(tmp_path, "a")
    (tmp_path / ".archive").write_text("in the way")
    (finding,) = dispose(tmp_path, "archive", scan(tmp_path).files)
    assert (finding.code, finding.file) == ("source-not-cleared", "/a")
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize("deep", [False, True])
def test_nothing_is_archived_through_a_link(tmp_path: Path, deep: bool) -> None:
    """Who may write to a watched folder may not write elsewhere by way of the lab."""
    inbox, elsewhere = tmp_path / "inbox", tmp_path / "elsewhere"
    elsewhere.mkdir()
    _write(inbox, "a")
    listed = scan(inbox).files
    archive = inbox / ARCHIVE
    if deep:
        archive.mkdir()
        archive = archive / datetime.now(UTC).strftime("%Y-%m-%d")
    archive.symlink_to(elsewhere)
    (finding,) = dispose(inbox, "archive", listed)
    assert (finding.code, finding.file) == ("source-not-cleared", "/a")
    assert (inbox / "a").read_text() == "a"
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_goes_while_its_own_is_listed_was_never_there(tmp_path: Path) -> None:
    """It is known by its name alone when it is looked at."""
    for number in range(50):
        (tmp_path / f"{number:02d}").mkdir()
        (tmp_path / f"{number:02d}-link").symlink_to(tmp_path)
    _write(tmp_path, "a")

    def tell(_: Finding) -> None:
        for place in tmp_path.glob("[0-9][0-9]"):
            place.rmdir()

    assert [file.path for page in walk(tmp_path, (), tell) for file in page] == ["/a"]
