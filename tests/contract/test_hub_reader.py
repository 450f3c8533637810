"""Queries of people on a PostgreSQL hub under a role that may only read, made as the how-to says."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from far_lab import aliquot
from services import require_service

pl = pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.hub.hub import Hub, open_hub  # noqa: E402
from aliquot.hub.load import Load, LoadFile, load  # noqa: E402
from aliquot.hub.query import query  # noqa: E402
from aliquot.hub.query_apart import csv_apart, query_apart  # noqa: E402
from aliquot.hub.reader import require_same_database  # noqa: E402
from aliquot.model.errors import Invalid, Unavailable  # noqa: E402
from aliquot.model.table_schema import TableSchema  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs/how-to/use-postgresql.md"
SAMPLES = TableSchema.model_validate({"fields": [{"name": "sample", "type": "string"}]})


def as_said(database: str) -> str:
    """Give the statements of the page with which a reader is made."""
    part = PAGE.read_text().partition("## People who query the hub")[2]
    found = re.search(r"```sql\n(.*?)```", part, re.DOTALL)
    assert found
    return found[1].replace("DATABASE hub", f"DATABASE {database}")


@pytest.fixture
def admin(postgresql_database: str) -> Iterator[str]:
    """Give the URL of the superuser, in a database whose roles are gone again at the end."""
    require_service(find_spec("psycopg") is not None, "the PyPI package psycopg")
    require_service(find_spec("adbc_driver_postgresql") is not None, "the PyPI package adbc-driver-postgresql")
    database = urlsplit(postgresql_database).path.strip("/")
    run(postgresql_database, f"CREATE ROLE hub LOGIN; ALTER DATABASE {database} OWNER TO hub; {as_said(database)}")
    yield postgresql_database
    run(postgresql_database, f"ALTER DATABASE {database} OWNER TO aliquot; "
        "DROP OWNED BY reader, hub CASCADE; DROP ROLE reader; DROP ROLE hub")  # fmt: skip


@pytest.fixture
def hub(admin: str, tmp_path: Path) -> Hub:
    found = open_hub(admin.replace("//aliquot@", "//hub@"), tmp_path, admin.replace("//aliquot@", "//reader@"))
    load_table(found, "reads")
    return found


def run(url: str, statements: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def load_table(hub: Hub, name: str) -> None:
    file = LoadFile("/a", f"blake3:{name}", lambda: pl.DataFrame({"sample": ["x"]}))
    load(hub, Load(name, "append", SAMPLES, (file,), 1, (), "profiles", 1))


def test_a_query_has_the_reader_and_sees_what_was_loaded_before_and_after(hub: Hub) -> None:
    assert query(hub, "SELECT current_user, session_user").rows == [("reader", "reader")]
    load_table(hub, "later")
    assert query(hub, "SELECT r.sample FROM reads r JOIN later USING (sample)").rows == [("x",)]
    assert query_apart(hub, "SELECT current_user AS who, sample FROM reads").rows == [("reader", "x")]
    assert b"".join(csv_apart(hub, "SELECT current_user AS who")) == b"who\nreader\n"


MORE_THAN_READING = (
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT * FROM pg_ls_dir('/')",
    "COPY reads TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/rows'",
    "SET ROLE hub",
    "RESET ROLE",
    "SET SESSION AUTHORIZATION hub",
    "SELECT set_config('role', 'hub', false)",
    "SELECT set_config('session_authorization', 'hub', false)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/out')",
    "SELECT wipe()",
    "SELECT set_config('transaction_read_only', 'off', false), wipe()",
    "SELECT query_to_xml('DELETE FROM reads', true, true, '')",
    "SELECT nextval('counter')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hub'",
    "SELECT pg_reload_conf()",
    "SELECT * FROM pg_authid",
    "CREATE TABLE other (a INT)",
    "WITH gone AS (DELETE FROM reads RETURNING *) SELECT * FROM gone",
)


def test_whatever_is_more_than_reading_is_refused(hub: Hub) -> None:
    with hub.session() as session:
        session.execute("CREATE SEQUENCE counter")
        session.execute(
            "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM reads; SELECT 1'"
        )
        for sql in MORE_THAN_READING:
            with pytest.raises(Invalid) as refused:
                query(hub, sql)
            assert refused.value.code == "query-refused", sql
            assert query(hub, "SELECT sample FROM reads").rows == [("x",)], sql


TOO_MUCH = (
    ("GRANT INSERT ON reads TO reader", "REVOKE INSERT ON reads FROM reader", "may change tables"),
    ("GRANT hub TO reader", "REVOKE hub FROM reader", "may (make|change) tables"),
    ("ALTER ROLE reader SUPERUSER", "ALTER ROLE reader NOSUPERUSER", "superuser"),
    ("ALTER ROLE reader CREATEROLE", "ALTER ROLE reader NOCREATEROLE", "make roles"),
    ("GRANT pg_read_server_files TO reader", "REVOKE pg_read_server_files FROM reader", "more than read"),
    ("GRANT pg_monitor TO reader", "REVOKE pg_monitor FROM reader", "more than read"),
    ("GRANT UPDATE (sample) ON reads TO reader", "REVOKE UPDATE (sample) ON reads FROM reader", "may change tables"),
    ("GRANT CREATE ON SCHEMA public TO reader", "REVOKE CREATE ON SCHEMA public FROM reader", "make tables"),
)


def test_a_reader_that_may_more_gets_no_query(hub: Hub, admin: str) -> None:
    for more, less, said in TOO_MUCH:
        run(admin, more)
        with pytest.raises(Invalid, match=said) as refused:
            query(hub, "SELECT 1")
        assert refused.value.code == "hub-reader-refused"
        run(admin, less)
        assert query(hub, "SELECT 1 AS a").rows == [(1,)]
    run(admin, TOO_MUCH[0][0])
    with pytest.raises(Invalid) as apart:
        query_apart(hub, "SELECT 1")
    assert apart.value.code == "hub-reader-refused"


def test_a_role_that_may_read_everything_will_do(hub: Hub, admin: str) -> None:
    run(admin, "GRANT pg_read_all_data TO reader")
    assert query(hub, "SELECT sample FROM reads").rows == [("x",)]


def test_a_reader_that_is_not_there_is_told_by_its_setting(hub: Hub) -> None:
    gone = Hub(hub.dialect, hub.location, hub.reader.replace("//reader@", "//nobody-at-all@"))
    with pytest.raises(Unavailable, match="hub_reader") as unavailable:
        query(gone, "SELECT 1")
    assert unavailable.value.code == "hub-unavailable"


def test_a_reader_of_another_database_is_refused_at_the_start_and_before_a_query(
    hub: Hub, admin: str, tmp_path: Path
) -> None:  # fmt: skip
    require_same_database(hub)
    database = urlsplit(admin).path.strip("/")
    elsewhere = Hub(hub.dialect, hub.location, re.sub(f"/{database}([?]|$)", r"/postgres\1", hub.reader))
    assert elsewhere.reader != hub.reader
    run(admin, "GRANT CONNECT ON DATABASE postgres TO reader")
    (tmp_path / "lab").mkdir()
    settings = f"lab: one\nhub: {hub.location}\nhub_reader: {elsewhere.reader}\n"
    (tmp_path / "lab/aliquot.yaml").write_text(settings)
    with pytest.raises(Invalid) as refused:
        query_apart(elsewhere, "SELECT 1")
    assert refused.value.code == "hub-reader-elsewhere"
    for words in (("serve", "--listen", "127.0.0.1:0"), ("up",), ("hub", "query", "SELECT 1")):
        said = aliquot(*words, "--lab", str(tmp_path / "lab"))
        assert (said.code, "[hub-reader-elsewhere]" in said.err) == (2, True), (words, said)
    # Where the server's own number is secret, number and name of the database decide.
    run(admin, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    try:
        with pytest.raises(Invalid):
            require_same_database(elsewhere)
        other_way = Hub(hub.dialect, hub.location, f"{hub.reader}&application_name=again")
        require_same_database(other_way)
    finally:
        run(admin, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
    with pytest.raises(Unavailable, match="hub_reader"):
        require_same_database(Hub(hub.dialect, hub.location, hub.reader.replace("//reader@", "//nobody-at-all@")))


def test_a_reader_is_for_postgresql(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="hub_reader"):
        open_hub("sqlite:///hub.db", tmp_path, "postgresql://reader@host/hub")


def test_a_lab_without_a_reader_says_so_at_a_glance(tmp_path: Path) -> None:
    settings = "lab: one\nhub: postgresql://hub@127.0.0.1:1/hub\n"
    (tmp_path / "aliquot.yaml").write_text(settings)
    assert "hub_reader" in aliquot("status", "--lab", str(tmp_path)).err
    (tmp_path / "aliquot.yaml").write_text(settings + "hub_reader: postgresql://reader@127.0.0.1:1/hub\n")
    assert "hub_reader" not in aliquot("status", "--lab", str(tmp_path)).err
    (tmp_path / "aliquot.yaml").write_text("lab: one\nhub_reader: postgresql://reader@127.0.0.1:1/hub\n")
    refused = aliquot("apply", "--dry-run", "--lab", str(tmp_path)).err
    assert "aliquot.yaml:2:13: hub_reader: a hub on SQLite has no roles" in " ".join(refused.split())
