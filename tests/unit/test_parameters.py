"""Parameter values, from typed text to environment variables."""

from typing import Any

import pytest

from aliquot.engine.parameters import as_text, complete, parse_values
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Pipeline

PIPELINE = Pipeline.model_validate(
    {
        "pipeline": "p",
        "parameters": {
            "quality": {"type": "integer", "default": 20, "minimum": 0, "maximum": 40},
            "title": {"type": "string", "default": "Run"},
            "share": {"type": "number", "default": 0.5},
            "strict": {"type": "boolean", "default": False},
            "genes": {"type": "array", "items": {"type": "string"}, "default": []},
            "sample": {"type": "string"},
        },
        "inputs": {"in": {"dataset": "d"}},
        "steps": {"s": {"inputs": {"file": {"from": "in"}}, "command": "true"}},
    }
)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("quality", "30", 30),
        ("title", "30", "30"),
        ("title", "", ""),
        ("title", '"x"; rm -rf $HOME', '"x"; rm -rf $HOME'),
        ("share", "1e-3", 0.001),
        ("strict", "true", True),
        ("genes", '["a", "b"]', ["a", "b"]),
    ],
)
def test_text_is_read_by_the_type_of_its_parameter(name: str, text: str, value: Any) -> None:
    assert parse_values(PIPELINE, {name: text}) == {name: value}


def test_text_that_is_no_such_value_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="quality takes integer values, not 'high'") as caught:
        parse_values(PIPELINE, {"quality": "high"})
    assert caught.value.code == "parameter-refused"


def test_defaults_are_added() -> None:
    assert complete(PIPELINE, {"sample": "s"}) == {
        "quality": 20, "title": "Run", "share": 0.5, "strict": False, "genes": [], "sample": "s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({"sample": "s", "quality": 41}, "parameter-refused", "quality"),
        ({"sample": "s", "quality": "20"}, "parameter-refused", "quality"),
        ({"sample": "s", "genes": [1]}, "parameter-refused", "genes"),
        ({}, "parameter-missing", "sample"),
        ({"sample": "s", "qualty": 1}, "parameter-unknown", "quality"),
    ],
)
def test_a_refusal_names_the_parameter(values: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        complete(PIPELINE, values)
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ü $X", "ü $X"),
        (3, "3"),
        (0.1, "0.1"),
        (1e3, "1000"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (["é"], '["é"]'),
        ({"n": 1.0}, '{"n": 1.0}'),
    ],
)
def test_values_become_text_for_the_environment(value: Any, text: str) -> None:
    assert as_text(value) == text
