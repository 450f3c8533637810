"""Foreign keys into tables of other datasets."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("polars", reason="needs the PyPI package polars")

from aliquot.formats.table import check_table
from aliquot.formats.table_references import ReferencedTable
from aliquot.model.errors import Missing
from aliquot.model.finding import Finding
from aliquot.model.table_schema import TableSchema


def schema(*fields: dict[str, Any], own: list[str], other: list[str], **more: Any) -> TableSchema:
    reference = {"resource": "patients", "fields": other}
    return TableSchema.model_validate(
        {"fields": list(fields), "foreignKeys": [{"fields": own, "reference": reference}], **more}
    )


def patients(folder: Path, **texts: bytes | str) -> ReferencedTable:
    opened: list[str] = []

    def files() -> Iterator[tuple[str, AbstractContextManager[Path]]]:
        for name, text in texts.items():
            path = folder / f"{name}.csv"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            opened.append(name)
            yield f"/{name}.csv", nullcontext(path)
        assert len(opened) == len(texts), "read once, however many ask"

    return ReferencedTable("patients@3", files, folder / "keys")


def check(folder: Path, text: str, of: TableSchema, table: ReferencedTable | None) -> list[Finding]:
    path = folder / "visits.csv"
    path.write_text(text)
    return list(check_table(path, of, references={"patients": table} if table else {}).findings)


ID = schema({"name": "patient", "type": "integer"}, {"name": "day"}, own=["patient"], other=["id"])


def test_values_are_looked_up_in_all_tables_by_value_not_by_spelling(tmp_path: Path) -> None:
    table = patients(tmp_path, a="id,name\n1,A\n02,B\n", b="name;id\nC;3\n", c='"id"\n"4"\n', d="", e="x,y\n1,2\n")
    for _ in range(2):
        found = check(tmp_path, "patient,day\n1,x\n2,x\n 3,x\n4,x\n,x\n5,x\nq,x\n", ID, table)
        assert [(one.row, one.code) for one in found] == [(7, "foreign-key"), (8, "type-error")]
    assert found[0].document() == {
        "code": "foreign-key",
        "text": "Row 7: patient is 5, which stands nowhere in id of patients@3.",
        "severity": "error",
        "row": 7,
        "field": "patient",
        "value": "5",
        "rule": "foreignKeys",
    }


def test_several_columns_belong_together(tmp_path: Path) -> None:
    both = schema({"name": "site"}, {"name": "patient"}, own=["site", "patient"], other=["s", "p"])
    table = patients(tmp_path, a="p,s\n1,north\n2,south\n")
    found = check(tmp_path, "site,patient\nnorth,1\nnorth,2\nsouth,\n,\n", both, table)
    assert [(one.row, one.value) for one in found if one.code == "foreign-key"] == [(3, "north, 2"), (4, "south, ")]


def test_other_files_of_the_dataset_are_passed_over(tmp_path: Path) -> None:
    table = patients(tmp_path, a=b"PK\x03\x04id,\n1,2\n", b="id\n1\n")
    assert check(tmp_path, "patient,day\n1,x\n", ID, table) == []


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "the dataset patients, which has nothing in it yet. Take in the files of patients first"),
        ({"a": "name\nx\n"}, "None of the tables in patients@3 has the column id"),
    ],
)
def test_what_cannot_be_looked_up_refuses_the_file(tmp_path: Path, table: dict[str, str] | None, words: str) -> None:
    found = check(tmp_path, "patient,day\n1,x\n", ID, patients(tmp_path, **table) if table else None)
    assert [(one.code, one.row) for one in found] == [("reference-missing", None)]
    assert words in found[0].text


def test_files_that_were_swept_refuse_the_file(tmp_path: Path) -> None:
    def files() -> Iterator[tuple[str, AbstractContextManager[Path]]]:
        yield "/a.csv", nullcontext(tmp_path / "a.csv")
        raise Missing("blob-swept", "The bytes were swept.")

    (tmp_path / "a.csv").write_text("id\n1\n")
    table = ReferencedTable("patients@3", files, tmp_path / "keys")
    for _ in range(2):
        found = check(tmp_path, "patient,day\n1,x\n", ID, table)
        assert [one.text for one in found] == ["The tables in patients@3 cannot be read: The bytes were swept."]


def test_nothing_is_followed_where_there_are_no_datasets(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("patient,day\n1,x\n")
    assert check_table(path, ID).valid
