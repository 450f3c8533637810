from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.formats.table import check_table
from aliquot.formats.table_split import split_table
from aliquot.model.table_schema import TableSchema

SCHEMA = TableSchema.model_validate({"fields": [{"name": "a", "type": "integer"}, {"name": "b"}]})


def split(folder: Path, content: bytes) -> tuple[tuple[int, int], bytes, bytes]:
    path, valid, refused = folder / "t.csv", folder / "valid.csv", folder / "refused.csv"
    path.write_bytes(content)
    counts = split_table(path, check_table(path, SCHEMA), valid, refused)
    return counts, valid.read_bytes(), refused.read_bytes()


def test_rows_keep_their_bytes_and_order(tmp_path: Path) -> None:
    content = b'a,b\r\n1,"x, ""y""\r\nz"\r\nq,2\n"3",z\r\n\nr,"\xc3\xbc"'
    counts, valid, refused = split(tmp_path, content)
    assert counts == (2, 3)
    assert valid == b'a,b\r\n1,"x, ""y""\r\nz"\r\n"3",z\r\n'
    assert refused == b'a,b\r\nq,2\n\nr,"\xc3\xbc"'


def test_plain_files(tmp_path: Path) -> None:
    counts, valid, refused = split(tmp_path, b"\xef\xbb\xbfa,b\n1,x\nq,y\n2,z")
    assert counts == (2, 1)
    assert valid == b"\xef\xbb\xbfa,b\n1,x\n2,z"
    assert refused == b"\xef\xbb\xbfa,b\nq,y\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_encodings(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff".encode(encoding)
    _, valid, refused = split(tmp_path, mark + "a,b\n1,\U0001f9ea\nq,ü\n".encode(encoding))
    assert valid == mark + "a,b\n1,\U0001f9ea\n".encode(encoding)
    assert refused == mark + "a,b\nq,ü\n".encode(encoding)


def test_damaged_wide_files_are_refused_byte_for_byte(tmp_path: Path) -> None:
    content = b"\xff\xfe" + "a,b\n1,x\n".encode("utf-16-le") + b"\x00\xd8\x41"
    counts, valid, refused = split(tmp_path, content)
    assert counts[0] == 0
    assert refused == content
    assert valid == b"\xff\xfe" + "a,b\n".encode("utf-16-le")


@pytest.mark.parametrize("content", [b"b,a\n1,2\n3,4\n", b"a\n1\n2\n", b"\nx\ny\n"])
def test_a_bad_header_refuses_every_row(tmp_path: Path, content: bytes) -> None:
    counts, valid, refused = split(tmp_path, content)
    assert counts == (0, 2)
    assert refused == content
    assert valid == content.splitlines(keepends=True)[0]


def test_an_empty_file(tmp_path: Path) -> None:
    assert split(tmp_path, b"") == ((0, 0), b"", b"")


CELL = st.sampled_from(["1", "q", "", '"x"', '"a,b"', '"a\nb"', '"', 'a"b', "ü", "\0", "\r", "\udcff"])
ROW = st.lists(CELL, max_size=4).map(",".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(ROW, st.sampled_from(["\n", "\r\n", "\r"])), max_size=8), cut=st.booleans())
def test_both_halves_always_add_up(tmp_path: Path, rows: list[tuple[str, str]], cut: bool) -> None:
    body = "".join(row + end for row, end in rows)
    content = ("a,b\n" + (body[:-1] if cut else body)).encode("utf-8", "surrogateescape")
    counts, valid, refused = split(tmp_path, content)
    head = b"a,b\n"
    assert valid.startswith(head)
    assert refused.startswith(head)
    assert len(valid) + len(refused) == len(content) + len(head)
    report = check_table(tmp_path / "t.csv", SCHEMA, most=10_000)
    assert sum(counts) == report.facts["rows"]
    assert counts[1] == len(report.refused_rows)
    if not refused[len(head) :]:
        assert valid == content


def test_a_blank_end_is_no_good_row(tmp_path: Path) -> None:
    content = b"a,b\nq,x\n\n"
    counts, valid, refused = split(tmp_path, content)
    assert counts == (0, 1)
    assert (valid, refused) == (b"a,b\n\n", b"a,b\nq,x\n")
