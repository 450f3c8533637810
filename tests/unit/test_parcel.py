"""What a shepherd lays out and takes up itself, and what it leaves to its supervisor."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from aliquot.executors.folder import Folder
from aliquot.executors.parcel import MOST, SMALL, fits, gather, lay, receive, send


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_small_results_are_taken_up_in_the_order_of_their_paths(out: Path) -> None:
    (out / "b").write_bytes(b"2")
    (out / "a").mkdir()
    (out / "a" / "z").write_bytes(b"")
    (out / "a b").write_bytes(b"1")
    assert gather(str(out)) == [("/a b", b"1"), ("/a/z", b""), ("/b", b"2")]


def test_no_results_are_results(out: Path) -> None:
    assert gather(str(out)) == []


def link(out: Path) -> None:
    (out / "link").symlink_to("/etc/passwd")


def pipe(out: Path) -> None:
    os.mkfifo(out / "pipe")


def exports(out: Path) -> None:
    (out / "exports.json").write_text("{}")


def accents(out: Path) -> None:
    (out / "é").write_text("1")


def no_text(out: Path) -> None:
    Path(os.fsdecode(os.fsencode(out) + b"/\xff")).write_text("1")


def two_cases(out: Path) -> None:
    (out / "a").write_text("1")
    (out / "A").write_text("2")


def large(out: Path) -> None:
    (out / "a").write_bytes(b"1" * SMALL)


def much(out: Path) -> None:
    for number in range(MOST // (SMALL - 1) + 1):
        (out / str(number)).write_bytes(b"1" * (SMALL - 1))


def many(out: Path) -> None:
    for number in range(300):
        (out / str(number)).touch()


def elsewhere(out: Path) -> None:
    out.rmdir()
    out.symlink_to("/etc")


def gone(out: Path) -> None:
    out.rmdir()


@pytest.mark.parametrize(
    "leave",
    [link, pipe, exports, accents, no_text, two_cases, large, much, many, elsewhere, gone],
    ids=lambda f: f.__name__,
)
def test_what_is_out_of_the_ordinary_is_left_in_its_place(out: Path, leave: Callable[[Path], None]) -> None:
    leave(out)
    assert gather(str(out)) is None


def test_what_may_travel() -> None:
    assert fits([SMALL - 1, 0])
    assert not fits([SMALL])
    assert not fits([SMALL - 1] * 4)
    assert not fits([0] * 1000)


def test_a_folder_is_laid_out_again_and_again(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    for name in ("one", "two", "two"):
        (tmp_path / "litter").mkdir(exist_ok=True)
        (tmp_path / "litter" / "x").touch()
        folder.doubt()
        files = [("task.json", 0o644, b"{}"), (f"in/{name}/a", 0o644, b"1"), ("bundle/b/c", 0o755, b"abc")]
        lay(folder, files)
        seen = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert seen == {"task.json": b"{}", f"in/{name}/a": b"1", "bundle/b/c": b"abc"}
        assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "bundle", "tmp", "task.json"}
        assert os.access(tmp_path / "bundle" / "b" / "c", os.X_OK)
        (tmp_path / "tmp" / "left").touch()


def test_what_two_did_in_turns_in_one_folder_is_clean_for_each(tmp_path: Path) -> None:
    ours, theirs = Folder(str(tmp_path)), Folder(str(tmp_path))
    for mine in (ours, theirs, theirs, ours, theirs, ours, ours):
        mine.doubt()
        name = "ours" if mine is ours else "theirs"
        mine.arrange([f"in/{name}/file"])
        assert [path.name for path in (tmp_path / "in").iterdir()] == [name]
        for place in ("tmp", "in", f"in/{name}", "out"):
            (tmp_path / place / "left").touch()
        (tmp_path / "bundle" / "left").mkdir()


def test_a_message_comes_whole() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = {"wish": "order", "é": [1, None], "files": [("a", 0o644, b"one\0"), ("b", 0o755, b"")]}
        send(ours.fileno(), words)
        send(ours.fileno(), {})
        assert receive(theirs.fileno()) == words
        assert receive(theirs.fileno()) == {}
        ours.close()
        assert receive(theirs.fileno()) is None


def drop(document: Path) -> None:
    document.unlink()


def replace(document: Path) -> None:
    document.unlink()
    document.write_text("another")


def make_a_folder(document: Path) -> None:
    document.unlink()
    document.mkdir()
    (document / "x").touch()


def point_elsewhere(document: Path) -> None:
    document.unlink()
    document.symlink_to("/etc/passwd")


def share(document: Path) -> None:
    os.link(document, document.parent.parent / "shared")


def open_to_all(document: Path) -> None:
    document.chmod(0o666)


def make_longer(document: Path) -> None:
    document.write_text("x" * 10_000)


def nothing(document: Path) -> None:
    del document


SPOILING = (drop, replace, make_a_folder, point_elsewhere, share, open_to_all, make_longer, nothing)


@pytest.mark.parametrize("spoil", SPOILING, ids=lambda spoil: spoil.__name__)
def test_the_document_is_the_commands_own_whatever_the_last_one_did_to_it(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    (tmp_path / "task").mkdir()
    folder = Folder(str(tmp_path / "task"))
    document = tmp_path / "task" / "task.json"
    for content in (b"first", b"2nd", b"the third"):
        lay(folder, [("task.json", 0o644, content)])
        assert document.read_bytes() == content
        assert (document.stat().st_mode & 0o777, document.stat().st_nlink) == (0o644, 1)
        assert {path.name for path in document.parent.iterdir()} == {"in", "out", "bundle", "tmp", "task.json"}
        spoil(document)
        shared = tmp_path / "shared"
        if shared.exists():
            assert shared.read_bytes() == content
            shared.rename(tmp_path / f"shared-{content.decode()}")
    for path in tmp_path.glob("shared-*"):
        assert path.read_text() == path.name.removeprefix("shared-")
