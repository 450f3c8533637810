"""The log of an SQLite catalogue moves into the database beside the work."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, text
from structlog.testing import capture_logs

from aliquot.db import Catalogue, open_catalogue
from aliquot.db.checkpoints import Checkpoints
from waiting import until

MANY = 25_000


def write(catalogue: Catalogue, rows: int) -> None:
    with catalogue.write() as connection:
        made = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) SELECT i FROM n"
        connection.execute(
            text(f"INSERT INTO emptied_pack (pack, emptied_at) SELECT i, 0 FROM ({made})"), {"rows": rows}
        )


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


def opened(path: Path) -> Catalogue:
    return open_catalogue(URL.create("sqlite", database=str(path)).render_as_string())


def test_many_changed_rows_move_the_log(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    write(catalogue, MANY)
    until(lambda: in_database(path) == MANY)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM emptied_pack")).scalar() == MANY
    catalogue.close()
    assert in_database(path) == MANY


def test_few_changed_rows_stay_in_the_log_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    catalogue = opened(path)
    write(catalogue, 10)
    assert in_database(path) < 10
    catalogue.close()
    assert in_database(path) == 10


def test_a_log_that_cannot_be_moved_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "gone.db"
    with capture_logs() as logs:
        checkpoints = Checkpoints(str(path))
        checkpoints.changed(MANY)
        until(lambda: logs)
        checkpoints.changed(MANY)
        until(lambda: len(logs) == 2)
        checkpoints.close()
    assert {each["log_level"] for each in logs} == {"warning"}
    assert "unable to open" in logs[0]["reason"]
    assert not path.exists()


def test_a_name_that_reads_like_an_address_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "lab #1 50%?.db"
    other = opened(path)
    write(other, 10)
    checkpoints = Checkpoints(str(path))
    checkpoints.changed(MANY)
    until(lambda: in_database(path) == 10)
    checkpoints.close()
    other.close()


def test_closing_twice_and_before_anything_is_allowed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path / "x.db"))
    checkpoints.close()
    checkpoints.changed(MANY)
    checkpoints.close()
