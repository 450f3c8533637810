from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pl = pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.formats.table_rules import ColumnRules  # noqa: E402
from aliquot.formats.table_sieve import sieve  # noqa: E402
from aliquot.model.table_schema import Field, TableSchema  # noqa: E402

FIELDS: list[dict[str, Any]] = [
    {"type": "string", "constraints": {"minLength": 2, "maxLength": 3}},
    {"type": "string", "constraints": {"pattern": r"\d+(?:-[a-z]{2})?"}},
    {"type": "string", "constraints": {"pattern": r"[^\d]+"}},
    {"type": "string", "constraints": {"pattern": "[0-9]++1"}},
    {"type": "string", "constraints": {"pattern": "[a-z&&b]+"}},
    {"type": "string", "constraints": {"pattern": r"\w+\s?x"}},
    {"type": "string", "constraints": {"pattern": "a|bc"}},
    {"type": "string", "constraints": {"pattern": "1.*$"}},
    {"type": "string", "constraints": {"enum": ["1", "a"]}},
    {"type": "string", "format": "uuid"},
    {"type": "integer"},
    {"type": "integer", "constraints": {"minimum": 0}},
    {"type": "integer", "constraints": {"minimum": 1, "maximum": 2.5}},
    {"type": "integer", "constraints": {"exclusiveMinimum": 1, "maximum": 10**30}},
    {"type": "integer", "groupChar": "."},
    {"type": "number"},
    {"type": "number", "constraints": {"minimum": 0}},
    {"type": "number", "constraints": {"minimum": 0.1, "exclusiveMaximum": "1"}},
    {"type": "number", "constraints": {"maximum": "1.00000000000000000001"}},
    {"type": "number", "decimalChar": ",", "constraints": {"minimum": 1}},
    {"type": "number", "decimalChar": ",", "groupChar": "."},
    {"type": "boolean"},
    {"type": "date"},
    {"type": "date", "format": "%Y-%m-%d", "constraints": {"minimum": "2023-02-01", "exclusiveMaximum": "2024-01-01"}},
    {"type": "datetime"},
    {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S"},
    {"type": "time"},
    {"type": "year"},
    {"type": "yearmonth"},
    {"type": "list", "itemType": "integer"},
    {"type": "object", "constraints": {"jsonSchema": {"required": ["a"]}}},
]
DIGITS = st.integers(-(10**20), 10**20).map(str)
DATES = st.tuples(st.integers(0, 3000), st.integers(0, 13), st.integers(0, 32)).map(
    lambda parts: f"{parts[0]:04d}-{parts[1]:02d}-{parts[2]:02d}"
)
CLOCKS = st.tuples(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)).map(
    lambda parts: f"{parts[0]:02d}:{parts[1]:02d}:{parts[2]:02d}"
)
ZONES = st.sampled_from(["", "Z", ".5", "+14:00", "-13:59", "+25:00", ".1234567Z"])
TEXTS = st.one_of(
    st.text(alphabet="0123456789.,-+eE abcxN\n٣ä&", max_size=8),
    st.text(max_size=4),
    DIGITS,
    st.tuples(DIGITS, st.sampled_from([".", ","]), DIGITS.map(lambda text: text.lstrip("-"))).map("".join),
    st.sampled_from(
        ["", "NA", "0.09999999999999999999999", "1.00000000000000000002", "0.99999999999999999999", "true"]
    ),
    DATES,
    st.tuples(DATES, st.sampled_from(["T", " "]), CLOCKS, ZONES).map("".join),
    st.tuples(CLOCKS, ZONES).map("".join),
)


@settings(max_examples=200, deadline=None)
@given(
    described=st.sampled_from(FIELDS),
    required=st.booleans(),
    texts=st.lists(TEXTS | st.none(), min_size=1, max_size=40),
)
def test_no_bad_cell_passes(described: dict[str, Any], required: bool, texts: list[str | None]) -> None:
    constraints = {**described.get("constraints", {}), "required": required}
    field = Field.model_validate({"name": "x", **described, "constraints": constraints})
    rules = ColumnRules(field, TableSchema(fields=[field], missingValues=["", "NA"]))
    good = sieve(rules, "x", nullable=True)
    if good is None:
        assert all(not rules.judge(text) for text in texts)
        return
    frame = pl.DataFrame({"x": texts}, schema={"x": pl.String}).with_columns(good.alias("good"))
    assert frame["good"].null_count() == 0
    assert [text for text, passed in frame.rows() if passed and rules.judge(text)] == []


@pytest.mark.parametrize(
    ("described", "texts"),
    [
        ({"type": "string", "constraints": {"pattern": "C[0-9]{3}"}}, ["C001", "C999"]),
        ({"type": "number", "constraints": {"minimum": 0}}, ["0", "12.50", "799999.99"]),
        ({"type": "number", "constraints": {"minimum": -1.5}}, ["0", "-1.50", "12.5"]),
        ({"type": "integer", "constraints": {"minimum": 1}}, ["1", "900000000000"]),
        ({"type": "date", "constraints": {"maximum": "2030-12-31"}}, ["2030-12-31", "1999-02-28"]),
        ({"type": "datetime"}, ["2023-01-31T10:20:30Z", "2023-01-31T10:20:30.125+02:00"]),
        ({"type": "string", "constraints": {"enum": ["P01", "SELF"]}}, ["P01", "SELF"]),
        ({"type": "boolean"}, ["true", "0"]),
    ],
)
def test_usual_good_cells_pass_at_once(described: dict[str, Any], texts: list[str]) -> None:
    field = Field.model_validate({"name": "x", **described})
    good = sieve(ColumnRules(field, TableSchema(fields=[field])), "x", nullable=False)
    assert good is not None
    assert pl.DataFrame({"x": texts}).select(good).to_series().all()
