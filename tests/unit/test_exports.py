"""Values out of `out/exports.json`."""

from typing import Any

import pytest

from aliquot.engine.exports import LARGEST, exported_values


@pytest.mark.parametrize(
    ("path", "value"),
    [("summary.total", 7), ("parts[0]", "a"), ("parts", ["a", "b"]), ("summary", {"total": 7}), ("ok", False)],
)
def test_a_path_gives_any_json_value(path: str, value: Any) -> None:
    content = {"summary": {"total": 7}, "parts": ["a", "b"], "ok": False}
    assert exported_values({"x": path}, content) == ({"x": value}, "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "wrote no such file"),
        ({"y": 1}, "gives nothing there"),
        ({"x": None}, "gives nothing there"),
        ({"x": "a\0b"}, "holds the character NUL"),
        ({"x": "a" * (LARGEST + 1)}, "Write it to a file instead"),
    ],
)
def test_a_value_that_no_later_step_could_see_is_refused_where_it_is_made(content: Any, words: str) -> None:
    values, problem = exported_values({"x": "x"}, content)
    assert values == {}
    assert "export x" in problem
    assert words in problem
