"""Row rules: what is understood, what is refused, and that the quick look never lets a bad row through."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pl = pytest.importorskip("polars", reason="needs the PyPI package polars")
pytest.importorskip("sqlglot", reason="needs the PyPI package sqlglot")

from aliquot.formats.rule_tree import columns_of, read_rule  # noqa: E402
from aliquot.formats.table import check_table  # noqa: E402
from aliquot.formats.table_header import match_header  # noqa: E402
from aliquot.formats.table_row_rules import RowCheck  # noqa: E402
from aliquot.formats.table_split import split_table  # noqa: E402
from aliquot.model.errors import Invalid  # noqa: E402
from aliquot.model.row_rule import RowRule  # noqa: E402
from aliquot.model.table_schema import TableSchema  # noqa: E402

FIELDS: list[dict[str, Any]] = [
    {"name": "paid", "type": "number"},
    {"name": "charged", "type": "number"},
    {"name": "units", "type": "integer"},
    {"name": "price", "type": "number", "decimalChar": ","},
    {"name": "first", "type": "date"},
    {"name": "last", "type": "date", "format": "%d.%m.%Y"},
    {"name": "seen", "type": "datetime"},
    {"name": "at", "type": "time"},
    {"name": "month", "type": "yearmonth"},
    {"name": "year", "type": "year"},
    {"name": "lasting", "type": "duration"},
    {"name": "ok", "type": "boolean"},
    {"name": "note", "type": "string"},
    {"name": "sample id", "type": "string"},
    {"name": "tags", "type": "list"},
]
SCHEMA = TableSchema.model_validate({"fields": FIELDS, "fieldsMatch": "partial", "missingValues": ["", "NA"]})
NAMES = [field["name"] for field in FIELDS]


def broken(folder: Path, rule: str, header: str, *rows: str) -> list[int]:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    report = check_table(path, SCHEMA, [RowRule(code="the-rule", rule=rule)])
    return [one.row for one in report.findings if one.code == "the-rule" and one.row is not None]


@pytest.mark.parametrize(
    ("rule", "header", "rows", "bad"),
    [
        ("paid <= charged", "paid,charged", ["1.10,1.1", "1.11,1.1", ",1", "1,NA", "x,0"], [3]),
        ("paid IS NOT NULL AND paid <= charged", "paid,charged", [",1", "1,NA", "1,2"], [2]),
        ("paid + charged = 0.3", "paid,charged", ["0.1,0.2", "0.1,0.20000000000000001"], [3]),
        ("units * price = charged", "units;price;charged", ["3;0,10;0.3", "3;0,10;0.30000001", "7;1,1;7.7"], [3]),
        ("units * price = charged", "units;price;charged",
         ["999999999;999999,999999;999999998999000.000001", "999999999;999999,999999;999999998999000.000002"], [3]),
        ("paid / charged BETWEEN 1.8 AND 2.1", "paid,charged", ["1.8,1", "1.79,1", "2.1,1", "1,0", "2.11,1"], [3, 6]),
        ("paid / charged * charged = paid", "paid,charged", ["1,3", "2,7"], []),
        ("first <= last", "first,last", ["2024-02-29,29.02.2024", "2024-03-01,29.02.2024", "x,01.01.2024"], [3]),
        ("last - first <= 30", "first,last", ["2024-01-01,31.01.2024", "2024-01-01,01.02.2024"], [3]),
        ("first + 7 = last", "first,last", ["2024-02-25,03.03.2024", "9999-12-31,01.01.2024"], []),
        ("first >= '2024-01-01'", "first", ["2023-12-31", "2024-01-01"], [2]),
        ("seen < TIMESTAMP '2024-01-01 12:00:00'", "seen",
         ["2024-01-01T11:59:59Z", "2024-01-01T13:30:00+02:00", "2024-01-01T12:00:00"], [4]),
        ("at BETWEEN '08:00:00' AND '18:00:00'", "at", ["08:00:00", "07:59:59", "18:00:00.5"], [3, 4]),
        ("month > '2023-12'", "month", ["2024-01", "2023-12"], [3]),
        ("year % 4 = 0", "year", ["2024", "2023", "-0004"], [3]),
        ("units % 7 = -1", "units", ["-8", "6", "-1"], [3]),
        ("lasting < 'P1D'", "lasting", ["PT23H", "P1D"], [3]),
        ("ok OR note IS NOT NULL", "ok,note", ["true,", "false,", "false,x", "0,"], [3, 5]),
        ("ok IS TRUE", "ok,note", ["true,a", "false,a", ",a"], [3, 4]),
        ("note LIKE 'A_%.'", "note", ["AB.", "A.", "ab.", "AB.C."], [3, 4]),
        ("note NOT LIKE '%(%'", "note", ["a", "a(b"], [3]),
        ("note IN ('a', 'b')", "note", ["a", "c", "NA"], [3]),
        ("\"sample id\" || '-' || note = 'S1-x'", "sample id,note", ["S1,x", "S1,y", "S1,"], [3]),
        ("LENGTH(TRIM(note)) = 2", "note", [" ab ", "äö", "a b"], [4]),
        ("UPPER(note) = 'ÄB' OR LOWER(note) = 'c'", "note", ["äb", "C", "d"], [4]),
        ("CASE WHEN units > 5 THEN price < 0.1 ELSE note IS NOT NULL END", "units;price;note",
         ["6;0,05;", "6;0,1;x", "1;9;x", "1;9;", ";1;x"], [3, 5]),
        ("CASE units WHEN 1 THEN 'one' ELSE 'many' END = note", "units,note", ["1,one", "2,many", "1,many"], [4]),
        ("COALESCE(paid, charged, 0) > 0", "paid,charged", [",1", ",0", "2,0"], [3]),
        ("NULLIF(note, 'x') = 'y'", "note", ["x", "y", "z"], [4]),
        ("ABS(paid - charged) < 0.005", "paid,charged", ["1.004,1", "1.005,1"], [3]),
        ("tags IS NOT NULL", "tags,note", ['"a,b",x', ",x"], [3]),
        ("NOT (paid > charged)", "paid,charged", ["2,1", "1,2", ",1"], [2]),
        ("paid < 5", "charged", ["1", "9"], []),
        ("paid < 1e999999999", "paid", ["1", "INF", "NaN", "1e999999999"], [3, 4, 5]),
    ],
)  # fmt: skip
def test_rules(tmp_path: Path, rule: str, header: str, rows: list[str], bad: list[int]) -> None:
    assert broken(tmp_path, rule, header, *rows) == bad


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("paid <= chargd", "names the column 'chargd', which is not among the fields"),
        ("Paid <= charged", "did you mean 'paid'?"),
        ('note = "x"', "a text is written in single quotes: 'x'"),
        ("paid <= note", "compares 'paid' (a number) with 'note' (text); write numbers without quotes"),
        ("paid = '5'", "compares 'paid' (a number) with '5' (text)"),
        ("first < 5", "compares 'first' (a date) with a number"),
        ("first > '2024-13-01'", "has '2024-13-01' where it needs a date"),
        ("tags = 'x'", "compares"),
        ("paid = NULL", "write IS NULL"),
        ("paid", "gives a number, but has to say what must be true"),
        ("paid <=", "cannot be read"),
        ("paid <= charged)", "cannot be read"),
        ("paid && charged", "cannot be read at '&&' (character"),
        ("READ_CSV('x') = 'y'", "not understood"),
        ("(SELECT 1) = 1", "not understood"),
        ("paid = 1; DROP TABLE x", "not understood"),
        ("t.paid = 1", "not understood"),
        ("paid = 1 AS x", "not understood"),
        ("first < CURRENT_DATE", "right today and wrong tomorrow"),
        ("first + 1.5 > last", "dates take whole days"),
        ("paid + note = 1", "only numbers"),
        ("note + paid = 1", "only numbers"),
        ("paid < charged < units", "compares true or false with 'units'"),
        ("ok < TRUE", "no order"),
        ("LENGTH(paid) = 1", "wants text"),
        ("note LIKE paid", "LIKE without a text"),
        ("paid AND ok", "wants true or false"),
        ("COALESCE(paid, note) = 1", "for each other"),
        ("CAST(paid AS INT) = 1", "not understood"),
        ("paid IN (SELECT 1)", "not understood"),
        ("NOT " * 300 + "ok", "nested too deeply"),
        ("(" * 5000 + "ok" + ")" * 5000, "nested too deeply"),
    ],
    ids=lambda text: text[:30],
)
def test_refused(rule: str, words: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_rule(rule, SCHEMA)
    assert raised.value.code == "rule-unusable"
    assert words in raised.value.message


def test_a_finding_says_row_columns_values_and_rule(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("paid,charged\n1,2\n3,2\n")
    rule = RowRule(code="paid-over-charged", rule="paid <= charged", text="More was paid than charged.")
    report = check_table(path, SCHEMA, [rule])
    assert [one.document() for one in report.findings] == [
        {
            "code": "paid-over-charged",
            "text": "Row 3: More was paid than charged (paid is 3, charged is 2).",
            "severity": "error",
            "row": 3,
            "field": "paid, charged",
            "value": "3, 2",
            "rule": "paid <= charged",
        }
    ]
    assert report.refused_rows == (1,)


def test_names_are_taken_in_the_order_of_the_text() -> None:
    assert columns_of(read_rule('"sample id" = note AND paid < charged OR paid IS NULL', SCHEMA)) == [
        "sample id",
        "note",
        "paid",
        "charged",
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["1", "2.50", "", "x", '"3"', "9"]), st.sampled_from(["2", "", "2.5", "1"])),
        max_size=60,
    ),
    most=st.integers(1, 5),
)
def test_split_adds_up_and_every_broken_row_is_counted(tmp_path: Path, rows: list[tuple[str, str]], most: int) -> None:
    path, good, refused = tmp_path / "t.csv", tmp_path / "good", tmp_path / "refused"
    lines = [f"{paid},{charged},n\n" for paid, charged in rows]
    path.write_text("paid,charged,note\n" + "".join(lines))
    report = check_table(path, SCHEMA, [RowRule(code="over", rule="paid <= charged")], most=most)

    def over(paid: str, charged: str) -> bool:
        values = (paid.strip('"'), charged)
        return "x" not in values and "" not in values and float(values[0]) > float(values[1])

    bad = [at for at, row in enumerate(rows) if over(*row) or row[0] == "x"]
    assert report.counts.get("over", 0) == sum(over(*row) for row in rows)
    assert len(report.findings) == min(most, sum(report.counts.values()))
    assert report.refused_rows == tuple(bad)
    counts = split_table(path, report, good, refused)
    assert counts == (len(rows) - len(bad), len(bad))
    assert good.read_text().splitlines(keepends=True)[1:] == [line for at, line in enumerate(lines) if at not in bad]
    assert refused.read_text().splitlines(keepends=True)[1:] == [lines[at] for at in bad]


CELLS: dict[str, st.SearchStrategy[str]] = {
    "number": st.one_of(
        st.decimals(-1000, 1000, places=2).map(str),
        st.sampled_from(["0", "1e3", "0.1", "INF", "123456789.123456", "x", ""]),
    ),
    "integer": st.one_of(st.integers(-20, 20).map(str), st.sampled_from(["999999999", "99999999999999", ""])),
    "date": st.one_of(st.dates().map(str), st.sampled_from(["2024-02-29", "2023-02-29", ""])),
    "string": st.sampled_from(["a", "A", "ab", "ä", "ß", "", "NA", "x%"]),
    "boolean": st.sampled_from(["true", "0", "", "maybe"]),
}  # fmt: skip
SMALL = {"paid": "number", "charged": "number", "units": "integer", "first": "date", "note": "string", "ok": "boolean"}
NUMBERS = st.recursive(
    st.sampled_from(["paid", "charged", "units", "0.1", "3", "LENGTH(note)", "NULL"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda parts: "({} {} {})".format(*parts)),
        inner.map(lambda one: f"ABS({one})"),
        inner.map(lambda one: f"-({one})"),
        st.tuples(inner, inner).map(lambda parts: "COALESCE({}, {})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "NULLIF({}, {})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "CASE WHEN ok THEN {} ELSE {} END".format(*parts)),
    ),
    max_leaves=5,
)
TESTS = st.one_of(
    st.tuples(NUMBERS, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), NUMBERS).map(" ".join),
    st.tuples(NUMBERS, NUMBERS, NUMBERS).map(lambda parts: "{} BETWEEN {} AND {}".format(*parts)),
    st.sampled_from(
        ["note LIKE 'a%'", "UPPER(note) = 'A'", "note IN ('a', 'ab')", "note < 'b'", "note || 'x' = 'ax'", "ok",
         "ok IS FALSE", "first > '2000-01-01'", "first + units > '2000-01-01'", "first - DATE '2000-01-01' > units",
         "first IS NULL",
         "COALESCE(note, 'z') = 'z'", "CASE note WHEN 'a' THEN ok END", "COALESCE(ok, paid > 1)"]
    ),
)  # fmt: skip
RULES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda parts: "({} {} {})".format(*parts)),
        inner.map(lambda one: f"NOT ({one})"),
    ),
    max_leaves=4,
)


@settings(max_examples=120, deadline=None)
@given(rule=RULES, data=st.data())
def test_no_broken_row_passes_the_sieve(rule: str, data: st.DataObject) -> None:
    schema = TableSchema.model_validate(
        {"fields": [{"name": name, "type": kind} for name, kind in SMALL.items()], "missingValues": ["", "NA"]}
    )
    try:
        check = RowCheck(RowRule(code="r", rule=rule), match_header(list(SMALL), schema), schema)
    except Invalid as error:
        assert "NULL" in error.message  # noqa: PT017  # the one thing in these rules that is refused
        return
    rows = data.draw(st.lists(st.tuples(*(CELLS[kind] for kind in SMALL.values())), min_size=1, max_size=20))
    frame = pl.DataFrame(rows, schema={f"c{at}": pl.String for at in range(len(SMALL))}, orient="row")
    judged = frame.with_columns(check.sieve(check.cells()).alias("good"))
    assert judged["good"].null_count() == 0
    passed = judged.filter("good").select(check.texts).rows() if check.texts else []
    assert [row for row in passed if check.broken(*row)] == []


@pytest.mark.parametrize(
    "rule",
    ["paid <= charged", "paid + charged >= 0.3", "units * paid = charged", "paid / charged < 2", "first < '2024-01-01'",
     "note LIKE 'a%'", "CASE WHEN ok THEN paid < 1 ELSE note = 'ab' END"],
)  # fmt: skip
def test_usual_good_rows_pass_at_once(rule: str) -> None:
    schema = TableSchema.model_validate({"fields": [{"name": name, "type": kind} for name, kind in SMALL.items()]})
    check = RowCheck(RowRule(code="r", rule=rule), match_header(list(SMALL), schema), schema)
    row = {"paid": "0.15", "charged": "0.45", "units": "3", "first": "2023-05-05", "note": "ab", "ok": "false"}
    frame = pl.DataFrame({f"c{at}": [row[name]] for at, name in enumerate(SMALL)})
    assert frame.select(check.sieve(check.cells())).item() is True


def test_a_rule_travels_as_json() -> None:
    rule = RowRule(code="a-b", rule="paid <= charged", text="Too much.")
    assert RowRule.model_validate(json.loads(rule.model_dump_json())) == rule
