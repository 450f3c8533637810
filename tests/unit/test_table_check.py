from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.formats.table import TableFormat, check_table
from aliquot.formats.table_read import read_table
from aliquot.formats.table_rules import require_usable
from aliquot.model.errors import Invalid
from aliquot.model.finding import Finding, Report, Severity
from aliquot.model.table_schema import TableSchema


def schema(*fields: dict[str, Any], **more: Any) -> TableSchema:
    return TableSchema.model_validate({"fields": list(fields), **more})


CHARGES = schema(
    {"name": "id", "type": "string", "constraints": {"required": True, "pattern": "C[0-9]{3}"}},
    {"name": "amount", "type": "number", "constraints": {"minimum": 0}},
    {"name": "day", "type": "date", "constraints": {"maximum": "2030-12-31"}},
    primaryKey="id",
)


def check(tmp_path: Path, content: str | bytes, against: TableSchema = CHARGES, most: int = 100) -> Report:
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return check_table(path, against, most=most)


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


def test_a_good_file(tmp_path: Path) -> None:
    report = check(tmp_path, "id,amount,day\nC001,2.50,2024-02-29\nC002,,\n")
    assert report.valid
    assert report.counts == {}
    assert report.refused_rows == ()
    assert report.facts["rows"] == 2
    assert report.facts["columns"] == ["id", "amount", "day"]
    assert report.facts["encoding"] == "utf-8"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("C002,-4.00,", "Row 3: amount is -4.00, but must be at least 0."),
        (",1,", "Row 3: id is empty, but a value is required."),
        ("X,1,", 'Row 3: id is "X", but must match the pattern C[0-9]{3}.'),
        ("C002,x,", 'Row 3: amount is "x", but should be a number.'),
        ('C002,"0,06",', 'Row 3: amount is "0,06", but should be a number, with a point before decimals.'),
        ("C002,1,2023-02-29", 'Row 3: day is "2023-02-29", but should be a date (YYYY-MM-DD).'),
        ("C002,1,2031-01-01", 'Row 3: day is "2031-01-01", but must be at most 2030-12-31.'),
        ("C001,1,", 'Row 3: id is "C001", which stands in row 2 already.'),
        ("C002,1", "Row 3 has only 2 of 3 cells: day is missing."),
        ("C002,1,,x", 'Row 3 has 4 cells, but the header has 3; the first cell too many is "x".'),
        (
            "C002,,0,05",
            (
                "Row 3 has 4 cells, but the header has 3; the first cell too many is 05 "
                "(a decimal comma? write the number with a point, or in quotes)."
            ),
        ),
        (" ", 'Row 3: id is " ", but must match the pattern C[0-9]{3}.'),
    ],
)
def test_findings_speak_plainly(tmp_path: Path, row: str, text: str) -> None:
    report = check(tmp_path, f"id,amount,day\nC001,1,\n{row}\nC009,1,\n")
    assert text in [finding.text for finding in report.findings]
    assert report.refused_rows == (1,)
    assert not report.valid


def test_findings_carry_their_place(tmp_path: Path) -> None:
    found = only(check(tmp_path, "id,amount,day\nC001,-4.00,\n"))
    assert found.document() == {
        "code": "constraint-error",
        "text": "Row 2: amount is -4.00, but must be at least 0.",
        "severity": "error",
        "row": 2,
        "field": "amount",
        "value": "-4.00",
        "rule": "minimum",
    }


def test_counts_know_what_findings_leave_out(tmp_path: Path) -> None:
    rows = "".join(f"C{number:03d},-1,x\n" for number in range(500))
    report = check(tmp_path, "id,amount,day\n" + rows, most=7)
    assert report.counts == {"constraint-error": 500, "type-error": 500}
    assert [finding.row for finding in report.findings] == [2, 2, 3, 3, 4, 4, 5]
    assert report.refused_rows == tuple(range(500))


def test_most_keeps_the_first_findings_of_late_and_early_stages(tmp_path: Path) -> None:
    report = check(tmp_path, "id,amount,day\nC001,1,\nC001,1,\nC002,-1,\nC003,-1,\n", most=2)
    assert [(finding.row, finding.code) for finding in report.findings] == [(3, "primary-key"), (4, "constraint-error")]


def test_an_empty_file(tmp_path: Path) -> None:
    assert only(check(tmp_path, b"")).code == "source-error"


@pytest.mark.parametrize("content", [b"\n", b",,\n", b"\n\na,b\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_blank_header(tmp_path: Path, content: bytes) -> None:
    assert only(check(tmp_path, content)).code == "blank-header"


def test_a_missing_header_is_guessed(tmp_path: Path) -> None:
    report = check(tmp_path, "C001,1,2024-01-01\nC002,1,2024-01-01\n")
    assert report.findings[0].code == "incorrect-label"
    assert "is the header missing?" in report.findings[0].text


def test_columns_in_another_order(tmp_path: Path) -> None:
    report = check(tmp_path, "amount,id,day\n1,C001,\n")
    assert "the order matters" in report.findings[0].text
    assert check(tmp_path, "amount,id,day\n1,C001,\n", CHARGES.model_copy(update={"fields_match": "equal"})).valid


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    found = check(tmp_path, "id,amount,day\nC001,1,\nC002,1").findings
    assert [finding.code for finding in found] == ["missing-cell"]
    assert "cut off" in found[0].text
    assert "cut off" not in check(tmp_path, "id,amount,day\nC001,1,\nC002,1\n").findings[0].text


def test_a_quotation_mark_left_open(tmp_path: Path) -> None:
    report = check(tmp_path, 'id,amount,day\nC001,1,\nC002,1,"2024-01-01\nC003,1,\n')
    assert report.findings[0].code == "unbalanced-quote"
    assert report.findings[0].row == 3
    assert report.refused_rows == (1,)
    assert report.facts["rows"] == 2


def test_nul_bytes(tmp_path: Path) -> None:
    found = only(check(tmp_path, b"id,note\n1,a\x00b\n2,c\n", schema({"name": "id"}, {"name": "note"})))
    assert (found.code, found.row, found.field, found.value) == ("encoding-error", 2, "note", "a␀b")


def test_long_cells_are_cut_in_findings(tmp_path: Path) -> None:
    found = only(check(tmp_path, "id,amount,day\nC001,1," + "x\ty" * 300_000 + "\n"))
    assert found.value is not None
    assert len(found.value) == 200
    assert len(found.text) < 150


def test_bytes_of_another_encoding_among_utf8(tmp_path: Path) -> None:
    content = "id,note\n1,Größe\n".encode() + b"2,Gr\xfc\xdfe\n3,x\n"
    found = only(check(tmp_path, content, schema({"name": "id"}, {"name": "note"})))
    assert (found.code, found.row, found.field) == ("encoding-error", 3, "note")


def test_latin_letters_far_into_the_file_are_read_with_a_warning(tmp_path: Path) -> None:
    content = b"id,note\n" + b"1,x\n" * 50_000 + b"2,Gr\xfc\xdfe\n"
    report = check(tmp_path, content, schema({"name": "id"}, {"name": "note", "constraints": {"maxLength": 5}}))
    assert report.valid
    assert only(report).severity is Severity.WARNING
    assert report.facts["encoding"] == "cp1252"
    assert report.facts["rows"] == 50_001


def test_damaged_utf16(tmp_path: Path) -> None:
    content = b"\xff\xfe" + "id,note\n1,x\n".encode("utf-16-le") + b"\x00\xd8\x41"
    report = check(tmp_path, content, schema({"name": "id"}, {"name": "note"}))
    assert "encoding-error" in report.counts
    assert not report.valid


def test_a_parquet_file_is_no_text(tmp_path: Path) -> None:
    assert only(check(tmp_path, b"PAR1\x00\x01")).code == "format-error"


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 40, b"\x00" * 100, b'"' * 99, b"\r" * 9 + b"a", b"a\rb\rc", b"\xff" * 50]
)
def test_rubbish_gives_findings(tmp_path: Path, content: bytes) -> None:
    assert not check(tmp_path, content).valid


def test_old_mac_line_ends(tmp_path: Path) -> None:
    report = check(tmp_path, "id,amount,day\rC001,1,\rC002,-1,\r")
    assert only(report).row == 3
    assert report.facts["rows"] == 2


def test_mixed_line_ends(tmp_path: Path) -> None:
    report = check(tmp_path, "id,amount,day\nC001,1,\r\nC002,1,2024-01-01\r\nC003,1,2024-01-01\nC004,1,")
    assert report.valid
    assert report.facts["rows"] == 4


def test_short_and_long_rows_do_not_cancel_out(tmp_path: Path) -> None:
    plain = schema({"name": "a"}, {"name": "b"})
    report = check(tmp_path, "a,b\n1,2,\n3\n", plain)
    assert report.counts == {"extra-cell": 1, "missing-cell": 1}


def test_a_ragged_row_is_told_once(tmp_path: Path) -> None:
    plain = schema({"name": "a"}, {"name": "b"}, {"name": "c"})
    report = check(tmp_path, "a,b,c\n1\n1,2,3,4,5\n", plain)
    assert [finding.text for finding in report.findings] == [
        "Row 2 has only 1 of 3 cells: b, c are missing.",
        "Row 3 has 5 cells, but the header has 3; the first cell too many is 4.",
    ]
    assert report.counts == {"missing-cell": 1, "extra-cell": 1}


@pytest.mark.parametrize("end", ["\n", "\n\n\n", ",,\n", "\n,,\n\n"])
def test_blank_rows_at_the_end_are_a_warning_each(tmp_path: Path, end: str) -> None:
    report = check(tmp_path, "id,amount,day\nC001,1,\n" + end)
    assert report.valid
    assert {(each.code, each.severity) for each in report.findings} == {("blank-row", Severity.WARNING)}
    assert len(report.findings) == end.count("\n")
    assert (report.refused_rows, report.facts["rows"]) == ((), 1)
    assert read_table(tmp_path / "table.csv", CHARGES).height == 1


def test_a_blank_row_between_others_is_an_error_told_once(tmp_path: Path) -> None:
    report = check(tmp_path, "id,amount,day\nC001,1,\n\nC002,1,\n\n")
    assert [(each.code, each.row, each.severity) for each in report.findings] == [
        ("blank-row", 3, Severity.ERROR), ("blank-row", 5, Severity.WARNING),
    ]  # fmt: skip
    assert report.refused_rows == (1,)


def test_one_column(tmp_path: Path) -> None:
    one = schema({"name": "a", "type": "integer"})
    assert check(tmp_path, "a\n1\n2\n", one).valid
    report = check(tmp_path, "a\n1\n\n2\n", one)
    assert (only(report).code, only(report).row) == ("blank-row", 3)


def test_quoted_cells_take_both_ways(tmp_path: Path) -> None:
    plain = schema({"name": "a"}, {"name": "b", "type": "integer"})
    regular = check(tmp_path, 'a,b\n"x, ""y""","1"\n"",2\n', plain)
    broken_line = check(tmp_path, 'a,b\n"x\ny",1\n"z",q\n', plain)
    assert regular.valid
    assert only(broken_line).row == 3


def test_unique_keys_ignore_rows_with_a_gap(tmp_path: Path) -> None:
    keyed = schema({"name": "a"}, {"name": "b"}, {"name": "c"}, uniqueKeys=[["a", "b"]])
    report = check(tmp_path, "a,b,c\nx,1,1\nx,,2\nx,,3\nx,1,4\n", keyed)
    found = only(report)
    assert (found.code, found.row, found.rule) == ("unique-error", 5, "uniqueKeys")


def test_a_primary_key_that_is_unique_besides_is_told_once(tmp_path: Path) -> None:
    keyed = schema({"name": "a", "constraints": {"unique": True}}, {"name": "b"}, primaryKey="a", uniqueKeys=[["a"]])
    report = check(tmp_path, "a,b\nx,1\nx,2\n", keyed)
    found = only(report)
    assert (found.code, found.row, found.rule) == ("primary-key", 3, "primaryKey")


def test_equal_numbers_written_differently_are_one_key(tmp_path: Path) -> None:
    keyed = schema({"name": "a", "type": "number", "constraints": {"unique": True}}, {"name": "b"})
    report = check(tmp_path, "a,b\n1.0,x\n1,x\n 1 ,x\n10e-1,x\n100,x\n1e2,x\n", keyed)
    assert [finding.row for finding in report.findings] == [3, 4, 5, 7]


def test_foreign_keys_into_the_file(tmp_path: Path) -> None:
    keyed = schema(
        {"name": "id"},
        {"name": "parent"},
        foreignKeys=[{"fields": "parent", "reference": {"resource": "", "fields": "id"}}],
    )
    report = check(tmp_path, "id,parent\n1,\n2,1\n3,7\n", keyed)
    assert only(report).text == "Row 4: parent is 7, which stands nowhere in id."


def test_json_schema_and_categories(tmp_path: Path) -> None:
    rich = schema(
        {"name": "id"},
        {"name": "settings", "type": "object", "constraints": {"jsonSchema": {"required": ["power"]}}},
        {"name": "level", "type": "string", "categories": [{"value": "low", "label": "Low"}, "high"]},
    )
    report = check(tmp_path, 'id,settings,level\n1,"{""power"": 3}",low\n2,{},high\n3,,mid\n', rich)
    assert [(finding.row, finding.rule) for finding in report.findings] == [(3, "jsonSchema"), (4, "categories")]


def test_bounds_beyond_the_precision_of_floats(tmp_path: Path) -> None:
    near = schema({"name": "id"}, {"name": "x", "type": "number", "constraints": {"minimum": 1}})
    report = check(tmp_path, "id,x\n1,1.0000000000000000\n2,0.99999999999999999999\n", near)
    assert only(report).row == 3


def test_missing_values_of_a_field_hide_those_of_the_schema(tmp_path: Path) -> None:
    mixed = schema(
        {"name": "a", "type": "integer", "missingValues": ["-"]},
        {"name": "b", "type": "integer"},
        missingValues=["NA"],
    )
    report = check(tmp_path, "a,b\n-,NA\n-,1\nNA,1\n1,-\n1,\n", mixed)
    assert [(finding.code, finding.row) for finding in report.findings] == [
        ("blank-row", 2),
        ("type-error", 4),
        ("type-error", 5),
        ("type-error", 6),
    ]


@pytest.mark.parametrize(
    "field",
    [
        {"name": "a", "type": "string", "constraints": {"minimum": 1}},
        {"name": "a", "type": "integer", "constraints": {"minimum": "many"}},
        {"name": "a", "type": "string", "constraints": {"pattern": "["}},
        {"name": "a", "type": "string", "format": "ipv4"},
        {"name": "a", "type": "list", "itemType": "object"},
        {"name": "a", "type": "object", "constraints": {"jsonSchema": {"type": 5}}},
    ],
)
def test_schemas_that_contradict_themselves(field: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="'a'"):
        require_usable(schema(field))


def test_the_format_names_its_files(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,amount,day\nC001,-1,\n")
    report = TableFormat().check({"charges.csv": path}, {"table": CHARGES})
    assert only(report).file == "charges.csv"
    assert report.refused_rows == (0,)
    assert TableFormat().check({"charges.csv": path}, {}).valid
    with pytest.raises(Invalid, match="Table Schema"):
        TableFormat().check({"charges.csv": path}, {"table": {}})
