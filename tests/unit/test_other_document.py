"""Spreadsheets and other documents that were named .csv: what a technician is told."""

import io
import zipfile
from pathlib import Path

import pytest

from aliquot.formats.recognise import recognise
from aliquot.formats.table import check_table
from aliquot.model.file_type import FileType
from aliquot.model.table_schema import TableSchema


def _zip(*names: str, first: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, "x" * 200_000)
    return made.getvalue()


DOCUMENTS = {
    "Excel workbook, save it as CSV (UTF-8)": _zip("docProps/app.xml", "xl/media/1.png", "xl/workbook.xml"),
    "OpenDocument spreadsheet, save": _zip("content.xml", first="application/vnd.oasis.opendocument.spreadsheet"),
    "Excel workbook of the old kind": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600),
    "PDF, export": b"%PDF-1.7\n%\xe2\xe3\n",
    "ZIP archive, unpack": _zip("plate.csv"),
    "gzip, unpack": bytes.fromhex("1f8b0800000000000003") + bytes(20),
    "Parquet": b"PAR1" + bytes(40) + b"PAR1",
}


@pytest.mark.parametrize("words", DOCUMENTS)
def test_a_document_of_another_kind_is_named_with_what_to_do(words: str, tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_bytes(DOCUMENTS[words])
    schema = {"fields": [{"name": "well"}]}
    (found,) = check_table(path, TableSchema.model_validate(schema)).findings
    assert found.code == "format-error"
    assert words in found.text
    assert found.text.startswith("This is ")
    plate = FileType.model_validate(
        {"type": "plate", "format": "table", "table": schema, "recognise": {"name": "*.csv", "columns": ["well"]}}
    )
    told = recognise("plate.csv", "/plate.csv", path, [plate])
    assert told.type is None
    assert words in told.reasons["plate"]


def test_a_table_that_begins_like_one_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text("PK,well\n1,A1\n")
    schema = {"fields": [{"name": "PK", "type": "integer"}, {"name": "well"}]}
    assert check_table(path, TableSchema.model_validate(schema)).valid
