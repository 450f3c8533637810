"""A query that never ends is ended."""

from pathlib import Path

import pytest

from aliquot.hub.hub import open_hub
from aliquot.hub.query_apart import query_apart
from aliquot.model.errors import Invalid


def test_a_query_that_never_ends_is_ended(tmp_path: Path) -> None:
    hub = open_hub("sqlite:///hub.db", tmp_path)
    with hub.session() as session:
        session.execute("CREATE TABLE t (a INTEGER)")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"
    with pytest.raises(Invalid) as caught:
        query_apart(hub, endless, seconds=2)
    assert caught.value.code == "query-too-long"
    assert query_apart(hub, "SELECT count(*) AS c FROM t", seconds=60).rows == [(0,)]
