"""One quick look over all bytes of a delimited text file: may it be scanned as it is, or must it be rewritten?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from aliquot.formats.dialect import Dialect, windows_or_latin

CHUNK = 1024 * 1024
LONGEST_LINE = 64 * CHUNK


_BLANK_LINE = re.compile(rb"(?:\A|\n)\r?\n")


class Shape(StrEnum):
    """How regular a file is."""

    PLAIN = "plain"
    """Every line has the same number of delimiters, and no quotation mark stands anywhere."""
    QUOTED = "quoted"
    """Quotation marks stand somewhere; the rest is not known."""
    IRREGULAR = "irregular"
    """Ragged or blank rows, mixed line ends, NULs, or an encoding other than UTF-8."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look over all bytes tells.

    `dialect` carries the final encoding; `guessed` says that it is a fallback because the bytes are not UTF-8;
    `broken` that some bytes are damaged in that encoding; `nuls` and `quotes` that such stand among the text.
    """

    shape: Shape
    dialect: Dialect
    guessed: bool = False
    broken: bool = False
    nuls: bool = False
    quotes: bool = False
    ends_with_line: bool = True


def survey(path: Path, dialect: Dialect, width: int) -> Survey:
    """Look over a file whose header has `width` columns; one pass, memory for one chunk."""
    if dialect.wide:
        return _wide(path, dialect)
    look = _Look(dialect, width)
    last = b"\n"
    for last in whole_lines(path, dialect):
        look.see(last if last.endswith(b"\n") else last + b"\n")
    return look.survey(ends_with_line=last.endswith(b"\n"))


def whole_lines(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """Give the file after its byte order mark in chunks of about one MiB that end with a line."""
    with path.open("rb") as file:
        file.seek(dialect.mark)
        carry = b""
        while block := file.read(CHUNK):
            cut = block.rfind(b"\n") + 1
            if not cut and len(carry) < LONGEST_LINE:
                carry += block
                continue
            yield carry + (block[:cut] if cut else block)
            carry = block[cut:] if cut else b""
        if carry:
            yield carry


class Regularity:
    """Tells whether lines all have `width` cells and nothing that needs a closer look."""

    def __init__(self, dialect: Dialect, width: int) -> None:
        delimiter = dialect.delimiter.encode()
        self._unit = delimiter * (width - 1) + b"\n"
        self._kept = delimiter + dialect.quote.encode() + b"\r\n\0"
        self._dropped = bytes(byte for byte in range(256) if byte not in self._kept)
        self._single = width == 1

    def skeleton(self, lines: bytes) -> bytes:
        """Give what is left of lines without the text of their cells."""
        bare = lines.translate(None, self._dropped)
        return bare.replace(b"\r\n", b"\n") if b"\r" in bare else bare

    def holds(self, lines: bytes, skeleton: bytes) -> bool:
        """Say whether whole lines are regular."""
        # What is left of regular lines is the same few bytes again and again, which one comparison tells.
        if skeleton != self._unit * (len(skeleton) // len(self._unit)):
            return False
        return not (self._single and _BLANK_LINE.search(lines))


class _Look:
    """What has been seen so far."""

    def __init__(self, dialect: Dialect, width: int) -> None:
        self._dialect = dialect
        self._regularity = Regularity(dialect, width)
        self._plain = True
        self._quotes = self._nuls = self._returns = self._broken = False
        self._letters = False
        self._fallback: str | None = None
        if dialect.encoding in {"cp1252", "latin-1"}:
            self._fallback = dialect.encoding

    def see(self, lines: bytes) -> None:
        """Look at whole lines."""
        skeleton = self._regularity.skeleton(lines)
        if not self._regularity.holds(lines, skeleton):
            self._plain = False
            self._nuls = self._nuls or b"\0" in skeleton
            # A lone carriage return ends a line for the csv module, but not for polars.
            self._returns = self._returns or b"\r" in skeleton
            self._quotes = self._quotes or self._dialect.quote.encode() in skeleton
        if not lines.isascii():
            self._decode(lines)

    def _decode(self, lines: bytes) -> None:
        if self._fallback is not None:
            if self._fallback == "cp1252":
                self._fallback = windows_or_latin(lines)
            return
        try:
            lines.decode("utf-8")
            self._letters = True
        except UnicodeDecodeError as error:
            self._letters = self._letters or not lines[: error.start].isascii()
            if self._letters or self._dialect.mark:
                self._broken = True
            else:
                self._fallback = windows_or_latin(lines)

    def survey(self, *, ends_with_line: bool) -> Survey:
        """Sum up."""
        shape = Shape.PLAIN
        if not self._plain:
            shape = Shape.QUOTED if self._quotes else Shape.IRREGULAR
        if self._nuls or self._returns or self._broken or self._fallback is not None:
            shape = Shape.IRREGULAR
        dialect = replace(self._dialect, encoding=self._fallback) if self._fallback else self._dialect
        guessed = self._fallback is not None
        return Survey(shape, dialect, guessed, self._broken, self._nuls, self._quotes, ends_with_line)


def _wide(path: Path, dialect: Dialect) -> Survey:
    broken = nuls = False
    last = ""
    with path.open("r", encoding=dialect.encoding, errors="replace", newline="") as text:
        while block := text.read(CHUNK):
            broken = broken or "\ufffd" in block
            nuls = nuls or "\0" in block
            last = block[-1]
    ends = last in {"\n", "\r"}
    return Survey(Shape.IRREGULAR, dialect, broken=broken, nuls=nuls, quotes=True, ends_with_line=ends)
