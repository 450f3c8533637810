"""The log of an SQLite catalogue moves into the database beside the work."""

import os
import sqlite3
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL, text
from structlog.testing import capture_logs

from aliquot.db import Catalogue, open_catalogue
from aliquot.db.checkpoints import LONG, Checkpoints
from waiting import until

ENOUGH = 20
"""Writes that make the log long."""


def opened(path: Path | str) -> Catalogue:
    return open_catalogue(URL.create("sqlite", database=str(path)).render_as_string())


def write(catalogue: Catalogue, number: int) -> None:
    with catalogue.write() as connection:
        given = {"pack": f"{number}" + "x" * (LONG // ENOUGH)}
        connection.execute(text("INSERT INTO emptied_pack (pack, emptied_at) VALUES (:pack, 0)"), given)


def in_database(path: Path) -> int:
    """Count the rows that are in the database itself, whatever the log has."""
    alone = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
    try:
        return int(alone.execute("SELECT count(*) FROM emptied_pack").fetchone()[0])
    except sqlite3.DatabaseError:
        # Looked at while it was written.
        return -1
    finally:
        alone.close()


def log_of(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


@pytest.mark.parametrize("name", ["catalogue.db", "the lab #1 50%?.db", "//catalogue.db"])
def test_a_long_log_is_moved(tmp_path: Path, name: str) -> None:
    path = tmp_path / name.strip("/")
    catalogue = opened(f"/{path}" if name.startswith("//") else path)
    for number in range(ENOUGH):
        write(catalogue, number)
    until(lambda: in_database(path) > ENOUGH // 4)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM emptied_pack")).scalar() == ENOUGH
    catalogue.close()
    assert in_database(path) == ENOUGH


def test_a_folder_of_any_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    plain = sqlite3.connect(os.fsencode(folder / "some.db"))
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("CREATE TABLE emptied_pack (pack TEXT)")
    plain.execute("INSERT INTO emptied_pack VALUES (?)", ["x" * 2 * LONG])
    plain.commit()
    checkpoints = Checkpoints(str(folder / "some.db"))
    with capture_logs() as logs:
        checkpoints.committed()
        checkpoints.close()
    assert not logs
    assert (folder / "some.db").stat().st_size > LONG
    plain.close()


def test_a_short_log_stays_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    write(catalogue, 1)
    assert in_database(path) < 1
    catalogue.close()
    assert in_database(path) == 1


def test_the_log_does_not_grow_for_ever_and_is_moved_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    for number in range(4 * ENOUGH):
        write(catalogue, number)
        if number % ENOUGH == ENOUGH - 1:
            until(lambda number=number: in_database(path) > number - ENOUGH // 2)
            assert log_of(path) < 5 * LONG
    catalogue.close()


def test_while_somebody_reads_what_is_to_be_moved_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    with catalogue.read() as reading:
        assert reading.execute(text("SELECT count(*) FROM emptied_pack")).scalar() == 0
        for number in range(2 * ENOUGH):
            write(catalogue, number)
        assert reading.execute(text("SELECT count(*) FROM emptied_pack")).scalar() == 0
    catalogue.close()
    assert in_database(path) == 2 * ENOUGH


def test_a_commit_moves_the_log_where_no_thread_does(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    with catalogue.write() as connection:
        connection.execute(text("CREATE TABLE large (x)"))
        connection.execute(text("INSERT INTO large VALUES (zeroblob(:size))"), {"size": 5 * LONG})
    assert path.stat().st_size > 5 * LONG
    catalogue.close()


def test_a_log_that_cannot_be_moved_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "gone.db"
    path.touch()
    Path(f"{path}-wal").write_bytes(b"")
    checkpoints = Checkpoints(str(path))
    checkpoints.committed()
    with Path(f"{path}-wal").open("r+b") as log:
        log.truncate(LONG)
    path.unlink()
    with capture_logs() as logs:
        checkpoints.committed()
        checkpoints.close()
    assert [each["log_level"] for each in logs] == ["warning"]
    assert "No such file" in logs[0]["reason"]
    assert not path.exists()


def test_a_file_that_was_put_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    write(catalogue, 1)
    path.rename(tmp_path / "moved.db")
    path.write_bytes(b"a backup")
    with capture_logs() as logs:
        for number in range(ENOUGH + 1):
            write(catalogue, 2 + number)
        until(lambda: logs)
        catalogue.close()
    assert "was replaced" in logs[0]["event"]
    assert path.read_bytes() == b"a backup"


def test_what_was_committed_is_told_as_done_where_no_thread_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(threading.Thread, "start", refused)
        for number in range(ENOUGH):
            write(catalogue, number)
    assert "can't start new thread" in logs[0]["reason"]
    for number in range(ENOUGH, 2 * ENOUGH):
        write(catalogue, number)
    until(lambda: in_database(path) > ENOUGH // 4)
    catalogue.close()


def test_no_thread_stays(tmp_path: Path) -> None:
    before = threading.active_count()
    catalogues = [opened(tmp_path / f"{number}.db") for number in range(3)]
    for catalogue in catalogues:
        for number in range(ENOUGH):
            write(catalogue, number)
    until(lambda: threading.active_count() == before)
    for catalogue in catalogues:
        catalogue.close()
