"""A delimited text file written anew in a form that has no exceptions: UTF-8, one line a row, no quotation marks."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from aliquot.formats.table_rows import read_rows, text_encoding
from aliquot.formats.table_survey import Regularity, Survey, whole_lines

SEPARATOR = "\x1f"
ESCAPES = (("\x1bn", "\n"), ("\x1br", "\r"), ("\x1bs", SEPARATOR), ("\x1be", "\x1b"))
"""How characters that would end a cell or row are written; undone in this order."""

_SMALL = 2048
_MANY = 4096


def rewrite(path: Path, seen: Survey, target: Path, width: int) -> bool:
    """Write each data row as: number of cells, first cell too many, fault, and `width` cells, padded or cut.

    Say whether any cell needed one of the `ESCAPES`.
    """
    with target.open("wb") as file:
        return _from_rows(path, seen, file, width) if seen.quotes else _from_lines(path, seen, file, width)


def _from_rows(path: Path, seen: Survey, file: BinaryIO, width: int) -> bool:
    rows = read_rows(path, seen.dialect)
    next(rows, None)
    out = _Lines(file, width)
    for row in rows:
        out.add(row.cells, row.fault)
    return out.close()


def _from_lines(path: Path, seen: Survey, file: BinaryIO, width: int) -> bool:
    """Take each line for itself, as no quotation mark joins any two; most of them go over in bulk."""
    regularity = Regularity(seen.dialect, width)
    encoding = text_encoding(seen.dialect)
    delimiter = seen.dialect.delimiter
    prefix = str(width).encode() + SEPARATOR.encode() * 3
    out = _Lines(file, width)
    header_passed = False
    for chunk in whole_lines(path, seen.dialect):
        for lines, regular in _pieces(chunk, regularity) if header_passed else [(chunk, False)]:
            if regular:
                out.flush()
                bulk = lines if lines.isascii() else lines.decode(encoding, "replace").encode()
                bulk = bulk.replace(delimiter.encode(), SEPARATOR.encode())
                file.write(prefix + bulk.replace(b"\n", b"\n" + prefix)[: -len(prefix)])
                continue
            texts = lines.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
            if not texts[-1]:
                texts.pop()
            for text in texts if header_passed else texts[1:]:
                out.add(text.split(delimiter) if text else [], "")
            header_passed = True
    return out.close()


def _pieces(lines: bytes, regularity: Regularity) -> Iterator[tuple[bytes, bool]]:
    """Cut whole lines into regular pieces and small ones that hold something else."""
    special = b"\x1f" in lines or b"\x1b" in lines or not lines.endswith(b"\n")
    if not special and regularity.holds(lines, regularity.skeleton(lines)):
        yield lines, True
        return
    middle = lines.find(b"\n", len(lines) // 2) + 1
    if len(lines) < _SMALL or middle in {0, len(lines)}:
        yield lines, False
        return
    yield from _pieces(lines[:middle], regularity)
    yield from _pieces(lines[middle:], regularity)


class _Lines:
    """Rows on their way to the file."""

    def __init__(self, file: BinaryIO, width: int) -> None:
        self._file = file
        self._width = width
        self._padding = [""] * width
        self._waiting: list[str] = []
        self._escaped = False

    def add(self, cells: list[str], fault: str) -> None:
        """Write one row."""
        count = len(cells)
        extra = cells[self._width] if count > self._width else ""
        row = [str(count), extra, fault, *cells[: self._width], *self._padding[count:]]
        line = SEPARATOR.join(row)
        if "\n" in line or "\r" in line or "\x1b" in line or line.count(SEPARATOR) != self._width + 2:
            self._escaped = True
            line = SEPARATOR.join(_escape(cell) for cell in row)
        self._waiting.append(line)
        if len(self._waiting) >= _MANY:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._file.write(("\n".join(self._waiting) + "\n").encode(errors="replace"))
            self._waiting.clear()

    def close(self) -> bool:
        """Write what waits, and say whether any cell was escaped."""
        self.flush()
        return self._escaped


def _escape(cell: str) -> str:
    for written, meant in reversed(ESCAPES):
        cell = cell.replace(meant, written)
    return cell
