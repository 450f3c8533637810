"""The rows of a table as they are written, in small compressed blocks: any row is read without those before it."""

import array
import csv
import mmap
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from aliquot.formats.table_rewrite import ESCAPES, SEPARATOR

ROWS = 256
"""Rows in a block."""

_READ = 2**20
_LEVEL = 1
_LARGEST_BLOCK = 2**30


class Form(StrEnum):
    """How a line is cut into cells."""

    PLAIN = "plain"
    QUOTED = "quoted"
    REWRITTEN = "rewritten"


def write_blocks(lines: Path, target: Path, *, skip: int, form: Form) -> int:
    """Write the lines of a file, the first `skip` left out, into a file of blocks; gives the number of rows.

    Blank rows at the end are left out. Memory holds a block and a MiB.
    """
    packer = zstandard.ZstdCompressor(level=_LEVEL)
    starts = array.array("Q")
    waiting: list[bytes] = []
    blank: list[bytes] = []
    count = 0
    with target.open("wb") as file:
        for line in _lines(lines, skip):
            if form is Form.REWRITTEN and line.startswith(b"0" + SEPARATOR.encode()):
                blank.append(line)
                continue
            for each in (*blank, line):
                waiting.append(each)
                count += 1
                if len(waiting) == ROWS:
                    _write(file, packer, waiting, starts)
            blank.clear()
        if waiting:
            _write(file, packer, waiting, starts)
        starts.append(file.tell())
        file.write(starts.tobytes())
        file.write(len(starts).to_bytes(8, "little"))
    return count


def _write(file: BinaryIO, packer: zstandard.ZstdCompressor, lines: list[bytes], starts: "array.array[int]") -> None:
    starts.append(file.tell())
    file.write(packer.compress(b"\n".join(lines)))
    lines.clear()


def _lines(path: Path, skip: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        for _ in range(skip):
            file.readline()
        carry = b""
        while block := file.read(_READ):
            *whole, carry = (carry + block).split(b"\n") if carry else block.split(b"\n")
            yield from whole
        if carry:
            yield carry


class Blocks:
    """A file of blocks that is open to be read, by as many threads as want to."""

    def __init__(self, path: Path, *, form: Form, delimiter: str, quote: str, width: int) -> None:
        self._form, self._delimiter, self._quote, self._width = form, delimiter, quote, width
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        count = int.from_bytes(self._map[-8:], "little")
        self._starts: array.array[int] = array.array("Q")
        self._starts.frombytes(self._map[-8 - 8 * count : -8])

    def rows(self, numbers: Sequence[int]) -> list[list[str]]:
        """Give the cells of rows by number, counted from 0, in the order in which they are asked for."""
        found: dict[int, list[str]] = {}
        for block, several in groupby(sorted(set(numbers)), key=lambda number: number // ROWS):
            lines = self._block(block)
            for number in several:
                found[number] = self._cells(lines[number % ROWS])
        return [found[number] for number in numbers]

    def _block(self, number: int) -> list[bytes]:
        packed = self._map[self._starts[number] : self._starts[number + 1]]
        plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST_BLOCK)
        return plain.split(b"\n")

    def _cells(self, line: bytes) -> list[str]:
        text = line.decode(errors="replace")
        if self._form is Form.REWRITTEN:
            return _unescaped(text.split(SEPARATOR)[3:])
        text = text.removesuffix("\r")
        if self._form is Form.PLAIN:
            return text.split(self._delimiter)
        return next(csv.reader([text], delimiter=self._delimiter, quotechar=self._quote), [])


def _unescaped(cells: Iterable[str]) -> list[str]:
    return [_unescape(cell) if "\x1b" in cell else cell for cell in cells]


def _unescape(cell: str) -> str:
    for written, meant in ESCAPES:
        cell = cell.replace(written, meant)
    return cell


def open_blocks(path: Path, summary: dict[str, Any]) -> Blocks:
    """Open the blocks that a summary of a table tells of."""
    return Blocks(
        path,
        form=Form(summary["form"]),
        delimiter=summary["delimiter"],
        quote=summary["quote"],
        width=len(summary["columns"]),
    )
