"""Previews of tables: any page, sorted and filtered, with the cells as they are written."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliquot.formats.preview import kind_of_preview, make_preview
from aliquot.formats.table_blocks import ROWS
from aliquot.formats.table_page import MOST_COLUMNS, Comparison, Filter, TableView, Wanted
from aliquot.model.errors import Invalid

AS_WRITTEN = Wanted()


def view(folder: Path, content: bytes | str, name: str = "plate.csv") -> TableView:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    kept = folder / f"kept-{name}"
    kept.mkdir(exist_ok=True)
    made = make_preview("table", [path], kept)
    assert "findings" not in made.summary, made.summary
    assert set(made.parts) == {"rows", "columns"}
    json.dumps(made.summary, allow_nan=False)
    return TableView(made.summary, made.parts)


def cells(table: TableView, wanted: Wanted = AS_WRITTEN, offset: int = 0, limit: int = 500) -> list[list[str]]:
    return [row["cells"] for row in table.page(wanted, offset, limit)["rows"]]


def column(table: TableView, at: int) -> dict[str, Any]:
    return table.summary["columns"][at]


def test_cells_are_shown_as_they_are_written(tmp_path: Path) -> None:
    table = view(tmp_path, "id,dose,day\n007,1.50,2026-01-02\n010,2.25,\n")
    assert cells(table) == [["007", "1.50", "2026-01-02"], ["010", "2.25", ""]]
    assert [column(table, at)["type"] for at in range(3)] == ["text", "number", "text"]


def test_numbers_sort_as_numbers_and_what_is_missing_comes_last(tmp_path: Path) -> None:
    table = view(tmp_path, "n,t\n10,b\n9,\nNA,a\n-1.5,c\n")
    assert [row[0] for row in cells(table, Wanted(sort=0))] == ["-1.5", "9", "10", "NA"]
    assert [row[0] for row in cells(table, Wanted(sort=0, descending=True))] == ["10", "9", "-1.5", "NA"]
    assert [row[1] for row in cells(table, Wanted(sort=1, descending=True))] == ["c", "b", "a", ""]
    assert [row["row"] for row in table.page(Wanted(sort=0), 0, 9)["rows"]] == [5, 3, 2, 4]


def test_few_texts_sort_as_many_do(tmp_path: Path) -> None:
    table = view(tmp_path, "t,n\n" + "".join(f"{text},1\n" for text in ["b", "", "\u00e4", "a", "B"] * 20))
    up = [row[0] for row in cells(table, Wanted(sort=0))]
    assert up == ["B"] * 20 + ["a"] * 20 + ["b"] * 20 + ["\u00e4"] * 20 + [""] * 20
    assert [row[0] for row in cells(table, Wanted(sort=0, descending=True))] == up[:80][::-1] + [""] * 20
    few = Wanted(sort=0, filters=(Filter(0, "is", "a"),))
    assert {row[0] for row in cells(table, few)} == {"a"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(0, "below", "10"), ["9", "-1.5"]),
        (Filter(0, "above", "9"), ["10"]),
        (Filter(0, "is", "9.0"), ["9"]),
        (Filter(0, "missing"), ["NA"]),
        (Filter(0, "there"), ["10", "9", "-1.5"]),
        (Filter(1, "contains", "BE"), ["10"]),
        (Filter(1, "missing"), ["9"]),
        (Filter(1, "is", "alpha"), ["NA"]),
        (Filter(1, "not", "alpha"), ["10", "9", "-1.5"]),
    ],
)
def test_rows_are_filtered(tmp_path: Path, wanted: Filter, found: list[str]) -> None:
    table = view(tmp_path, "n,t\n10,beta\n9,\nNA,alpha\n-1.5,(.*)\n")
    page = table.page(Wanted(filters=(wanted,)), 0, 10)
    assert [row["cells"][0] for row in page["rows"]] == found
    assert (page["matched"], page["height"]) == (len(found), 4)


def test_what_is_searched_for_is_text_and_no_pattern(tmp_path: Path) -> None:
    table = view(tmp_path, "t,n\n(.*),1\nabc,2\n")
    assert cells(table, Wanted(filters=(Filter(0, "contains", "(.*"),))) == [["(.*)", "1"]]


def test_a_number_or_column_that_is_none_is_said(tmp_path: Path) -> None:
    table = view(tmp_path, "n\n1\n")
    with pytest.raises(Invalid, match="'x' is no number"):
        table.page(Wanted(filters=(Filter(0, "below", "x"),)), 0, 10)
    with pytest.raises(Invalid, match="no column 8"):
        table.page(Wanted(sort=7), 0, 10)


def test_pages_go_on_where_the_one_before_ended(tmp_path: Path) -> None:
    rows = ROWS * 3 + 7
    table = view(tmp_path, "n\n" + "".join(f"{number}\n" for number in range(rows)))
    assert [int(row[0]) for at in range(0, rows, 100) for row in cells(table, AS_WRITTEN, at, 100)] == list(range(rows))
    last = table.page(Wanted(sort=0, descending=True), rows - 2, 100)["rows"]
    assert [row["cells"] for row in last] == [["1"], ["0"]]
    assert table.page(AS_WRITTEN, rows + 50, 10)["rows"] == []
    assert [row["cells"] for row in table.rows([1, 2, rows + 1, rows + 2])] == [["0"], [str(rows - 1)]]


def test_the_statistics_of_a_column_are_right(tmp_path: Path) -> None:
    table = view(tmp_path, "n,t\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(101)) + ",\nn/a,b\n")
    numbers, texts = column(table, 0), column(table, 1)
    wanted = {"count": 101, "missing": 2, "other": 0, "distinct": 101, "min": 0.0, "max": 100.0, "mean": 50.0}
    assert {name: numbers[name] for name in wanted} == wanted
    assert numbers["quantiles"] == [[0.05, 5.0], [0.25, 25.0], [0.5, 50.0], [0.75, 75.0], [0.95, 95.0]]
    assert sum(numbers["bins"]) == 101
    assert (texts["count"], texts["missing"], texts["distinct"], texts["frequent"]) == (
        102,
        1,
        2,
        [["a", 51], ["b", 51]],
    )


def test_numbers_with_a_few_words_among_them_stay_numbers_and_the_words_are_counted(tmp_path: Path) -> None:
    table = view(tmp_path, "n\n" + "1\n" * 99 + "<LOD\n")
    assert (column(table, 0)["type"], column(table, 0)["other"]) == ("number", 1)
    mixed = view(tmp_path, "n\n" + "1\n" * 6000 + "word\n" * 6000, "mixed.csv")
    assert column(mixed, 0)["type"] == "text"


def test_decimal_commas_are_numbers_where_cells_end_with_semicolons(tmp_path: Path) -> None:
    table = view(tmp_path, "n;t\n1,5;a\n0,25;b\n10,0;c\n")
    assert column(table, 0)["max"] == 10.0
    assert [row[0] for row in cells(table, Wanted(sort=0))] == ["0,25", "1,5", "10,0"]


@pytest.mark.parametrize("content", [
    b'a,b\n"x, y",1\n"line\nbreak",2\n',
    "a,b\n\u00e4,1\n\u00b5g,2\n".encode("cp1252"),
    "a,b\n\u00e4,1\n\u00b5g,2\n".encode("utf-16"),
    b"a,b\r\nshort\r\nlong,1,2,3\r\n",
    b"\xef\xbb\xbfa,b\nx,1\n\n\n",
])  # fmt: skip
def test_files_that_are_not_regular_are_shown_too(tmp_path: Path, content: bytes) -> None:
    table = view(tmp_path, content)
    text = content.decode(
        "utf-16" if content.startswith(b"\xff\xfe") else "utf-8-sig" if content[0] > 127 else "cp1252"
    )
    wanted = [[*row, "", ""][:2] for row in csv.reader(io.StringIO(text, newline=""))][1:]
    while wanted[-1] == ["", ""]:
        wanted.pop()
    assert cells(table) == wanted
    assert sorted(cells(table, Wanted(sort=0))) == sorted(wanted)


def test_a_table_without_labels_loses_no_row(tmp_path: Path) -> None:
    table = view(tmp_path, "1.0\t5\troot\n2.0\t6\tleaf\n", "report.txt")
    assert [each["name"] for each in table.summary["columns"]] == ["column 1", "column 2", "column 3"]
    assert [row["row"] for row in table.page(AS_WRITTEN, 0, 9)["rows"]] == [1, 2]
    assert column(table, 0)["min"] == 1.0


def test_parquet_is_a_table(tmp_path: Path) -> None:
    pl.DataFrame({"n": [1, None, 3], "t": ["a,b", "c\nd", None]}).write_parquet(tmp_path / "given.parquet")
    table = view(tmp_path, (tmp_path / "given.parquet").read_bytes(), "again.parquet")
    assert cells(table) == [["1", "a,b"], ["", "c\nd"], ["3", ""]]
    pl.DataFrame({"n": [[1, 2]]}).write_parquet(tmp_path / "nested.parquet")
    kept = tmp_path / "nested"
    kept.mkdir()
    made = make_preview("table", [tmp_path / "nested.parquet"], kept)
    assert made.summary["findings"][0]["code"] == "no-table"
    assert not made.parts


def test_a_wide_table_is_shown_in_parts(tmp_path: Path) -> None:
    width = MOST_COLUMNS + 10
    line = ",".join(str(number) for number in range(width))
    table = view(tmp_path, ",".join(f"c{number}" for number in range(width)) + f"\n{line}\n")
    assert len(cells(table)[0]) == MOST_COLUMNS
    assert table.page(AS_WRITTEN, 0, 1, MOST_COLUMNS)["rows"][0]["cells"] == [str(n) for n in range(width - 10, width)]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"PK\x03\x04xl/workbook", b"PAR1 broken PAR1"])
def test_what_is_no_table_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    kept = tmp_path / "kept"
    kept.mkdir()
    assert make_preview("table", [tmp_path / "f.csv"], kept).summary["findings"][0]["code"] == "no-table"


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, st.integers() | st.just("") | st.floats(allow_nan=False)), min_size=1, max_size=30)
)
def test_every_row_is_on_some_page_whatever_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, Any]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([("a", "b"), *rows, ("end", "end")])
    table = view(tmp_path_factory.mktemp("table"), text.getvalue().encode())
    wanted = sorted([str(a), str(b)] for a, b in [*rows, ("end", "end")])
    how: list[Comparison] = ["missing", "there"]
    for chosen in (AS_WRITTEN, Wanted(sort=0), Wanted(sort=1, descending=True)):
        assert sorted(cells(table, chosen)) == wanted
    assert sorted(row for each in how for row in cells(table, Wanted(filters=(Filter(1, each),)))) == wanted


def test_names_do_not_decide_alone() -> None:
    assert kind_of_preview("plate.csv", b"a,b\n1,2\n") == "table"
    assert kind_of_preview("notes.txt", b"We saw nothing.\nAgain nothing.\n") == "text"
    assert kind_of_preview("plate.csv", b"\x89PNG\r\n\x1a\n") == "picture"
    assert kind_of_preview("x.png", b"<html><script>alert(1)</script>") == "text"
    assert kind_of_preview("x.json", b' {"a": 1}') == "json"
    assert kind_of_preview("x.pdf", b"%PDF-1.7\n") == "bytes"
    assert kind_of_preview("x.csv", b"\0\1\2\3") == "bytes"
    assert kind_of_preview("x.imzML", b'<?xml version="1.0"?><mzML>') == "imzml"
    assert kind_of_preview("x.mzML", b'<?xml version="1.0"?><indexedmzML>') == "mzml"
    assert kind_of_preview("x.fq", b"@r\nACGT\n+\nIIII\n") == "fastq"
    assert kind_of_preview("x.txt", b"@r is an address\nno read\n") == "text"
