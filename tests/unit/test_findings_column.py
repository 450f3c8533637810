"""The findings of a table's lines: by code, where there is room for the codes."""

from aliquot.cli.findings import findings_column

COUNTS = [{"constraint-error": 2, "type-error": 1}, {"not-recognised": 1}]


def test_codes_are_named_where_none_is_broken() -> None:
    others = [[">id", 1, 2], ["file", "/a.csv", "/b.csv"]]
    assert findings_column(COUNTS, others) == ["2 constraint-error, 1 type-error", "1 not-recognised"]


def test_findings_are_counted_where_a_code_would_be_broken() -> None:
    others = [["file", "/HSP1_charge_202401.csv", "/b.csv"], ["source", "b" * 4000, ""], ["for", "", ""]]
    assert findings_column(COUNTS, others) == ["3", "1"]


def test_a_column_without_a_value_takes_no_room() -> None:
    assert findings_column(COUNTS, [["a name that is longer than any terminal is wide" * 100, "", ""]])[1].endswith("d")
