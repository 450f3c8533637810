"""A query that never ends is ended."""

from pathlib import Path

import pytest

from aliquot.hub.hub import open_hub
from aliquot.hub.query_apart import query_apart
from aliquot.model.errors import Invalid, Unavailable


def test_a_query_that_never_ends_is_ended(tmp_path: Path) -> None:
    hub = open_hub("sqlite:///hub.db", tmp_path)
    with hub.session() as session:
        session.execute("CREATE TABLE t (a INTEGER)")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"
    with pytest.raises(Invalid) as caught:
        query_apart(hub, endless, seconds=2)
    assert caught.value.code == "query-too-long"
    assert query_apart(hub, "SELECT count(*) AS c FROM t", seconds=60).rows == [(0,)]


def test_a_query_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    hub = open_hub("sqlite:///hub.db", tmp_path)
    with hub.session() as session:
        session.execute("CREATE TABLE t (a INTEGER)")
        session.execute("INSERT INTO t VALUES (1), (2), (3)")
    with pytest.raises(Invalid) as large:
        query_apart(hub, "SELECT hex(zeroblob(8000000)) AS a FROM t", seconds=60)
    assert large.value.code == "query-too-large"
    many = ", ".join(f"hex(zeroblob(400000000)) AS c{number}" for number in range(8))
    with pytest.raises((Invalid, Unavailable)):
        query_apart(hub, f"SELECT {many} FROM t", seconds=60)
    assert query_apart(hub, "SELECT count(*) AS c FROM t", seconds=60).rows == [(3,)]
