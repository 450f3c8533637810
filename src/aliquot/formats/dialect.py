"""How a delimited text file is written: its encoding, delimiter, line ends and header, seen from its first bytes."""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = 64 * 1024
"""Bytes that are read to tell a dialect."""

_AT_LEAST = 2
_DELIMITERS = (",", ";", "\t", "|")
_SINGLE_OPENED = re.compile(r"(?:^|(?<=[,;\t|\r\n]))'")
_SINGLE_WHOLE = re.compile(r"(?:^|(?<=[,;\t|\r\n]))'(?:[^'\r\n]|'')*'(?=[,;\t|\r\n]|$)")
_DOUBLE_OPENED = re.compile(r'(?:^|(?<=[,;\t|\r\n]))"')
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LOOKS_LIKE_DATA = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited text file is written.

    `encoding` is the codec that reads it: `utf-8`, `utf-8-sig` (with a byte order mark), `utf-16-le`, `utf-16-be`,
    `cp1252` or `latin-1`. `mark` is the number of bytes of the byte order mark. `header` says whether the first row
    looks like one.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    line_end: str = "\n"
    mark: int = 0

    @property
    def wide(self) -> bool:
        """Say whether a character takes two bytes, so that ASCII delimiters cannot be looked for in the bytes."""
        return self.encoding.startswith("utf-16")

    def document(self) -> dict[str, object]:
        """Give the dialect as a JSON object."""
        return asdict(self)


def detect(path: Path) -> Dialect:
    """Tell how a file is written from its first 64 KiB; an empty file gives the defaults."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return detect_bytes(head, tabs_first=path.suffix.lower() in {".tsv", ".tab"})


def detect_bytes(head: bytes, *, tabs_first: bool = False) -> Dialect:
    """Tell how a file is written from its first bytes; `tabs_first` prefers the tab between equals."""
    encoding, mark = _encoding(head)
    text = head[mark:].decode(encoding, errors="replace")
    quote = _quote(text)
    delimiter = _delimiter(text, tabs_first, quote)
    cells = _first_cells(text, delimiter, quote)
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        header=not any(_LOOKS_LIKE_DATA.fullmatch(cell.strip()) for cell in cells),
        line_end=_line_end(text),
        mark=mark,
    )


def header(path: Path) -> list[str] | None:
    """Give the labels of a file's first row, or `None` for a file that is not a delimited text file.

    Only the first 64 KiB are read; a first row that is blank, longer than that, or holds control characters is none.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    found = detect_bytes(head, tabs_first=path.suffix.lower() in {".tsv", ".tab"})
    text = head[found.mark :].decode(found.encoding, errors="replace")
    cells = _first_cells(text, found.delimiter, found.quote)
    if not any(cell.strip() for cell in cells) or any(_UNPRINTABLE.search(cell) for cell in cells):
        return None
    if len(head) == HEAD and "\n" not in text and "\r" not in text:
        return None
    return [cell.strip() for cell in cells]


def windows_or_latin(content: bytes) -> str:
    """Name the single-byte encoding that reads `content` without a gap."""
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _encoding(head: bytes) -> tuple[str, int]:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    try:
        # The head may end within a character, which final=False forgives.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError as error:
        # Good non-ASCII characters before the bad byte mean damaged UTF-8, not another encoding.
        return ("utf-8" if not head[: error.start].isascii() else windows_or_latin(head)), 0
    return "utf-8", 0


def _quote(text: str) -> str:
    """Say which mark texts are put in: single ones where at least two cells are, whole, and none is in double ones.

    A cell that begins with a single mark and does not end with one (5' ends, names) leaves them to be letters.
    """
    whole = text[: text.rfind("\n") + 1] or text
    opened = len(_SINGLE_OPENED.findall(whole))
    if opened < _AT_LEAST or _DOUBLE_OPENED.search(whole):
        return '"'
    return "'" if len(_SINGLE_WHOLE.findall(whole)) == opened else '"'


def _delimiter(text: str, tabs_first: bool, quote: str) -> str:
    """Choose the delimiter that gives the most rows of the header's width, and then the wider table."""
    order = ("\t", *_DELIMITERS[:2], "|") if tabs_first else _DELIMITERS
    best, score = order[0], (0.0, 0)
    for candidate in order:
        widths = _widths(text, candidate, quote)
        if not widths or widths[0] < 2:
            continue
        share = Counter(widths)[widths[0]] / len(widths)
        if (round(share, 1), widths[0]) > score:
            best, score = candidate, (round(share, 1), widths[0])
    return best


def _widths(text: str, delimiter: str, quote: str) -> list[int]:
    lines = text.splitlines(keepends=True)[:200]
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        lines.pop()  # the head may end within a row
    try:
        return [len(cells) for cells in csv.reader(lines, delimiter=delimiter, quotechar=quote) if cells]
    except csv.Error:
        return []


def _first_cells(text: str, delimiter: str, quote: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return []


def _line_end(text: str) -> str:
    ends = {"\r\n": text.count("\r\n")}
    ends["\n"] = text.count("\n") - ends["\r\n"]
    ends["\r"] = text.count("\r") - ends["\r\n"]
    best = max(ends, key=lambda end: ends[end])
    return best if ends[best] else "\n"
