"""What a file is that was given for a delimited text table and is another kind of document, in a technician's words."""

from pathlib import Path

_LOOK = 64 * 1024
_SAVE = "save it as CSV (UTF-8)"


def other_document(path: Path) -> str | None:
    """Say what a file is and what to do with it, where its bytes tell that it cannot be a text table; else None."""
    with path.open("rb") as file:
        head = file.read(_LOOK)
        if head.startswith(b"PK\x03\x04"):
            # The names of a ZIP file's members stand at its end, and the first of them at its beginning, too.
            file.seek(max(0, path.stat().st_size - _LOOK))
            return _zipped(head, file.read(_LOOK))
    for magic, words in _BEGINNINGS.items():
        if head.startswith(magic):
            return words
    return None


def _zipped(head: bytes, tail: bytes) -> str:
    if b"opendocument.spreadsheet" in head:
        return f"this is an OpenDocument spreadsheet, {_SAVE}"
    if b"xl/workbook" in head or b"xl/workbook" in tail:
        return f"this is an Excel workbook, {_SAVE}"
    return "this is a ZIP archive, unpack it first"


_BEGINNINGS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": f"this is an Excel workbook of the old kind (.xls), {_SAVE}",
    b"%PDF-": "this is a PDF, export the table as CSV (UTF-8) from the program that made it",
    b"\x1f\x8b": "this is compressed with gzip, unpack it first",
    b"PAR1": "this is a Parquet file, export it as CSV (UTF-8)",
}
