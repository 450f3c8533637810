"""Which type a file is of when several fit: the one that asks for more, or none."""

from pathlib import Path
from typing import Any

import pytest

from aliquot.formats.json_shape import json_keys
from aliquot.formats.recognise import Recognition, recognise
from aliquot.model.file_type import FileType


def _recognise(tmp_path: Path, name: str, content: str, *rules: dict[str, Any]) -> Recognition:
    file = tmp_path / name
    file.write_text(content)
    types = [FileType.model_validate({"type": f"t{at}", "recognise": rule}) for at, rule in enumerate(rules)]
    return recognise(name, "/" + name, file, types)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"name": "*"}, {"name": "*.csv"}),
        ({"name": "*.csv"}, {"name": "plate*.csv"}),
        ({"extension": "csv"}, {"name": "plate*.csv"}),
        ({"name": "*.csv"}, {"columns": ["a"]}),
        ({"columns": ["a"]}, {"columns": ["a", "b"]}),
        ({"name": "plate*.csv", "columns": ["a"]}, {"name": "*.csv", "columns": ["a", "b"]}),
        ({"first": "a"}, {"first": "a", "columns": ["b"]}),
        ({"magic": "612c"}, {"magic": "61 2c 62"}),
        ({"name": "*.csv"}, {"name": "*.csv", "path": "/**"}),
    ],
)
def test_the_type_that_asks_for_more_is_chosen_in_either_order(
    tmp_path: Path, less: dict[str, Any], more: dict[str, Any]
) -> None:
    for rules, chosen in (((less, more), "t1"), ((more, less), "t0")):
        found = _recognise(tmp_path, "plate1.csv", "a,b\n1,2\n", *rules)
        assert found.type
        assert (found.type.type, found.several) == (chosen, True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "*.csv"}, {"extension": ".csv"}),
        ({"name": "plate*"}, {"name": "*.csv"}),
        ({"columns": ["a"]}, {"columns": ["b"]}),
        ({"columns": ["a"]}, {"first": "a"}),
    ],
)
def test_no_coin_is_tossed(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> None:
    found = _recognise(tmp_path, "plate1.csv", "a,b\n1,2\n", one, other)
    assert (found.type, found.candidates) == (None, ("t0", "t1"))


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ('{"a": {"x": 1}, "b": ["c:", {"d": 2}], "e\\"f": ":"}', {"a", "b", 'e"f'}),
        ('[{"a": 1}, {"b": 2}]', {"a"}),
        ('{"a": 1}\n{"b": 2}\n', {"a"}),
        ('{"a": 1, "b": {"c": [', {"a", "b"}),
        ("{}", set()),
        ("[1, 2]", None),
        ("a,b\n", None),
        ("", None),
    ],
)
def test_the_keys_of_a_json_document_are_seen_however_much_follows(
    tmp_path: Path, content: str, keys: set[str] | None
) -> None:
    file = tmp_path / "x"
    file.write_text("\ufeff" + content)
    found = json_keys(file)
    assert (None if found is None else set(found)) == keys


def test_a_file_that_lies_about_its_name_is_taken_for_what_it_is(tmp_path: Path) -> None:
    rules = ({"columns": ["id"]}, {"json": ["id"]}, {"root": "mzML"})
    for content, chosen in (('{"id": 1}', "t1"), ("<mzML/>", "t2"), ("id,x\n1,2\n", "t0")):
        found = _recognise(tmp_path, "data.csv", content, *rules)
        assert found.type
        assert found.type.type == chosen
    assert "found 'a'" not in _recognise(tmp_path, "x", '{"a": 1}', {"json": ["b"]}).explain()
    assert "'b'" in _recognise(tmp_path, "x", '{"a": 1}', {"json": ["b"]}).explain()
