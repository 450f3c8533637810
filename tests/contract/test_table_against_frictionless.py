# ruff: noqa: E501  # a case stands on one line, where it can be compared with its neighbours
"""Our verdicts on tables against those of frictionless-py, which is slower by orders of magnitude but widely trusted."""

import csv
import io
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliquot.formats.table import check_table
from aliquot.formats.table_references import ReferencedTable
from aliquot.model.finding import Severity
from aliquot.model.row_rule import RowRule
from aliquot.model.table_schema import TableSchema

frictionless = pytest.importorskip("frictionless", reason="needs the PyPI package frictionless")
pytest.importorskip("polars", reason="needs the PyPI package polars")

from frictionless.resources import TableResource  # noqa: E402

V2 = "https://datapackage.org/profiles/2.0/"


def theirs(path: Path, schema: dict[str, Any], delimiter: str = ",", encoding: str = "utf-8") -> set[tuple[str, int]]:
    # Dialect and encoding are declared, as frictionless guesses them from so short a file by other rules than ours.
    resource = TableResource.from_descriptor(
        {
            "$schema": V2 + "dataresource.json",
            "name": "table",
            "path": path.name,
            "format": "csv",
            "encoding": encoding,
            "dialect": {"headerRows": [1], "csv": {"delimiter": delimiter}},
            "schema": {"$schema": V2 + "tableschema.json", **schema},
        },
        basepath=str(path.parent),
    )
    report = resource.validate(limit_errors=100_000)
    rows = report.flatten(["type", "rowNumber"])
    return {(code, row or 1) for code, row in rows}


def ours(path: Path, schema: dict[str, Any]) -> set[tuple[str, int]]:
    report = check_table(path, TableSchema.model_validate(schema), most=100_000)
    assert sum(report.counts.values()) == len(report.findings)
    assert report.refused_rows == tuple(
        sorted(
            {
                finding.row - 2
                for finding in report.findings
                if finding.row is not None and finding.row > 1 and finding.severity is Severity.ERROR
            }
        )
    )
    return {(finding.code, finding.row or 1) for finding in report.findings}


def compare(folder: Path, text: str | bytes, schema: dict[str, Any], **options: str) -> set[tuple[str, int]]:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = ours(path, schema)
    # That a row is blank says already that its key is.
    blank = {("primary-key", row) for code, row in found if code == "blank-row"}
    # A primary key that is unique besides is doubled once for us, and twice for them.
    doubled = {("unique-error", row) for code, row in found if code == "primary-key"}
    assert found == theirs(path, schema, **options) - blank - (doubled - found)
    return found


def fields(*described: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"fields": list(described), **more}


A = {"name": "a", "type": "string"}
B = {"name": "b", "type": "integer"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a,b\nx,1\ny,2\n", set()),
        ("a,b\nx,1\ny,2", set()),
        ("a,b\r\nx,1\r\ny,2\r\n", set()),
        ("a,b\n", set()),
        ("a,b\nx,q\n", {"type-error"}),
        ("a,b\nx\n", {"missing-cell"}),
        ("a,b\nx,1,\n", {"extra-cell"}),
        ("a,b\nx,1,2,3\ny\n", {"extra-cell", "missing-cell"}),
        ("a,b\nx,1\n\ny,2\n", {"blank-row"}),
        ("a,b\n,\n", {"blank-row"}),
        ("a,b\nx,1\n\n", {"blank-row"}),
        ('a,b\n"x, ""y""\nz",1\n', set()),
        ('a,b\nx"y,1\nz",2\n', set()),
        ('a,b\n"x"y,1\n', set()),
        ('a,b\n"x",1\n"",2\n', set()),
        ("a,b,c\nx,1,2\n", {"extra-label"}),
        ("a\nx\n", {"missing-label"}),
        ("b,a\n1,x\n", {"incorrect-label", "type-error"}),
        ("a,a\nx,1\n", {"duplicate-label"}),
        ("a,\nx,1\n", {"blank-label"}),
        (" a , b \nx,1\n", set()),
    ],
)
def test_structure(tmp_path: Path, text: str, codes: set[str]) -> None:
    found = compare(tmp_path, text, fields(A, B))
    assert {code for code, _ in found} == codes


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    content = marks.get(encoding, b"") + "a,b\nGrün,1\nMärz,x\n".encode(encoding)
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    told = {one for one in ours(path, fields(A, B)) if one[0] != "encoding-error"}
    declared = "utf-16" if encoding.startswith("utf-16") else encoding
    assert told == theirs(path, fields(A, B), encoding=declared) == {("type-error", 3)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    text = "a,b\nx,1\ny,z\n".replace(",", delimiter)
    assert compare(tmp_path, text, fields(A, B), delimiter=delimiter) == {("type-error", 3)}


@pytest.mark.parametrize(
    ("match", "header", "codes"),
    [
        ("equal", "b,a", set()),
        ("equal", "a,b,c", {"extra-label"}),
        ("equal", "a", {"missing-label"}),
        ("subset", "c,a,b", set()),
        ("subset", "a,c", {"missing-label"}),
        ("superset", "a", set()),
        ("superset", "a,c", {"extra-label"}),
        ("partial", "c,b", set()),
        ("partial", "c,d", {"unmatched-header"}),
    ],
)
def test_fields_match(tmp_path: Path, match: str, header: str, codes: set[str]) -> None:
    cells = {"a": "x", "b": "1", "c": "2", "d": "3"}
    text = header + "\n" + ",".join(cells[name] for name in header.split(",")) + "\n"
    found = compare(tmp_path, text, fields(A, B, fieldsMatch=match))
    assert {code for code, _ in found} == codes


# Types, their constraints, and cells of each kind. Cells on which the two differ are listed below, with the reason.
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "integer"}, ["0", "-0", "+5", "007", " 7 ", "1.0", "1e3", "x", "9" * 30, "--1", "NA"]),
    ({"type": "integer", "constraints": {"minimum": 1, "maximum": 9}}, ["0", "1", "9", "10", " 5", "-3", "9" * 30]),
    ({"type": "integer", "constraints": {"exclusiveMinimum": 1, "exclusiveMaximum": 9}}, ["1", "2", "8", "9"]),
    ({"type": "integer", "bareNumber": False}, ["5%", "$5", "EUR 7 net", "x", "-5 EUR"]),
    ({"type": "number"}, ["0", "1.50", "-2.5", ".5", "5.", "1e-3", " 7.5 ", "NaN", "INF", "-INF", "1,5", "1.2.3", "x"]),
    ({"type": "number", "constraints": {"minimum": 0}}, ["0", "0.00", "-0.01", "-0", "1e-9", "NaN", "INF", "-INF"]),
    (
        {"type": "number", "constraints": {"minimum": 0.1, "maximum": "2.5"}},
        ["0.1", "0.10", "0.0999999999999999999999", "2.5", "2.50000000000000000001", "2.4"],
    ),
    ({"type": "number", "constraints": {"enum": [1, 2.5]}}, ["1", "1.0", "2.50", "3"]),
    ({"type": "number", "decimalChar": ",", "groupChar": "."}, ["1.234,56", "1,5", "1234", "1.5", "x"]),
    ({"type": "number", "groupChar": ","}, ["1,234.5", "12", "1,2,3"]),
    ({"type": "number", "bareNumber": False}, ["95%", "EUR 1.5", "$-2.5"]),
    ({"type": "boolean"}, ["true", "True", "TRUE", "1", "0", "false", "yes", "T", "tRue"]),
    ({"type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]}, ["yes", "no", "true", "1"]),
    ({"type": "string", "constraints": {"minLength": 2, "maxLength": 3}}, ["a", "ab", "äöü", "abcd", "  "]),
    ({"type": "string", "constraints": {"pattern": "[A-Z]{2}[0-9]+"}}, ["AB1", "AB", "xAB1", "AB1x", "ÄB1"]),
    ({"type": "string", "constraints": {"pattern": r"\d{3}-\w+"}}, ["123-a", "12-a", "١٢٣-a", "123-ä"]),
    ({"type": "string", "constraints": {"pattern": "(?:a|b)+?(?=c)c"}}, ["abc", "ab", "c"]),
    ({"type": "string", "constraints": {"enum": ["P01", "SELF"]}}, ["P01", "SELF", "self", " P01"]),
    ({"type": "string", "format": "email"}, ["ada@example.org", "ada", "@example.org", "a.b+c@mail.example.org", "a b@x.org"]),
    ({"type": "string", "format": "uri"}, ["https://example.org/a?b=c", "example.org", "urn:isbn:0451450523"]),
    ({"type": "string", "format": "uuid"}, ["95ecc380-afe9-11e4-9b6c-751b66dd541e", "95ecc380", "x" * 36]),
    ({"type": "string", "format": "binary"}, ["YWJj", "YW==", "YWJjZ"]),
    ({"type": "date"}, ["2023-01-31", "2023-02-29", "2024-02-29", "2023-13-01", "2023-06-31", "31.01.2023", "0999-01-01"]),
    ({"type": "date", "format": "%d.%m.%Y"}, ["31.01.2023", "1.2.2023", "2023-01-31", "32.01.2023"]),
    ({"type": "date", "format": "%Y-%m-%d"}, ["2023-01-31", "2023-1-1", "2023-02-30", "x"]),
    ({"type": "date", "format": "any"}, ["2023-01-31", "01/31/2023", "31 Jan 2023", "nothing"]),
    (
        {"type": "date", "constraints": {"minimum": "2023-01-01", "exclusiveMaximum": "2024-02-29"}},
        ["2022-12-31", "2023-01-01", "2024-02-28", "2024-02-29", "2024-03-01"],
    ),
    (
        {"type": "datetime"},
        ["2023-01-31T10:20:30Z", "2023-01-31T10:20:30", "2023-01-31T10:20:30.5+02:00", "2023-01-31", "2023-01-31T25:00:00Z"],
    ),
    ({"type": "datetime", "format": "%Y-%m-%d %H:%M"}, ["2023-01-31 10:20", "2023-01-31 10:20:30"]),
    ({"type": "datetime", "format": "%Y-%m-%d %H:%M:%S"}, ["2023-01-31 10:20:30", "2023-02-30 10:20:30", "2023-01-31T10:20:30"]),
    ({"type": "time"}, ["10:20:30", "10:20", "25:00:00", "10:20:30Z", "10:20:30.25"]),
    ({"type": "time", "format": "%H:%M"}, ["10:20", "10:20:30", "9:05"]),
    ({"type": "time", "constraints": {"maximum": "12:00:00"}}, ["12:00:00", "12:00:01"]),
    ({"type": "year"}, ["2023", "0000", "23", "20x3"]),
    ({"type": "year", "constraints": {"minimum": "2000"}}, ["1999", "2000", "2001"]),
    ({"type": "yearmonth"}, ["2023-01", "2023-13", "2023", "2023-00"]),
    ({"type": "yearmonth", "constraints": {"minimum": "2023-02"}}, ["2023-01", "2023-02", "2022-12"]),
    ({"type": "duration"}, ["P1Y2M3DT4H5M6S", "PT1H", "P2W", "-P1D", "P", "1 day"]),
    ({"type": "geopoint"}, ['"90.50, 45.5"', '"181,0"', '"0,91"', "0", '"x,y"']),
    ({"type": "geopoint", "format": "array"}, ['"[90, 45]"', '"[90]"', "x"]),
    ({"type": "geopoint", "format": "object"}, ['"{""lon"": 90, ""lat"": 45}"', '"{""lon"": 90}"']),
    (
        {"type": "geojson"},
        ['"{""type"": ""Point"", ""coordinates"": [1, 2]}"', '"{""type"": ""Point""}"', "{}", '"{""type"": ""Star""}"', "[]"],
    ),
    ({"type": "object"}, ['"{""a"": 1}"', "{}", "[]", "x", "1"]),
    ({"type": "object", "constraints": {"minLength": 1, "maxLength": 1}}, ["{}", '"{""a"": 1}"', '"{""a"": 1, ""b"": 2}"']),
    ({"type": "array"}, ["[]", '"[1, 2]"', "{}", "x"]),
    ({"type": "array", "constraints": {"minLength": 1, "maxLength": 2}}, ["[]", "[1]", '"[1, 2, 3]"']),
    ({"type": "list"}, ['"a,b"', "a", '"a,,b"']),
    ({"type": "list", "itemType": "integer", "delimiter": ";"}, ["1;2", "1;x", "7", "1;;2"]),
    ({"type": "list", "constraints": {"minLength": 2}}, ["a", '"a,b"']),
    ({"type": "any", "constraints": {"enum": ["x", "y"]}}, ["x", "z"]),
    ({"type": "integer", "missingValues": ["NA", "-"]}, ["NA", "-", "5", "n/a"]),
]  # fmt: skip


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(
    ("described", "cells"), CASES, ids=lambda case: json.dumps(case)[:60] if isinstance(case, dict) else ""
)
def test_types_and_constraints(tmp_path: Path, described: dict[str, Any], cells: list[str], required: bool) -> None:
    described = {"name": "value", **described}
    described["constraints"] = {**described.get("constraints", {}), **({"required": True} if required else {})}
    schema = fields({"name": "id", "type": "string"}, described, missingValues=["", "NA"])
    compare(tmp_path, "id,value\n" + "".join(f"r{at},{cell}\n" for at, cell in enumerate([*cells, "", "NA"])), schema)


# Where the standard (v2) says otherwise than frictionless-py does, we follow the standard.
DIFFERENCES = [
    ("digits with underscores are no number in XML Schema; Python reads them", {"type": "integer"}, "1_000", False, True),
    ("digits of other scripts are no number in XML Schema; Python reads them", {"type": "integer"}, "٣", False, True),
    ("only NaN, INF and -INF name special numbers", {"type": "number"}, "Infinity", False, True),
    ("an ISO date has two digits for month and day; strptime takes one", {"type": "date"}, "2023-1-5", False, True),
    ("an ISO datetime has a T between date and time", {"type": "datetime"}, "2023-01-31 10:20:30", False, True),
    ("a yearmonth has two digits for the month", {"type": "yearmonth"}, "2023-1", False, True),
    ("XML Schema's gYear may be negative", {"type": "year"}, "-0044", True, False),
    ("base64 has no other characters", {"type": "string", "format": "binary"}, "YW Jj!", False, True),
    ("a pattern matches as a whole, all its branches too",
     {"type": "string", "constraints": {"pattern": "ab|cd"}}, "abx", False, True),
    ("a pattern does not overlook a line end",
     {"type": "string", "constraints": {"pattern": "ab"}}, '"ab\n"', False, True),
    ("groupChar belongs to integers too in v2", {"type": "integer", "groupChar": ","}, '"1,234"', True, False),
    ("a duration has at least one part", {"type": "duration"}, "PT", False, True),
    ("durations have an order in v2; frictionless refuses the constraint as such",
     {"type": "duration", "constraints": {"minimum": "P1D"}}, "PT1H", False, None),
    ("categories are the values that a field may have in v2",
     {"type": "string", "categories": ["low", "high"]}, "mid", False, True),
    ("jsonSchema is a constraint of v2; frictionless refuses it as such",
     {"type": "object", "constraints": {"jsonSchema": {"required": ["a"]}}}, "{}", False, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "described", "cell", "good", "good_for_them"), DIFFERENCES, ids=lambda value: str(value)[:40]
)
def test_differences_by_standard(
    tmp_path: Path, reason: str, described: dict[str, Any], cell: str, good: bool, good_for_them: bool | None
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"id,value\n1,{cell}\n", newline="")
    schema = fields({"name": "id", "type": "string"}, {"name": "value", **described})
    assert (ours(path, schema) == set()) == good, reason
    if good_for_them is not None:
        assert (theirs(path, schema) == set()) == good_for_them, f"frictionless has come round: {reason}"


def test_keys(tmp_path: Path) -> None:
    key = {"name": "a", "type": "integer"}
    unique = {"name": "b", "type": "number", "constraints": {"unique": True}}
    text = "a,b\n1,1.0\n2,1.00\n1,\n01,2\n,3\nx,4\n 2,5\n3,\n"
    path = tmp_path / "table.csv"
    path.write_text(text)
    schema = fields(key, unique, primaryKey=["a"])
    # A cell that is refused for its type is not told a second time as a lacking key.
    assert theirs(path, schema) - ours(path, schema) == {("primary-key", 7)}
    assert ours(path, schema) <= theirs(path, schema)
    assert ("unique-error", 3) in ours(path, schema)


def test_composite_key(tmp_path: Path) -> None:
    schema = fields(A, B, {"name": "c"}, primaryKey=["a", "b"])
    compare(tmp_path, "a,b,c\nx,1,1\nx,2,1\ny,1,1\nx,01,1\n", schema)
    # Every part of a primary key is required in v2; frictionless wants one of them.
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\nx,,1\n")
    assert ours(path, schema) == {("primary-key", 2)}
    assert theirs(path, schema) == set()


def test_foreign_key_into_the_file(tmp_path: Path) -> None:
    keys = [{"fields": ["parent"], "reference": {"resource": "", "fields": ["id"]}}]
    schema = fields(
        {"name": "id", "type": "integer"}, {"name": "parent", "type": "integer"}, primaryKey=["id"], foreignKeys=keys
    )
    compare(tmp_path, "id,parent\n1,\n2,1\n3,02\n4,9\n5,x\n", schema)


def test_real_claims(shared_data: Path, tmp_path: Path) -> None:
    claims = shared_data / "claims"
    for kind in ("charge", "transaction"):
        schema = json.loads((claims / "schemas" / f"{kind}.schema.json").read_text())
        files = sorted((claims / "good").glob(f"*_{kind}_*.csv"))
        assert files
        for path in files:
            assert ours(path, schema) == theirs(path, schema) == set()
        rows = files[-1].read_text().splitlines()
        spoiled = [
            rows[0],
            rows[1],
            rows[1],
            rows[2].replace(",", ";", 1),
            rows[3].replace(".", ",", 1),
            rows[4][:-5],
            "",
        ]
        assert compare(tmp_path, "\n".join(spoiled), schema)


CELLS = st.one_of(
    st.sampled_from(
        ["", "NA", "1", "01", "-4.00", "0.5", "2023-01-31", "2023-02-30", "true", "x", "P01", " 1 ", "1e3"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="_"), max_size=6),
    st.sampled_from(['a"b', "a,b", "a\nb", '"']),
)
TYPES = st.sampled_from(
    [
        {"type": "string", "constraints": {"pattern": "[a-zP][0-9]*"}},
        {"type": "string", "constraints": {"required": True, "minLength": 1, "maxLength": 4}},
        {"type": "string", "constraints": {"enum": ["x", "P01"]}},
        {"type": "string", "constraints": {"unique": True}},
        {"type": "any"},
        {"type": "integer", "constraints": {"minimum": 0, "required": True}},
        {"type": "integer", "constraints": {"unique": True}},
        {"type": "number", "constraints": {"maximum": 100}},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "date"},
    ]
)


def _unlike(cell: str) -> bool:
    """Say whether a cell is one of the listed differences: digits of other scripts, and dates without zeros."""
    return not cell.isascii() and any(letter.isnumeric() for letter in cell)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_generated_tables(tmp_path: Path, data: st.DataObject) -> None:
    width = data.draw(st.integers(2, 4))
    kinds = data.draw(st.lists(TYPES, min_size=width, max_size=width))
    names = [f"f{at}" for at in range(width)]
    missing = data.draw(st.sampled_from([[""], ["", "NA"], ["NA"]]))
    schema = fields(*({"name": name, **kind} for name, kind in zip(names, kinds, strict=True)), missingValues=missing)
    # Of a primary key that is unique besides, frictionless tells each double twice.
    keyed = kinds[0]["type"] in {"string", "any"} and not kinds[0].get("constraints", {}).get("unique")
    if data.draw(st.booleans()) and keyed:
        schema["primaryKey"] = [names[0]]
    cells = CELLS.filter(lambda cell: not _unlike(cell))
    lengths = st.one_of(st.just(width), st.just(width), st.integers(0, width + 2))
    rows = data.draw(st.lists(lengths.flatmap(lambda n: st.lists(cells, min_size=n, max_size=n)), max_size=8))
    buffer = io.StringIO()
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(buffer, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])), quoting=quoting).writerows(
        [names, *rows]
    )
    compare(tmp_path, buffer.getvalue(), schema)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_generated_keys(tmp_path: Path, data: st.DataObject) -> None:
    keys: dict[str, Any] = {}
    if data.draw(st.booleans()):
        keys["primaryKey"] = data.draw(st.sampled_from(["a", ["a", "c"]]))
    if data.draw(st.booleans()):
        # Whole numbers alone, as both take a doubled spelling for the same.
        keys["foreignKeys"] = [{"fields": ["c"], "reference": {"resource": "", "fields": ["a"]}}]
    elif data.draw(st.booleans()):
        keys["foreignKeys"] = [{"fields": ["c", "b"], "reference": {"resource": "", "fields": ["a", "b"]}}]
    schema = fields(
        {"name": "a", "type": "integer"}, {"name": "b", "type": "string"}, {"name": "c", "type": "integer"}, **keys
    )
    numbers = st.sampled_from(["1", "01", "2", "3", "", "x"])
    rows = data.draw(st.lists(st.tuples(numbers, st.sampled_from(["p", "q", ""]), numbers), max_size=8))
    # Rows whose primary key is not whole are left out: where the standard wants each part of it, frictionless wants one.
    whole = [row for row in rows if any(row) and (not keys.get("primaryKey") or (row[0] and row[2]))]
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\n" + "".join(",".join(row) + "\n" for row in whole))
    found, expected = ours(path, schema), theirs(path, schema)
    # A cell that cannot be read is told as that; what stands in it is then no value of any key.
    unread = {row for code, row in found if code == "type-error"}
    assert {one for one in found if one[1] not in unread} == {one for one in expected if one[1] not in unread}


def test_unique_keys(tmp_path: Path) -> None:
    schema = fields(A, B, uniqueKeys=[["a", "b"]])
    path = tmp_path / "table.csv"
    path.write_text("a,b\nx,1\nx,01\nx,2\ny,\ny,\n")
    assert ours(path, schema) == {("unique-error", 3)}
    assert theirs(path, schema) == set(), "frictionless has come round, and reads uniqueKeys now"


def test_foreign_key_into_another_table(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("site,id\nnorth,1\nsouth,2\nnorth,03\n")
    (tmp_path / "table.csv").write_text("at,who\nnorth,1\nnorth,2\n,\nnorth,3\nwest,1\nnorth,\n")
    keys = [{"fields": ["at", "who"], "reference": {"resource": "people", "fields": ["site", "id"]}}]
    schema = fields({"name": "at", "type": "string"}, {"name": "who", "type": "integer"}, foreignKeys=keys)
    people = fields({"name": "site", "type": "string"}, {"name": "id", "type": "integer"})
    package = frictionless.Package.from_descriptor(
        {
            "name": "both",
            "resources": [
                {"name": "table", "path": "table.csv", "schema": schema},
                {"name": "people", "path": "people.csv", "schema": people},
            ],
        },
        basepath=str(tmp_path),
    )
    flat = package.validate(limit_errors=1000).flatten(["type", "rowNumber"])
    expected = {(code, row) for code, row in flat}

    def files() -> Any:
        yield "/people.csv", nullcontext(tmp_path / "people.csv")

    table = ReferencedTable("people@1", files, tmp_path / "keys")
    report = check_table(tmp_path / "table.csv", TableSchema.model_validate(schema), references={"people": table})
    found = {(one.code, one.row) for one in report.findings}
    assert found == expected
    assert {row for code, row in found if code == "foreign-key"} == {3, 6, 7}


ROW_RULES = [
    ("paid <= charged", "paid <= charged"),
    ("paid + charged > 3 AND units <> 2", "paid + charged > 3 and units != 2"),
    ("NOT (units * 2 = paid) OR note = 'x'", "not (units * 2 == paid) or note == 'x'"),
    ("note IN ('x', 'y')", "note in ['x', 'y']"),
    ("CASE WHEN units > 2 THEN paid < 2 ELSE TRUE END", "paid < 2 if units > 2 else True"),
]


@pytest.mark.parametrize(("rule", "formula"), ROW_RULES)
def test_row_rules(tmp_path: Path, rule: str, formula: str) -> None:
    path = tmp_path / "table.csv"
    cells = [("1", "1.0"), ("2.5", "1"), ("0.1", "3"), ("4", "4")]
    rows = [f"{paid},{charged},{units},{note}\n" for paid, charged in cells for units in (1, 2, 3) for note in "xz"]
    path.write_text("paid,charged,units,note\n" + "".join(rows))
    number = {"type": "number"}
    schema = fields(
        {"name": "paid", **number},
        {"name": "charged", **number},
        {"name": "units", "type": "integer"},
        {"name": "note"},
    )
    resource = TableResource.from_descriptor(
        {"name": "table", "path": path.name, "schema": schema}, basepath=str(path.parent)
    )
    checklist = frictionless.Checklist(checks=[frictionless.checks.row_constraint(formula=formula)])
    expected = {row for (row,) in resource.validate(checklist, limit_errors=1000).flatten(["rowNumber"])}
    report = check_table(path, TableSchema.model_validate(schema), [RowRule(code="r", rule=rule)])
    assert {one.row for one in report.findings} == expected
    assert 0 < len(expected) < len(rows)


def test_labels_of_missing_values_say_nothing_about_them(tmp_path: Path) -> None:
    labelled = [{"value": "NA", "label": "not asked"}, {"value": "", "label": "lost"}]
    text = "a,b\nx,NA\ny,\nz,q\n"
    plain = compare(tmp_path, text, fields(A, B, missingValues=["NA", ""]))
    schema = TableSchema.model_validate(fields(A, {**B, "missingValues": labelled}, missingValues=labelled))
    assert {(one.code, one.row) for one in check_table(tmp_path / "table.csv", schema).findings} == plain
    assert schema.missing_values == ["NA", ""]
