from pathlib import Path

import pytest

from aliquot.formats.check import check
from aliquot.formats.dialect import detect, detect_bytes, header
from aliquot.model.file_type import FileType


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_equal_rows(delimiter: str) -> None:
    text = f"id{delimiter}name{delimiter}note\n1{delimiter}a{delimiter}x. y\n2{delimiter}b{delimiter}z\n"
    assert detect_bytes(text.encode()).delimiter == delimiter


def test_commas_in_cells_do_not_mislead() -> None:
    assert detect_bytes(b"id;amount;place\n1;2,50;Bonn, Germany\n2;3,75;Paris\n").delimiter == ";"
    assert detect_bytes(b'id,text\n1,"a;b;c"\n2,"d;e;f"\n').delimiter == ","


def test_a_single_column_has_the_default_delimiter() -> None:
    assert detect_bytes(b"id\n1\n2\n").delimiter == ","
    assert detect_bytes(b"id\n1\n", tabs_first=True).delimiter == "\t"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"a,b\n1,2\n", "utf-8"),
        ("a,ü\n1,€\n".encode(), "utf-8"),
        (b"\xef\xbb\xbfa,b\n", "utf-8-sig"),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + "a,b\n".encode("utf-16-be"), "utf-16-be"),
        ("a,ü\n".encode("cp1252"), "cp1252"),
        (b"a,\x81\xfc\n", "latin-1"),
    ],
)
def test_encodings(content: bytes, encoding: str) -> None:
    assert detect_bytes(content).encoding == encoding


def test_a_character_cut_by_the_end_of_the_head_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"a\n" + b"x" * (64 * 1024 - 3) + "ü".encode() * 10)
    assert detect(path).encoding == "utf-8"


@pytest.mark.parametrize(
    ("content", "quote"),
    [
        (b"'id','name'\n'1','a, b'\n", "'"),
        (b"id;note\n1;'it''s; here'\n2;'x'\n", "'"),
        (b"id,name\n1,'a'\n", '"'),
        (b"id,end\n1,'5\n2,'3'\n3,'x'\n", '"'),
        (b"id,name\n1,O'Brien\n2,5'\n", '"'),
        (b"id,name,note\n1,'a','b'\n2,\"c\",'d'\n", '"'),
        (b"", '"'),
    ],
)
def test_the_mark_that_texts_stand_in(content: bytes, quote: str) -> None:
    assert detect_bytes(content).quote == quote


def test_a_table_in_single_marks_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("'id','note'\n1,'a, b'\n2,'it''s'\nx,'c'\n")
    assert header(path) == ["id", "note"]
    table = {"fields": [{"name": "id", "type": "integer"}, {"name": "note", "constraints": {"maxLength": 4}}]}
    kind = FileType.model_validate({"type": "t", "recognise": {"name": "*"}, "format": "table", "table": table})
    report = check(kind, {"x.csv": path})
    assert [(each.code, each.row, each.field) for each in report.findings] == [("type-error", 4, "id")]
    assert report.facts["dialect"]["quote"] == "'"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    assert detect_bytes(f"a,b{end}1,2{end}".encode()).line_end == end


def test_a_first_row_of_numbers_or_dates_is_no_header() -> None:
    assert detect_bytes(b"id,date\n1,2023-01-31\n").header
    assert not detect_bytes(b"1,x\n2,y\n").header
    assert not detect_bytes(b"x,2023-01-31\ny,2023-02-01\n").header


def test_the_document_names_everything() -> None:
    assert detect_bytes(b"a;b\r\n1;2\r\n").document() == {
        "encoding": "utf-8",
        "delimiter": ";",
        "quote": '"',
        "header": True,
        "line_end": "\r\n",
        "mark": 0,
    }


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (b"", None),
        (b"\n\n", None),
        (b"\x1f\x8b\x08\x00\x00\x00rubbish", None),
        (b"PK\x03\x04\x00\x00", None),
        (b" a , b \n1,2\n", ["a", "b"]),
        (b'"a\nx";b\n1;2\n', ["a\nx", "b"]),
        (b"\xff\xfe" + "a\tä\n1\t2\n".encode("utf-16-le"), ["a", "ä"]),
        (b"\xef\xbb\xbfa,b\n", ["a", "b"]),
    ],
)
def test_the_header_alone(tmp_path: Path, content: bytes, labels: list[str] | None) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    assert header(path) == labels


def test_no_header_in_a_file_without_lines(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"x" * 200_000)
    assert header(path) is None
