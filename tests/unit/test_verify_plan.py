"""Verifying one dataset looks for each blob's files by their digest: else it would take the square of its files."""

import re
from typing import Any

from sqlalchemy import Connection, event

from aliquot.blobs import Store
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue
from datasets_world import add


def test_files_of_a_blob_are_found_by_its_digest(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "wells", {"/a": "a", "/b": "b" * 200_000})
    asked: list[tuple[str, Any]] = []

    def note(_connection: Connection, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if "EXISTS" in statement and re.search(r"FROM entry\b", statement):
            asked.append((statement, values))

    event.listen(catalogue.engine, "before_cursor_execute", note)
    assert verify(catalogue, store, "wells").damages == ()
    event.remove(catalogue.engine, "before_cursor_execute", note)
    assert asked
    with catalogue.read() as connection:
        for statement, values in asked:
            steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            searches = [each for each in steps if each.startswith("SEARCH entry")]
            assert searches
            assert all("ix_entry_digest" in each for each in searches), steps
