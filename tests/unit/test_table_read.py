from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pl = pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.formats.table_read import read_table  # noqa: E402
from aliquot.model.errors import Invalid  # noqa: E402
from aliquot.model.table_schema import TableSchema  # noqa: E402


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def column(tmp_path: Path, field: dict[str, Any], *cells: str) -> Any:
    path = write(tmp_path, "id;x\n" + "".join(f"r;{cell}\n" for cell in cells))
    schema = TableSchema.model_validate(
        {"fields": [{"name": "id"}, {"name": "x", **field}], "missingValues": ["", "NA"]}
    )
    return read_table(path, schema)["x"]


@pytest.mark.parametrize(
    ("field", "cells", "values", "dtype"),
    [
        ({"type": "string"}, ["a", "NA", "01"], ["a", None, "01"], pl.String),
        ({"type": "integer"}, ["1", "", " 7 ", "+3"], [1, None, 7, 3], pl.Int64),
        ({"type": "integer", "groupChar": "."}, ["1.234", "5"], [1234, 5], pl.Int64),
        ({"type": "number"}, ["1.5", "NA", "1e3", "INF"], [1.5, None, 1000.0, float("inf")], pl.Float64),
        ({"type": "number", "decimalChar": ",", "bareNumber": False}, ["1,5", "EUR 2,5"], [1.5, 2.5], pl.Float64),
        (
            {"type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]},
            ["ja", "nein", ""],
            [True, False, None],
            pl.Boolean,
        ),
        ({"type": "date"}, ["2024-02-29", ""], [date(2024, 2, 29), None], pl.Date),
        ({"type": "date", "format": "%d.%m.%Y"}, ["1.2.2024"], [date(2024, 2, 1)], pl.Date),
        ({"type": "time"}, ["10:20:30"], [time(10, 20, 30)], pl.Time),
        (
            {"type": "datetime"},
            ["2024-01-01T00:30:00+01:00", "2024-01-01T00:30:00"],
            [datetime.fromisoformat("2023-12-31T23:30"), datetime.fromisoformat("2024-01-01T00:30")],
            pl.Datetime("us"),
        ),
        ({"type": "year"}, ["2024"], [2024], pl.Int64),
        ({"type": "yearmonth"}, ["2024-01"], ["2024-01"], pl.String),
        ({"type": "duration"}, ["P1D", "NA"], ["P1D", None], pl.String),
        ({"type": "integer"}, ["", "NA"], [None, None], pl.Int64),
    ],
)  # fmt: skip
def test_types(tmp_path: Path, field: dict[str, Any], cells: list[str], values: list[Any], dtype: Any) -> None:
    found = column(tmp_path, field, *cells)
    assert found.dtype == dtype
    assert found.to_list() == values


def test_exact_numbers_sum_to_the_cent(tmp_path: Path) -> None:
    path = write(tmp_path, "id,amount\n" + "x,0.10\n" * 1000 + "y,-0.105\nz,\n")
    schema = TableSchema.model_validate({"fields": [{"name": "id"}, {"name": "amount", "type": "number"}]})
    amounts = read_table(path, schema, exact=["amount"])["amount"]
    assert amounts.dtype == pl.Decimal(38, 3)
    assert amounts.sum() == Decimal("99.895")
    assert amounts.null_count() == 1
    assert read_table(path, schema)["amount"].dtype == pl.Float64


def test_real_totals_come_out_to_the_cent(shared_data: Path) -> None:
    claims = shared_data / "claims"
    schema = TableSchema.model_validate_json((claims / "schemas" / "charge.schema.json").read_text())
    frames = [
        read_table(path, schema, exact=["charge_amount"]) for path in sorted((claims / "good").glob("*_charge_*.csv"))
    ]
    assert sum(frame.height for frame in frames) == 379
    assert sum((frame["charge_amount"].sum() for frame in frames), Decimal(0)) == Decimal("794995.07")


def test_without_a_schema_types_are_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, "n;x;code;day;nothing;text\n1;2.5;007;2024-01-31;;a\n-2;;008;2024-02-01;;\n")
    frame = read_table(path)
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.String, pl.Date, pl.String, pl.String]
    assert frame["text"].to_list() == ["a", None]


def test_tabs_and_other_encodings(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xff\xfe" + "name\tn\nGrün\t1\n".encode("utf-16-le"), "t.tsv")
    assert read_table(path).rows() == [("Grün", 1)]
    path = write(tmp_path, "name\tn\nGrün\t1\n".encode("cp1252"), "t.tsv")
    assert read_table(path).rows() == [("Grün", 1)]


def test_fields_that_may_lack_are_null(tmp_path: Path) -> None:
    schema = TableSchema.model_validate(
        {"fields": [{"name": "a", "type": "integer"}, {"name": "b", "type": "date"}], "fieldsMatch": "superset"}
    )
    frame = read_table(write(tmp_path, "a\n1\n"), schema)
    assert frame.schema == {"a": pl.Int64, "b": pl.Date}
    assert frame.rows() == [(1, None)]


def test_parquet_as_it_is(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2]}, schema={"a": pl.Int8})
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    assert read_table(path).equals(frame)


def test_what_does_not_fit_is_refused_with_its_first_finding(tmp_path: Path) -> None:
    schema = TableSchema.model_validate({"fields": [{"name": "a", "type": "integer"}]})
    with pytest.raises(Invalid, match=r"Row 3: a is \"x\", but should be a whole number\. \(and 1 more\)") as caught:
        read_table(write(tmp_path, "a\n1\nx\ny\n"), schema)
    assert caught.value.code == "table-does-not-fit"
    with pytest.raises(Invalid, match="beyond what a column can hold"):
        read_table(write(tmp_path, "a\n" + "9" * 30 + "\n"), schema)
    with pytest.raises(Invalid, match="no header row"):
        read_table(write(tmp_path, ""))
    with pytest.raises(Invalid, match="two columns named 'a'"):
        read_table(write(tmp_path, "a,a\n1,2\n"))
    with pytest.raises(Invalid, match="has 3 cells"):
        read_table(write(tmp_path, "a,b\n1,2,3\n"))
