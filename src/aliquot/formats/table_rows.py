"""The rows of a delimited text file one by one, exactly: what the fast path leaves to be looked at closely."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aliquot.formats.dialect import Dialect

LONGEST_CELL = 16 * 1024 * 1024
"""Characters of one cell, beyond which a quotation mark is taken to have been left open."""

LONGEST_LINE = 64 * 1024 * 1024
"""Characters after which a line is cut, so that a file without line ends does not fill the memory."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row as it stands in the file.

    `raw` holds its bytes with the line end; `cells` its values. `fault` is empty, `open` for a quotation mark that
    is never closed, or `long` for a cell beyond `LONGEST_CELL`; then `cells` is what could be read.
    """

    raw: bytes
    cells: list[str]
    fault: str = ""


def read_rows(path: Path, dialect: Dialect) -> Iterator[TextRow]:
    """Read rows, the header first, with the bytes of each; their concatenation is the file after its byte order mark.

    Broken UTF-16 is the exception: there `raw` holds replacement characters.
    """
    # Process-wide, and only ever set to this value here; the default of 128 KiB refuses legitimate GeoJSON cells.
    csv.field_size_limit(LONGEST_CELL)
    with path.open("rb") as file:
        file.seek(dialect.mark)
        # Latin-1 gives each byte as one character and back: lines end where the csv module wants, no byte changes.
        encoding, errors = (dialect.encoding, "replace") if dialect.wide else ("latin-1", "strict")
        lines = _Lines(io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=""), dialect)
        reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote)
        while True:
            fault = ""
            try:
                cells = next(reader, None)
            except csv.Error:
                cells, fault = [], "long"
            raw = lines.taken()
            if cells is None:
                return
            if not fault and lines.ended and _left_open(raw, dialect):
                fault = "open"
            yield TextRow(raw, cells, fault)


class _Lines:
    """Lines of a file, which remembers the bytes of those that were asked for since the last row."""

    def __init__(self, text: io.TextIOWrapper, dialect: Dialect) -> None:
        self._text = text
        self._dialect = dialect
        self._taken: list[bytes] = []
        self.ended = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_LINE)
        if not line:
            self.ended = True
            raise StopIteration
        if self._dialect.wide:
            self._taken.append(line.encode(self._dialect.encoding))
            return line
        raw = line.encode("latin-1")
        self._taken.append(raw)
        return line if raw.isascii() else raw.decode(text_encoding(self._dialect), "replace")

    def taken(self) -> bytes:
        """Give the bytes of the lines since the last call."""
        raw = b"".join(self._taken)
        self._taken.clear()
        return raw


def text_encoding(dialect: Dialect) -> str:
    """Name the codec for text after the byte order mark."""
    return dialect.encoding.removesuffix("-sig")


def _left_open(raw: bytes, dialect: Dialect) -> bool:
    """Say whether the file's last row ends inside quotation marks."""
    text = raw.decode(text_encoding(dialect), "replace")
    strict = csv.reader(
        io.StringIO(text, newline=""), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True
    )
    try:
        for _ in strict:
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False
