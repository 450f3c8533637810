"""What is read of thousands of rows at once is the same on both databases, however many they are."""

import pytest
from sqlalchemy import Connection, Select, insert, select, text

from aliquot.datasets import places
from aliquot.db import Catalogue
from aliquot.db.rows import all_rows, among_listed, insert_rows, listed
from aliquot.db.tables import key_input, result
from aliquot.engine.document import input_places
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, digest_bytes

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

COLUMNS = ("key", "input", "path", "digest")
ODD = ['"', "\\", "\n", "\x01\x1f", "\u2028", "ä", "😀", "7", "null", "[]", "'; --", " "]


def paths_of(connection: Connection, keys: list[str]) -> list[str]:
    query: Select[str, str] = select(key_input.c.key, key_input.c.path).where(
        among_listed(connection.dialect.name, key_input.c.key)
    )
    return sorted(path for _, path in all_rows(connection, query, listed(connection, keys)))


@both
@pytest.mark.parametrize("count", [0, 1, 3, 15, 300, 1_100, 10_000, 10_001, 12_345])
def test_rows_come_back_as_they_went(catalogue: Catalogue, count: int) -> None:
    wanted = [f"/{number:06d}{ODD[number % len(ODD)]}" for number in range(count)]
    with catalogue.write() as connection:
        assert insert_rows(connection, key_input, COLUMNS, [("k", "i", path, "d") for path in wanted]) == count
        connection.execute(insert(key_input).values(key="other", input="i", path="/other", digest="d"))
    with catalogue.read() as connection:
        assert paths_of(connection, ["k"]) == sorted(wanted)
        assert paths_of(connection, []) == []
        assert paths_of(connection, ["none"]) == []


@both
def test_a_task_s_files_come_in_the_order_of_inputs_and_paths(catalogue: Catalogue) -> None:
    here, gone = digest_bytes(b"here"), digest_bytes(b"gone")
    listed = [("b", "/2"), ("a", "/10"), ("b", "/1"), ("a", "/9"), ("a", "/é"), ("a", "/Z")]
    with catalogue.write() as connection:
        insert_rows(connection, key_input, COLUMNS, [("k", name, path, here) for name, path in listed])
        insert_rows(connection, key_input, COLUMNS, [("l", "a", "/x", gone), ("l", "a", "/y", EMPTY)])
        places.record(connection, [Location(here, 2**40, gone, 7)])
    with catalogue.read() as connection:
        found = input_places(connection, ["l", "k", "m"])
    assert [(name, path) for name, path, _ in found["k"]] == sorted(listed)
    assert {place for _, _, place in found["k"]} == {Location(here, 2**40, gone, 7)}
    assert [(path, place.size) for _, path, place in found["l"]] == [("/x", -1), ("/y", 0)]
    assert found["m"] == []


@pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("kept", "read"), [(' {"a": 1}\n', {"a": 1}), ('{"a":1}', {"a": 1}), ('"x"', "x")])
def test_json_is_read_however_it_is_set(catalogue: Catalogue, kept: str, read: object) -> None:
    assert _exports(catalogue, kept) == read


@pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kept", ['{"a":1}garbage', '{"a":1}{"b":2}', '{"a"', "x"])
def test_damaged_json_is_no_value(catalogue: Catalogue, kept: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column"):
        _exports(catalogue, kept)


def _exports(catalogue: Catalogue, kept: str) -> object:
    with catalogue.write() as connection:
        connection.execute(
            text("INSERT INTO result (key, parts, exports, created_at) VALUES ('k', '{}', :kept, 0)"), {"kept": kept}
        )
    with catalogue.read() as connection:
        return connection.execute(select(result.c.exports)).scalar_one()
