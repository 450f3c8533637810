"""One quick look over all bytes of a delimited text file: may it be scanned as it is, or must it be rewritten?"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from aliquot.formats.dialect import Dialect, windows_or_latin

CHUNK = 1024 * 1024
LONGEST_LINE = 64 * CHUNK


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
    `broken` that some bytes are damaged in that encoding; `nuls` that NUL bytes stand among the text.
    """

    shape: Shape
    dialect: Dialect
    guessed: bool = False
    broken: bool = False
    nuls: bool = False
    ends_with_line: bool = True


def survey(path: Path, dialect: Dialect, width: int) -> Survey:
    """Look over a file whose header has `width` columns; one pass, memory for one chunk."""
    if dialect.wide:
        return _wide(path, dialect)
    look = _Look(dialect, width)
    with path.open("rb") as file:
        file.seek(dialect.mark)
        carry = b""
        while block := file.read(CHUNK):
            cut = block.rfind(b"\n") + 1
            if not cut and len(carry) < LONGEST_LINE:
                carry += block
                continue
            look.see(carry + block[:cut] if cut else carry + block)
            carry = block[cut:] if cut else b""
        if carry:
            look.see(carry + b"\n")
    return look.survey(ends_with_line=not carry)


class _Look:
    """What has been seen so far."""

    def __init__(self, dialect: Dialect, width: int) -> None:
        self._dialect = dialect
        delimiter = dialect.delimiter.encode()
        self._unit = delimiter * (width - 1) + b"\n"
        kept = delimiter + dialect.quote.encode() + b"\r\n\0"
        self._dropped = bytes(byte for byte in range(256) if byte not in kept)
        self._single = width == 1
        self._plain = True
        self._quotes = self._nuls = self._broken = False
        self._letters = False
        self._fallback: str | None = None
        if dialect.encoding in {"cp1252", "latin-1"}:
            self._fallback = dialect.encoding

    def see(self, lines: bytes) -> None:
        """Look at whole lines."""
        # What is left of regular lines is the same few bytes again and again, which one comparison tells.
        skeleton = lines.translate(None, self._dropped)
        if b"\r" in skeleton:
            skeleton = skeleton.replace(b"\r\n", b"\n")
        if self._plain and skeleton != self._unit * (len(skeleton) // len(self._unit)):
            self._plain = False
        if not self._plain:
            self._nuls = self._nuls or b"\0" in skeleton
            self._quotes = self._quotes or self._dialect.quote.encode() in skeleton
        if self._single and re.search(rb"(?:\A|\n)\r?\n", lines):
            self._plain = False
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
        shape = Shape.PLAIN if self._plain else Shape.QUOTED if self._quotes and not self._nuls else Shape.IRREGULAR
        if self._fallback is not None or self._broken:
            shape = Shape.IRREGULAR
        dialect = replace(self._dialect, encoding=self._fallback) if self._fallback else self._dialect
        return Survey(shape, dialect, self._fallback is not None, self._broken, self._nuls, ends_with_line)


def _wide(path: Path, dialect: Dialect) -> Survey:
    broken = nuls = False
    last = ""
    with path.open("r", encoding=dialect.encoding, errors="replace", newline="") as text:
        while block := text.read(CHUNK):
            broken = broken or "\ufffd" in block
            nuls = nuls or "\0" in block
            last = block[-1]
    ends = last in {"\n", "\r"}
    return Survey(Shape.IRREGULAR, dialect, broken=broken, nuls=nuls, ends_with_line=ends)
