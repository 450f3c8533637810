"""All rows of a query as files, and queries that are ended, over SQLite and PostgreSQL."""

import csv
import io
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from services import require_service

pl = pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.hub.export import export_csv, export_parquet  # noqa: E402
from aliquot.hub.hub import Hub, open_hub  # noqa: E402
from aliquot.hub.query import query  # noqa: E402
from aliquot.hub.query_apart import csv_apart, parquet_apart, query_apart  # noqa: E402
from aliquot.model.errors import Invalid  # noqa: E402
from waiting import until  # noqa: E402

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 - 1 FROM n) SELECT count(*) AS c FROM n"
ROWS = 12_345


@pytest.fixture(params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Hub:
    require_service(find_spec(f"adbc_driver_{request.param}") is not None, f"adbc-driver-{request.param}")
    url = "sqlite:///hub.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")
    made = open_hub(url, tmp_path)
    with made.session() as session:
        session.execute("CREATE TABLE t (n BIGINT, x DOUBLE PRECISION, ok BOOLEAN, day DATE, word TEXT)")
        numbers = (
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
            if made.dialect == "sqlite"
            else f"WITH n AS (SELECT i FROM generate_series(1, {ROWS}) AS i)"
        )
        day = "'2026-03-01'" if made.dialect == "sqlite" else "DATE '2026-03-01'"
        values = f"i, i / 2.0, i % 2 = 0, {day}, CASE WHEN i = 7 THEN NULL ELSE 'ü,' || i END"
        session.execute(f"INSERT INTO t {numbers} SELECT {values} FROM n")
    return made


def all_csv(hub: Hub, sql: str) -> list[list[str]]:
    pieces: list[bytes] = []
    export_csv(hub, sql, 60, pieces.append)
    return list(csv.reader(io.StringIO(b"".join(pieces).decode())))


def test_all_rows_come_as_csv(hub: Hub) -> None:
    found = all_csv(hub, "SELECT * FROM t ORDER BY n;")
    assert found[0] == ["n", "x", "ok", "day", "word"]
    assert len(found) == ROWS + 1
    assert found[7] == ["7", "3.5", found[7][2], "2026-03-01", ""]
    assert found[ROWS] == [str(ROWS), str(ROWS / 2), found[7][2], "2026-03-01", f"ü,{ROWS}"]
    assert found[8][2].lower() == "true"
    assert b"".join(csv_apart(hub, "SELECT n FROM t WHERE n < 3 ORDER BY n")) == b"n\n1\n2\n"
    assert all_csv(hub, "SELECT n FROM t WHERE n < 0") == [["n"]]


def test_all_rows_come_as_parquet_with_their_types(hub: Hub) -> None:
    with parquet_apart(hub, "SELECT *, CASE WHEN n > 12000 THEN n END AS late FROM t ORDER BY n") as path:
        found = pl.read_parquet(path)
    assert not path.exists()
    assert found.shape == (ROWS, 6)
    types = {"n": pl.Int64, "x": pl.Float64, "ok": pl.Boolean, "day": pl.Date, "word": pl.String, "late": pl.Int64}
    assert dict(found.schema) == types
    assert found["n"].sum() == ROWS * (ROWS + 1) // 2
    assert found["word"].null_count() == 1
    assert found["late"].drop_nulls().to_list() == list(range(12_001, ROWS + 1))


def test_nothing_is_parquet_too_and_two_columns_of_one_name_are_refused(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert pl.read_parquet(export_parquet(hub, "SELECT n, word FROM t WHERE n < 0", 60, tmp_path / "one")).height == 0
    if hub.dialect == "postgresql":  # a view of SQLite gives the second one another name
        with pytest.raises(Invalid, match="name of its own"):
            export_parquet(hub, "SELECT n, n FROM t", 60, tmp_path / "two")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t (n) VALUES (1)",
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "SELECT 1) ; DROP TABLE t; --",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "PRAGMA query_only = off",
        "ATTACH 'elsewhere.db' AS elsewhere",
        "SELECT load_extension('x')",
        "VACUUM INTO 'copy.db'",
        "COPY t TO PROGRAM 'true'",
        "SELECT nothing FROM t",
    ],
)
def test_what_is_taken_out_cannot_write(hub: Hub, sql: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        all_csv(hub, sql)
    assert refused.value.code == "query-refused"
    with pytest.raises(Invalid):
        export_parquet(hub, sql, 60, tmp_path)
    assert query(hub, "SELECT count(*) AS n FROM t").rows == [(ROWS,)]
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT set_config('role', 'none', true), pg_read_file('/etc/passwd')",
        "SELECT query_to_xml('SELECT set_' || 'config(''role'', ''none'', true)', true, true, '')",
        "SELECT \"pg_catalog\".U&\"\\0073et_config\"('role', 'none', true)",
        "SELECT size FROM pg_stat_file('/etc/passwd')",
    ],
)
def test_a_superusers_query_reads_tables_and_no_file_of_the_server(
    sql: str, postgresql_database: str, tmp_path: Path
) -> None:
    hub = open_hub(postgresql_database, tmp_path)
    assert query(hub, "SELECT 1 AS a").rows == [(1,)]
    with pytest.raises(Invalid) as refused:
        query(hub, sql)
    assert refused.value.code == "query-refused"


def test_whoever_asked_ends_a_query(hub: Hub) -> None:
    ended = threading.Event()
    threading.Timer(1.0, ended.set).start()
    for ask in (lambda: query_apart(hub, ENDLESS, stop=ended.is_set), lambda: csv_apart(hub, ENDLESS, ended.is_set)):
        with pytest.raises(Invalid, match="canceled"):
            ask()
    if hub.dialect == "postgresql":
        running = "query LIKE '%RECURSIVE%' AND state = 'active' AND pid <> pg_backend_pid()"
        with hub.session() as session:
            until(lambda: session.rows(f"SELECT count(*) AS n FROM pg_stat_activity WHERE {running}") == [(0,)])


def test_a_query_that_gives_nothing_is_ended_with_words(hub: Hub) -> None:
    with pytest.raises(Invalid, match="more than 1 seconds") as caught:
        query_apart(hub, ENDLESS, seconds=1)
    assert caught.value.code == "query-too-long"
