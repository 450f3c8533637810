"""The hub over SQLite and PostgreSQL: the same cases, the same answers."""

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from services import require_service

pl = pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.hub.hub import Hub, open_hub  # noqa: E402
from aliquot.hub.lineage import lineage_of, rows_from  # noqa: E402
from aliquot.hub.load import Load, LoadFile, LoadResult, load  # noqa: E402
from aliquot.hub.query import query, tables  # noqa: E402
from aliquot.model.errors import Conflict, Invalid, Unavailable  # noqa: E402
from aliquot.model.table_schema import TableSchema  # noqa: E402

EVERY_TYPE = TableSchema.model_validate(
    {
        "fields": [
            {"name": "n", "type": "integer"},
            {"name": "amount", "type": "number"},
            {"name": "day", "type": "date"},
            {"name": "at", "type": "datetime"},
            {"name": "clock", "type": "time"},
            {"name": "ok", "type": "boolean"},
            {"name": "detail", "type": "object"},
            {"name": 'naïve "name"', "type": "string"},
        ]
    }
)
EVERY_VALUE = [
    (-(2**53) - 1, 0.1, "2024-02-29", "2024-02-29T03:04:05Z", "01:02:03", "true", '{"a": 1}', "Ünïcødé → 測試 'q'"),
    (None,) * 8,
    (7, 1 / 3, "1969-12-31", "2024-02-29T03:04:05.25Z", "23:59:59.5", "0", '{"b": [null]}', "; DROP TABLE t"),
]
SAMPLES = TableSchema.model_validate(
    {"fields": [{"name": "sample", "type": "string"}, {"name": "reads", "type": "integer"}]}
)


@pytest.fixture(params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Hub:
    if request.param == "sqlite":
        require_service(find_spec("adbc_driver_sqlite") is not None, "the PyPI package adbc-driver-sqlite")
        return open_hub("sqlite:///hub.db", tmp_path)
    require_service(find_spec("adbc_driver_postgresql") is not None, "the PyPI package adbc-driver-postgresql")
    return open_hub(request.getfixturevalue("postgresql_database"), tmp_path)


def samples(path: str, *rows: tuple[str | None, int | None], digest: str | None = None) -> LoadFile:
    frame = pl.DataFrame(rows, schema={"sample": pl.String, "reads": pl.Int64}, orient="row")
    return LoadFile(path, digest or f"blake3:{frame.hash_rows(0).sum()}-{path}", lambda: frame)


def loaded(hub: Hub, mode: str, version: int, *files: LoadFile, **options: object) -> LoadResult:
    settings: dict[str, object] = {"schema": SAMPLES, "table": "reads", "dataset": "profiles", "run": version}
    if mode == "upsert":
        settings["key"] = ("sample",)
    settings |= options
    return load(hub, Load(mode=mode, version=version, files=files, **settings))  # type: ignore[arg-type]


def content(hub: Hub, columns: str = "sample, reads") -> list[tuple[object, ...]]:
    return query(hub, f"SELECT {columns} FROM reads ORDER BY 1, 2").rows


def test_every_type_comes_back_as_it_went_in(hub: Hub) -> None:
    names = [field.name for field in EVERY_TYPE.fields]
    text = [tuple(str(v) if isinstance(v, int | float) else v for v in row) for row in EVERY_VALUE]
    frame = pl.DataFrame(text, schema=dict.fromkeys(names, pl.String), orient="row")
    loaded(hub, "append", 1, LoadFile("/x.csv", "blake3:x", lambda: frame), schema=EVERY_TYPE, table="types")
    got = query(hub, "SELECT * FROM types")
    kinds = ["integer", "number", "date", "datetime", "time", "boolean", "json", "string"]
    assert got.columns == (*names, "_dataset", "_version", "_path", "_run")
    assert got.types == (*kinds, "string", "integer", "string", "integer")
    first, nothing, last = got.rows
    assert first[:2] == (-(2**53) - 1, 0.1)
    assert first[2:6] == ("2024-02-29", "2024-02-29 03:04:05", "01:02:03", True)
    assert first[7:] == (EVERY_VALUE[0][7], "profiles", 1, "/x.csv", 1)
    assert str(first[6]).replace(" ", "") == '{"a":1}'
    assert nothing == (None,) * 8 + ("profiles", 1, "/x.csv", 1)
    assert last[1] == 1 / 3
    assert last[2] == "1969-12-31"
    assert str(last[3]).startswith("2024-02-29 03:04:05.25")
    assert str(last[4]).startswith("23:59:59.5")
    assert last[5] is False
    assert last[7] == "; DROP TABLE t"


def test_typed_frames_are_taken_as_they_are(hub: Hub) -> None:
    zoned = dt.datetime(2024, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    frame = pl.DataFrame(
        {
            "n": [1.0],
            "amount": pl.Series(["12.30"]).cast(pl.Decimal(10, 2)),
            "day": [dt.date(2024, 1, 1)],
            "at": [zoned],
            "clock": [dt.time(1)],
            "ok": [True],
            "detail": [{"k": "ü"}],
            'naïve "name"': pl.Series(["x"]).cast(pl.Categorical),
        }
    )
    loaded(hub, "append", 1, LoadFile("/x", "blake3:x", lambda: frame), schema=EVERY_TYPE, table="types")
    row = query(hub, "SELECT * FROM types").rows[0]
    assert row[:6] == (1, 12.3, "2024-01-01", "2023-12-31 23:00:00", "01:00:00", True)
    assert "ü" in str(row[6])


def test_money_adds_up_to_the_cent(hub: Hub) -> None:
    schema = TableSchema.model_validate({"fields": [{"name": "amount", "type": "number"}]})
    frame = pl.DataFrame({"amount": ["0.10", "0.20", "1000000.07"] * 1000})
    loaded(hub, "append", 1, LoadFile("/c", "blake3:c", lambda: frame), schema=schema, table="charges")
    assert query(hub, "SELECT sum(amount) AS total FROM charges").rows == [(1_000_000_370.0,)]


def test_a_value_that_its_type_cannot_hold_is_refused_by_name_and_loads_nothing(hub: Hub) -> None:
    bad = pl.DataFrame({"sample": ["a"], "reads": ["many"]})
    with pytest.raises(Invalid, match=r"/bad\.csv: the column 'reads'") as refused:
        loaded(hub, "append", 1, samples("/a", ("a", 1)), LoadFile("/bad.csv", "blake3:b", lambda: bad))
    assert refused.value.code == "hub-value-refused"
    assert tables(hub) == []


def test_append_loads_each_content_once_and_a_changed_file_beside(hub: Hub) -> None:
    a, b = samples("/a", ("a", 1)), samples("/b", ("b", 2))
    assert loaded(hub, "append", 1, a, b).added == 2
    before = tables(hub)
    again = loaded(hub, "append", 1, a, b)
    assert (again.added, again.unchanged) == (0, 2)
    assert tables(hub) == before
    assert loaded(hub, "append", 2, a, samples("/b", ("b", 3))).added == 1
    assert content(hub, "sample, reads, _version") == [("a", 1, 1), ("b", 2, 1), ("b", 3, 2)]


def test_upsert_replaces_by_key_and_the_last_path_wins(hub: Hub) -> None:
    first = loaded(hub, "upsert", 1, samples("/b", ("x", 2), ("y", 5)), samples("/a", ("x", 1), ("x", 7)))
    assert (first.added, first.replaced, first.doubles) == (2, 0, 2)
    assert content(hub) == [("x", 2), ("y", 5)]
    second = loaded(hub, "upsert", 2, samples("/b", ("x", 2), ("y", 5)), samples("/a", ("x", 9), ("z", 1)))
    assert (second.added, second.replaced, second.unchanged) == (1, 1, 1)
    assert content(hub, "sample, reads, _path, _version") == [("x", 9, "/a", 2), ("y", 5, "/b", 1), ("z", 1, "/a", 2)]


def test_upsert_takes_a_content_that_came_back(hub: Hub) -> None:
    for version, reads in ((1, 1), (2, 2), (3, 1)):
        loaded(hub, "upsert", version, samples("/a", ("x", reads)))
    assert content(hub, "sample, reads, _version") == [("x", 1, 3)]


def test_upsert_refuses_a_row_without_a_key(hub: Hub) -> None:
    with pytest.raises(Invalid, match=r"/a: 1 row\(s\) have no value in the key") as refused:
        loaded(hub, "upsert", 1, samples("/a", (None, 1), ("x", 2)))
    assert refused.value.code == "hub-key-null"


def test_upsert_by_number_and_several_columns(hub: Hub) -> None:
    schema = TableSchema.model_validate(
        {"fields": [{"name": "sample", "type": "string"}, {"name": "reads", "type": "number"}]}
    )
    for version in (1, 2):
        file = LoadFile("/a", f"blake3:{version}", lambda: pl.DataFrame({"sample": ["x"], "reads": [0.1]}))
        result = loaded(hub, "upsert", version, file, schema=schema, key=("sample", "reads"))
    assert (result.added, result.replaced) == (0, 1)
    assert content(hub, "sample, reads, _version") == [("x", 0.1, 2)]


def test_replace_holds_exactly_the_rows_of_the_version(hub: Hub) -> None:
    loaded(hub, "replace", 1, samples("/a", ("a", 1)), samples("/b", ("b", 2)), samples("/c", ("c", 3)))
    second = loaded(hub, "replace", 2, samples("/a", ("a", 1)), samples("/b", ("b", 9)), samples("/d", ("d", 4)))
    assert (second.added, second.removed, second.unchanged) == (2, 2, 1)
    assert content(hub) == [("a", 1), ("b", 9), ("d", 4)]
    assert (
        loaded(hub, "replace", 2, samples("/a", ("a", 1)), samples("/b", ("b", 9)), samples("/d", ("d", 4))).added == 0
    )
    assert loaded(hub, "replace", 3).removed == 3
    assert content(hub) == []


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_an_older_version_after_a_newer_one_is_stale(hub: Hub, mode: str) -> None:
    loaded(hub, mode, 5, samples("/a", ("x", 5)))
    stale = loaded(hub, mode, 4, samples("/a", ("x", 4)), run=9)
    assert stale.stale
    assert "profiles@4" in stale.note
    assert "profiles@5" in stale.note
    assert content(hub) == [("x", 5)]


def test_an_older_version_is_appended_and_does_not_become_the_last(hub: Hub) -> None:
    loaded(hub, "append", 5, samples("/a", ("x", 5)))
    assert loaded(hub, "append", 4, samples("/a", ("x", 4))).added == 1
    assert [(table.dataset, table.version, table.rows) for table in tables(hub)] == [("profiles", 5, 2)]


def test_a_run_that_published_nothing_can_be_loaded(hub: Hub) -> None:
    for run in (1, 2, 2):
        loaded(hub, "upsert", 0, samples("/a", ("x", run)), dataset=None, run=run)
    assert loaded(hub, "upsert", 0, samples("/a", ("x", 1)), dataset=None, run=1).stale
    assert content(hub, "sample, reads, _dataset, _run") == [("x", 2, None, 2)]


def test_a_changed_schema_is_refused_until_accepted(hub: Hub) -> None:
    loaded(hub, "upsert", 1, samples("/a", ("x", 1)))
    fields = [
        {"name": "sample", "type": "string"},
        {"name": "reads", "type": "number"},
        {"name": "lane", "type": "date"},
    ]
    wider = TableSchema.model_validate({"fields": fields})
    file = LoadFile("/b", "blake3:b", lambda: pl.DataFrame({"sample": ["y"], "reads": [1.5], "lane": ["2024-01-01"]}))
    with pytest.raises(Conflict, match="accept_schema_change: true") as refused:
        loaded(hub, "upsert", 2, file, schema=wider)
    assert refused.value.code == "hub-schema-changed"
    assert refused.value.facts["changes"] == ["lane is added (date)", "reads is widened to number"]
    accepted = loaded(hub, "upsert", 2, file, schema=wider, accept_schema_change=True)
    assert accepted.changes == ("lane is added (date)", "reads is widened to number")
    rows = query(hub, "SELECT sample, reads, lane, _version FROM reads ORDER BY 1")
    assert rows.types == ("string", "number", "date", "integer")
    assert rows.rows == [("x", 1.0, None, 1), ("y", 1.5, "2024-01-01", 2)]
    # the key still holds after the table was rebuilt, and the added column is met in its place
    again = LoadFile("/c", "blake3:c", lambda: pl.DataFrame({"sample": ["x"], "reads": [2.5], "lane": ["2024-01-02"]}))
    assert loaded(hub, "upsert", 3, again, schema=wider).replaced == 1
    assert content(hub, "sample, reads, lane") == [("x", 2.5, "2024-01-02"), ("y", 1.5, "2024-01-01")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([{"name": "sample", "type": "string"}], "reads is gone"),
        ([{"name": "sample", "type": "integer"}, {"name": "reads", "type": "integer"}], "sample changes from string"),
    ],
)
def test_what_would_lose_data_is_always_refused(hub: Hub, fields: list[dict[str, str]], said: str) -> None:
    loaded(hub, "append", 1, samples("/a", ("x", 1)))
    with pytest.raises(Conflict, match=said) as refused:
        loaded(
            hub,
            "append",
            2,
            samples("/a", ("x", 2)),
            schema=TableSchema.model_validate({"fields": fields}),
            accept_schema_change=True,
        )
    assert "new name" in refused.value.message
    assert content(hub) == [("x", 1)]


def test_a_table_of_somebody_else_is_left_alone(hub: Hub) -> None:
    with hub.session() as session:
        session.execute("CREATE TABLE reads (mine TEXT)")
    with pytest.raises(Conflict) as refused:
        loaded(hub, "replace", 1, samples("/a", ("x", 1)))
    assert refused.value.code == "hub-table-foreign"
    assert query(hub, "SELECT * FROM reads").columns == ("mine",)


def test_rows_that_share_a_key_keep_a_table_from_being_upserted(hub: Hub) -> None:
    loaded(hub, "append", 1, samples("/a", ("x", 1), ("x", 2)))
    with pytest.raises(Conflict) as refused:
        loaded(hub, "upsert", 2, samples("/a", ("x", 3)))
    assert refused.value.code == "hub-key-not-unique"


_KILLED = """
import sys
from pathlib import Path
import polars as pl
from aliquot.hub.hub import open_hub
from aliquot.hub.load import Load, LoadFile, load
from aliquot.model.table_schema import TableSchema

def second():
    print("the first file is in", flush=True)
    sys.stdin.read()

rows = 300_000
first = pl.DataFrame({"sample": [f"s{n}" for n in range(rows)], "reads": range(rows)})
fields = [{"name": "sample", "type": "string"}, {"name": "reads", "type": "integer"}]
files = (LoadFile("/1", "blake3:1", lambda: first), LoadFile("/2", "blake3:2", second))
schema = TableSchema.model_validate({"fields": fields})
mode, url, folder = sys.argv[1:]
key = ("sample",) if mode == "upsert" else ()
load(open_hub(url, Path(folder)), Load("reads", mode, schema, files, 2, key, "profiles", 2))
"""


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_a_load_that_is_killed_leaves_nothing_half_done(hub: Hub, mode: str, tmp_path: Path) -> None:
    loaded(hub, mode, 1, samples("/0", ("s0", -1), ("old", 1)))
    url = f"sqlite:///{hub.location}" if hub.dialect == "sqlite" else hub.location
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, mode, url, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "the first file is in\n"
    child.kill()
    child.wait()
    child.stdout.close()
    child.stdin.close()
    assert content(hub) == [("old", 1), ("s0", -1)]
    assert [(table.version, table.rows) for table in tables(hub)] == [(1, 2)]

    first = pl.DataFrame({"sample": [f"s{n}" for n in range(1000)], "reads": range(1000)})
    last = samples("/2", ("s0", 77))
    for _ in range(2):
        loaded(hub, mode, 2, LoadFile("/1", "blake3:1", lambda: first), last)
    expected = {"append": (1003, 499_500 + 77 - 1 + 1), "upsert": (1001, 499_500 + 77 + 1), "replace": (1001, 499_577)}
    assert query(hub, "SELECT count(*) AS n, sum(reads) AS total FROM reads").rows == [expected[mode]]


def test_two_loads_of_one_table_take_turns(hub: Hub) -> None:
    inside, go_on, second_began = threading.Event(), threading.Event(), threading.Event()
    frame = pl.DataFrame({"sample": ["x"], "reads": [1]})

    def slow() -> object:
        inside.set()
        assert go_on.wait(60)
        return frame

    def fast() -> object:
        second_began.set()
        return pl.DataFrame({"sample": ["x", "y"], "reads": [2, 2]})

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(loaded, hub, "upsert", 1, LoadFile("/a", "blake3:1", slow))  # type: ignore[arg-type]
        assert inside.wait(60)
        second = pool.submit(loaded, hub, "upsert", 2, LoadFile("/a", "blake3:2", fast))  # type: ignore[arg-type]
        overlapped = second_began.wait(0.5)
        go_on.set()
        assert not overlapped
        assert first.result().added == 1
        assert (second.result().added, second.result().replaced) == (1, 1)
    assert content(hub) == [("x", 2), ("y", 2)]


def test_many_loads_at_once_lose_nothing(hub: Hub) -> None:
    def one(number: int) -> int:
        table = f"table_{number % 2}"
        return loaded(hub, "append", 1, samples(f"/{number}", (f"s{number}", number)), table=table).added

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(12))) == 12
    assert [(table.name, table.rows) for table in tables(hub)] == [("table_0", 6), ("table_1", 6)]


def test_readers_see_the_old_rows_while_a_load_is_under_way(hub: Hub) -> None:
    loaded(hub, "replace", 1, samples("/a", ("x", 1)))
    seen: list[object] = []
    file = samples("/a", ("x", 2))

    def look() -> object:
        seen.extend(content(hub))
        return file.rows()

    loaded(hub, "replace", 2, LoadFile("/a", "blake3:other", look))  # type: ignore[arg-type]
    assert seen == [("x", 1)]
    assert content(hub) == [("x", 2)]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO reads (sample) VALUES ('z')",
        "UPDATE reads SET reads = 0",
        "DELETE FROM reads",
        "DROP TABLE reads",
        "CREATE TABLE other (a INT)",
        "SELECT 1; DROP TABLE reads",
        "SELECT 1) ; DROP TABLE reads; --",
        "SELECT 1) UNION SELECT 2; DELETE FROM reads; SELECT * FROM (SELECT 1",
        "WITH gone AS (DELETE FROM reads RETURNING *) SELECT * FROM gone",
        "PRAGMA query_only = off",
        "PRAGMA writable_schema = on",
        "ATTACH 'elsewhere.db' AS elsewhere",
        "COMMIT",
        "COMMIT; DELETE FROM reads",
        "SET TRANSACTION READ WRITE",
        "COPY reads TO PROGRAM 'true'",
        "SELECT setval('counter', 5)",
        "SELECT load_extension('x')",
        "VACUUM INTO 'copy.db'",
        "EXPLAIN ANALYZE DELETE FROM reads",
        "DO $$ BEGIN DELETE FROM reads; END $$",
    ],
)
def test_a_query_cannot_write(hub: Hub, sql: str) -> None:
    loaded(hub, "append", 1, samples("/a", ("x", 1)))
    if hub.dialect == "postgresql":
        with hub.session() as session:
            session.execute("CREATE SEQUENCE counter")
    with pytest.raises(Invalid, match="single SELECT") as refused:
        query(hub, sql)
    assert refused.value.code == "query-refused"
    assert content(hub) == [("x", 1)]


def test_a_function_that_writes_is_refused(postgresql_database: str, tmp_path: Path) -> None:
    require_service(find_spec("adbc_driver_postgresql") is not None, "the PyPI package adbc-driver-postgresql")
    hub = open_hub(postgresql_database, tmp_path)
    loaded(hub, "append", 1, samples("/a", ("x", 1)))
    with hub.session() as session:
        session.execute("CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM reads; SELECT 1'")
    for sql in ("SELECT wipe()", "SELECT set_config('transaction_read_only', 'off', false), wipe()"):
        with pytest.raises(Invalid):
            query(hub, sql)
    query(hub, "SELECT lo_from_bytea(4242, 'x')")  # PostgreSQL 15 lets this through; the rollback undoes it
    assert query(hub, "SELECT count(*) AS n FROM pg_largeobject_metadata").rows == [(0,)]
    assert content(hub) == [("x", 1)]


def test_a_query_says_what_is_wrong_in_the_databases_words(hub: Hub) -> None:
    with pytest.raises(Invalid, match="nonsense"):
        query(hub, "SELECT * FROM nonsense")
    with pytest.raises(Invalid, match="write a SELECT"):
        query(hub, " ; ")


def test_a_query_stops_at_its_limit_and_says_so(hub: Hub) -> None:
    loaded(hub, "append", 1, samples("/a", *((f"s{n}", n) for n in range(10))))
    some = query(hub, "SELECT reads FROM reads ORDER BY reads -- the first ones\n;", limit=3)
    assert some.rows == [(0,), (1,), (2,)]
    assert some.truncated
    assert not query(hub, "SELECT reads FROM reads", limit=10).truncated
    assert query(hub, "SELECT reads FROM reads WHERE reads < 0").rows == []


def test_values_of_a_query_keep_their_own_types(hub: Hub) -> None:
    sql = "SELECT 1 AS a, 1.5 AS b, 'ü' AS c, NULL AS d UNION ALL SELECT NULL, 0.30000000000000004, NULL, NULL"
    got = query(hub, sql)
    assert got.types[:3] == ("integer", "number", "string")
    assert got.rows == [(1, 1.5, "ü", None), (None, 0.30000000000000004, None, None)]
    assert len(query(hub, "SELECT 1 AS a, 2 AS a").rows[0]) == 2


def test_tables_tell_columns_rows_and_last_load(hub: Hub) -> None:
    assert tables(hub) == []
    loaded(hub, "upsert", 3, samples("/a", ("x", 1)), run=8)
    (table,) = tables(hub)
    assert (table.name, table.key, table.rows) == ("reads", ("sample",), 1)
    assert (table.dataset, table.version, table.run) == ("profiles", 3, 8)
    assert table.columns[:2] == (("sample", "string"), ("reads", "integer"))
    assert dt.datetime.fromisoformat(table.loaded_at).utcoffset() == dt.timedelta(0)


def test_lineage_finds_the_rows_of_a_published_path(hub: Hub) -> None:
    assert lineage_of(hub, "profiles", 1, ["/a"]) == []
    a = samples("/a's", ("x", 1), ("y", 2))
    loaded(hub, "append", 1, a, samples("/b", ("z", 3)))
    loaded(hub, "append", 2, a, samples("/b", ("z", 4), ("w", 4)))
    loaded(hub, "replace", 2, a, table="latest")
    assert lineage_of(hub, "profiles", 2, ["/a's", "/b", "/none"]) == [
        ("latest", "/a's", 2),
        ("reads", "/a's", 2),
        ("reads", "/b", 2),
    ]
    assert rows_from(hub, "reads", "profiles", 1, "/b") == 1
    assert rows_from(hub, "reads", "others", 1, "/b") == 0


@pytest.mark.parametrize("url", ["postgresql://nobody:geheim@127.0.0.1:1/none", "sqlite:////proc/none/hub.db"])
def test_a_hub_that_is_down_is_unavailable_and_keeps_its_password(url: str, tmp_path: Path) -> None:
    require_service(find_spec("adbc_driver_postgresql") is not None, "the PyPI package adbc-driver-postgresql")
    down = open_hub(url, tmp_path)
    asked: list[Callable[[], object]] = [lambda: loaded(down, "append", 1, samples("/a", ("x", 1)))]
    if down.dialect == "postgresql":
        asked += [lambda: query(down, "SELECT 1"), lambda: tables(down), lambda: lineage_of(down, "d", 1, ["/a"])]
    for ask in asked:
        with pytest.raises(Unavailable) as unavailable:
            ask()
        assert unavailable.value.code == "hub-unavailable"
        assert "aliquot.yaml" in unavailable.value.message
        assert "geheim" not in str(unavailable.value.document())


def test_a_hub_that_is_not_a_database_is_damaged(tmp_path: Path) -> None:
    from aliquot.model.errors import Damaged

    (tmp_path / "hub.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(Damaged):
        loaded(open_hub("sqlite:///hub.db", tmp_path), "append", 1, samples("/a", ("x", 1)))
