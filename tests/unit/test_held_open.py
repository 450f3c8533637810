"""Files of a watched folder are read as they were listed, whatever their names lead to by then."""

import os
from pathlib import Path

import pytest

from aliquot.intake.held_open import held_open, open_listed
from aliquot.intake.scan import File
from aliquot.model.errors import Conflict, Unavailable
from plain_user import as_plain_user


@pytest.fixture
def listed(tmp_path: Path) -> File:
    """A file in a folder of a watched one."""
    path = tmp_path / "inbox/plates/a.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("listed")
    now = path.stat()
    return File("/plates/a.tsv", str(path), now.st_size, now.st_mtime_ns, changed_ns=now.st_ctime_ns)


@pytest.fixture
def swap(tmp_path: Path, listed: File) -> Path:
    """A folder that holds another file of the same name, size and time."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "a.tsv").write_text("secret")
    os.utime(other / "a.tsv", ns=(0, listed.mtime_ns))
    # Of two that were made within one tick of the system's clock nothing would tell one from the other.
    while (other / "a.tsv").stat().st_ctime_ns == listed.changed_ns:
        os.utime(other / "a.tsv", ns=(0, listed.mtime_ns))
    return other


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "held"
    place.mkdir()
    return place


def _put_link(listed: File, to: Path) -> None:
    plates = Path(listed.absolute).parent
    plates.rename(plates.with_name("aside"))
    plates.symlink_to(to)


def test_what_is_held_open_is_the_file_that_was_listed(listed: File, swap: Path, folder: Path) -> None:
    with held_open([listed], folder) as (files, _):
        held = files[0]
        _put_link(listed, swap)
        assert Path(listed.absolute).read_text() == "secret"
        assert Path(held.absolute).read_text() == "listed"
        assert Path(held.absolute).read_text() == "listed", "from its beginning each time"
        assert (Path(held.absolute).name, held.path) == ("a.tsv", "/plates/a.tsv"), "names say how it is read"


def test_another_file_in_its_place_is_not_opened(listed: File, swap: Path, folder: Path) -> None:
    _put_link(listed, swap)
    with pytest.raises(Conflict), held_open([listed], folder):
        pass
    with pytest.raises(Conflict):
        open_listed(listed)


def test_a_file_that_was_changed_since_is_not_opened(listed: File, folder: Path) -> None:
    place = Path(listed.absolute)
    place.write_text("change")
    while place.stat().st_ctime_ns == listed.changed_ns:
        os.utime(place, ns=(0, listed.mtime_ns))
    os.utime(place, ns=(0, listed.mtime_ns))
    with pytest.raises(Conflict), held_open([listed], folder):
        pass


def test_nothing_stays_open_or_lies_there(listed: File, folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with held_open([listed, listed], folder, [listed]) as held:
            assert len({each.absolute for each in (*held.files, *held.beside)}) == 3
    with pytest.raises(ZeroDivisionError), held_open([listed], folder):
        raise ZeroDivisionError
    with pytest.raises(Conflict), held_open([listed, listed._replace(size=1)], folder):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not [each for each in folder.rglob("*") if each.is_symlink()]


def test_what_may_not_be_read_is_told_by_who_reads_it(listed: File, folder: Path) -> None:
    place = Path(listed.absolute)
    place.chmod(0)
    now = listed._replace(changed_ns=place.stat().st_ctime_ns)

    def read() -> None:
        with held_open([], folder, [now]) as held, pytest.raises(PermissionError):
            Path(held.beside[0].absolute).read_bytes()
        with pytest.raises(Conflict), held_open([now], folder):
            pass

    as_plain_user(read)
    assert not [each for each in folder.rglob("*") if not each.is_dir()]


def test_names_that_are_long_elsewhere_keep_their_ending(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / ("\u00e9" * 110 + ".tsv")
    path.write_text("1")
    now = path.stat()
    listed = File("/x.tsv", str(path), now.st_size, now.st_mtime_ns, changed_ns=now.st_ctime_ns)
    with held_open([listed], folder) as held:
        place = Path(held.files[0].absolute)
        assert (place.read_text(), place.suffix, len(place.name)) == ("1", ".tsv", 60)


def test_a_folder_without_room_is_told(listed: File, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="make room"), held_open([listed], tmp_path / "gone"):
        pass
