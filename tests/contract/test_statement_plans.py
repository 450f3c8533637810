"""What pages and lists ask the databases for is found through an index: none of them reads a large table whole."""

import re
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine, event

from aliquot.lab import open_lab
from aliquot.server.app import registered
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings
from running_server import PASSWORD, form_word

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))

from large_catalogue import inflate, make_lab

FILES, TASKS, RUNS = 10_000, 300, 8

LARGE = "entry|task|attempt|receipt|audit|event|output|key_input|result|blob"

PLACES = {
    "number": "2", "name": "images", "version": "2", "before": "1", "step": "copy", "ordinal": "7", "attempt": "1",
    "stream": "stdout", "other": "3", "path": "plate-0001/well-0/image-0001001.tif", "project": "lab",
}  # fmt: skip
OTHERS = {"pipelines": "copies", "people": "admin", "sources": "none", "hub": "none", "uploads": "none"}
"""What `name` stands for elsewhere."""

READ_WHOLE = (
    "/audit/verify", "/audit/export", "/zip", "/administration/runs", "/administration/storage", "/usage", "/csv",
    "/parquet",
)  # fmt: skip
"""Addresses that go over everything because that is what they are asked for."""

QUERIES = (
    "/runs?state=RUNNING", "/runs?pipeline=copies&who=bench", "/runs/2/tasks?stands=waiting",
    "/runs/2/tasks?stands=parked", "/runs/2/tasks?cause=oom", "/runs/2/tasks?datum=99", "/runs/2/compare?other=3",
    "/datasets/images/2?folder=/plate-0001/", "/datasets/copies/2/lineage/image-0000010.tif?unfold=all",
    "/datasets/copies/2/lineage/", "/administration/audit?who=bench", "/metrics",
)  # fmt: skip


class Asked:
    """Keeps each statement that reads, once, with the address for which it was asked."""

    def __init__(self, engine: Engine) -> None:
        self.address = ""
        self.statements: dict[str, tuple[Any, str]] = {}
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Connection, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        # What is added up beside the pages is kept, and costs nobody who waits for a page.
        beside = threading.current_thread().name == "kept"
        if self.address and not beside and re.match(r"(SELECT|WITH)\b", statement):
            self.statements.setdefault(statement, (values, self.address))


def _addresses() -> list[str]:
    found: list[str] = []
    for route in registered():
        # A twin asks what its page does, and previews are files.
        if route.method != "GET" or route.kind == "twin" or "/view/" in route.path:
            continue
        if route.path.endswith(READ_WHOLE) or route.path.startswith(("/logout", "/events/")):
            continue
        noun = route.path.removeprefix("/api/v1").split("/")[1]
        places = PLACES | ({"name": OTHERS[noun]} if noun in OTHERS else {})
        path = re.sub(r"\{(\w+)(?::path)?\}", lambda part, places=places: places.get(part[1], "1"), route.path)
        if not path.endswith(("/stream", "/events")):
            found.append(path)
    return [*dict.fromkeys(found), *QUERIES]


def _whole(connection: Connection, statement: str, values: Any) -> list[str]:
    """Give the steps of a statement's plan that read a large table from end to end."""
    if connection.dialect.name == "postgresql":
        [[plans]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).all()
        return _sequential(plans[0]["Plan"], bounded=False)
    steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    # The newest of a table, in its own order, up to a limit: it ends there.
    ends = "LIMIT" in statement and not any("TEMP B-TREE FOR" in each for each in steps)
    return [each for each in steps if re.match(rf"SCAN ({LARGE})(_\d+)?\b", each) and not ends]


def _sequential(plan: dict[str, Any], *, bounded: bool) -> list[str]:
    kind = plan["Node Type"]
    bounded = (bounded or kind == "Limit") and kind not in {"Sort", "Aggregate", "Hash", "WindowAgg"}
    found = [each for part in plan.get("Plans", ()) for each in _sequential(part, bounded=bounded)]
    table = plan.get("Relation Name", "")
    if re.fullmatch(LARGE, table) and kind != "Bitmap Heap Scan" and "Index Cond" not in plan and not bounded:
        found.append(f"{kind} {table} {plan.get('Filter', '')}")
    return found


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_large_table_is_read_whole(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = "sqlite:///.aliquot/catalogue.db"
    if database == "postgresql":
        url = request.getfixturevalue("postgresql_database")
    folder = tmp_path / "lab"
    make_lab(folder, url)
    inflate(folder, FILES, TASKS, RUNS)
    with open_lab(folder) as lab, Server(lab, read_settings("127.0.0.1:0")) as server:
        asked = Asked(lab.catalogue.engine)
        with httpx.Client(base_url=server.address, timeout=120) as client:
            sent = {"password": PASSWORD, "again": PASSWORD, "csrf": form_word(client.get(server.first_link).text)}
            assert client.post(server.first_link, data=sent).status_code == 303
            for path in _addresses():
                asked.address = path
                # Files of the large catalogue have no bytes: their own pages say so, after all the rows were read.
                assert client.get(path).status_code != 503
            asked.address = ""
        # As many kinds of statements as pages have: what was asked for was looked at indeed.
        assert len(asked.statements) > 100
        with lab.catalogue.read() as connection:
            if database == "postgresql":
                # Small tables are read whole where that is cheaper: what counts is whether another way is there.
                for way in ("seqscan", "hashjoin", "mergejoin"):
                    connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
            found = {
                statement: (steps, address)
                for statement, (values, address) in asked.statements.items()
                if (steps := _whole(connection, statement, values))
            }
    assert not found, "\n\n".join(f"{where}\n{steps}\n{statement}" for statement, (steps, where) in found.items())
