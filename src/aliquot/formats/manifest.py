"""Manifests and sample sheets: tables that name files, with their checksums and whatever else they say of each."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aliquot.formats.dialect import detect_bytes
from aliquot.formats.other_document import other_document
from aliquot.model.errors import Invalid

_LARGEST = 64 * 2**20
_LIST = re.compile(r"\\?(?P<sum>[0-9a-fA-F]{32,128})[ \t]+[*]?(?P<name>\S.*)")
_SUM = re.compile(r"(?:[a-zA-Z0-9]+:)?[0-9a-fA-F]{32,128}")
_SHOWN = 12
_BRACES = re.compile(r"\{([^{}]+)\}")
_NAMES = ("file", "filename", "file_name", "path", "filepath", "file_path", "fastq_1", "fastq_2")
"""Columns that hold files' names where nothing else is said."""
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_BY_NAME = {"b3": "blake3", "blake3": "blake3", "sha1": "sha1", "sha512": "sha512", "sha256": "sha256", "md5": "md5"}


class Checksum(NamedTuple):
    """What a file's bytes shall give: the algorithm (md5, sha1, sha256, sha512, blake3), and the digits."""

    algorithm: str
    digits: str


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row: its line in the file from 1, the files that it names, and the other values by their columns."""

    number: int
    files: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    checksums: Mapping[str, Checksum] = field(default_factory=dict[str, Checksum])


def read_manifest(path: Path, files: Sequence[str] = (), checksums: Sequence[str] = ()) -> list[Row]:
    """Read a manifest: lines as `md5sum` writes them, or a delimited table with a header.

    `files` are columns of file names, or patterns such as `{sample}_R1.fastq.gz` that a row's columns fill; without
    them, columns that are called `file`, `path`, `fastq_1` and the like. Names are relative to the manifest's folder.
    `checksums` are the columns of their checksums, in the same order. What names no file is `Invalid`.
    """
    found = other_document(path)
    if found:
        raise _unreadable(found)
    if path.stat().st_size > _LARGEST:
        raise _unreadable("it has more than 64 MiB; split it")
    data = path.read_bytes()
    dialect = detect_bytes(data[: 64 * 1024], tabs_first=path.suffix.lower() in {".tsv", ".tab"})
    text = data[dialect.mark :].decode(dialect.encoding, errors="replace")
    rows = list(_listed(text, path.name)) or list(_table(text, dialect.delimiter, files, checksums))
    if not rows:
        raise _unreadable("it names no file")
    seen: set[str] = set()
    for row in rows:
        for name in row.files:
            if name in seen:
                raise _unreadable(f"line {row.number} names {name} for the second time")
            seen.add(name)
    return rows


def _listed(text: str, name: str) -> Iterator[Row]:
    """Read lines of a checksum and a name; a file with any other line is no such list."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    found = [(number, _LIST.fullmatch(line)) for number, line in lines if not line.startswith("#")]
    if not found or any(match is None or len(match["sum"]) not in _BY_LENGTH for _, match in found):
        return
    for number, match in found:
        assert match
        file = _relative(match["name"].strip(), number)
        yield Row(number, (file,), {}, {file: _sum(match["sum"], name)})


def _table(text: str, delimiter: str, files: Sequence[str], checksums: Sequence[str]) -> Iterator[Row]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [cell.strip() for cell in next(rows, [])]
        patterns = _patterns(header, files)
        sums = list(checksums) or _checksum_columns(header)
        if missing := next((each for each in sums if each not in header), None):
            raise _unreadable(f"it has no column {missing!r}; found {', '.join(header[:_SHOWN])}")
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield _row(header, cells, patterns, sums, rows.line_num)
    except csv.Error as error:
        raise _unreadable(f"line {rows.line_num} cannot be read: {error}") from None


def _row(header: Sequence[str], cells: Sequence[str], patterns: Sequence[str], sums: Sequence[str], number: int) -> Row:
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    names: list[str] = []
    checksums: dict[str, Checksum] = {}
    for at, pattern in enumerate(patterns):
        # A single read has no second file: its cell is empty.
        if not all(values.get(column) for column in _BRACES.findall(pattern)):
            continue
        name = _relative(_BRACES.sub(lambda found: values[found[1]], pattern), number)
        names.append(name)
        if at < len(sums) and (digits := values.get(sums[at], "")):
            if not _SUM.fullmatch(digits) or len(_digits(digits)) not in _BY_LENGTH:
                raise _unreadable(f"{digits[:80]!r} in line {number} is no checksum")
            checksums[name] = _sum(digits, sums[at])
    return Row(number, tuple(dict.fromkeys(names)), values, checksums)


def _patterns(header: Sequence[str], files: Sequence[str]) -> list[str]:
    wanted = list(files) or [column for column in header if column.lower() in _NAMES]
    if not wanted:
        raise _unreadable(
            f"it has no column of files, such as 'file' or 'fastq_1', and nothing says which it is; found "
            f"{', '.join(header[:_SHOWN])}"
        )
    patterns = [each if _BRACES.search(each) else "{" + each + "}" for each in wanted]
    for each in patterns:
        for column in _BRACES.findall(each):
            if column not in header:
                raise _unreadable(f"it has no column {column!r}; found {', '.join(header[:_SHOWN])}")
    return patterns


def _checksum_columns(header: Sequence[str]) -> list[str]:
    known = (*_BY_NAME, "md5sum", "sha1sum", "sha256sum", "sha512sum", "b3sum", "checksum", "digest")
    return [column for column in header if column.lower() in known][:1]


def _sum(digits: str, named: str) -> Checksum:
    """Tell the algorithm by what it is called, where the length says no other, and else by the length."""
    plain, prefix = _digits(digits), digits.rpartition(":")[0]
    by_length = _BY_LENGTH[len(plain)]
    said = next((each for word, each in _BY_NAME.items() if word in (prefix or named).lower()), by_length)
    return Checksum("blake3" if said == "blake3" and by_length == "sha256" else by_length, plain)


def _digits(text: str) -> str:
    return text.rpartition(":")[2].lower()


def _relative(name: str, number: int) -> str:
    segments = [each for each in name.replace("\\", "/").split("/") if each not in ("", ".")]
    # A path of another machine says nothing here but the name.
    if name.startswith(("/", "\\")) or "://" in name or re.match(r"[A-Za-z]:[\\/]", name):
        segments = segments[-1:]
    if not segments or ".." in segments:
        raise _unreadable(f"line {number} names {name!r}, which leads out of its folder")
    return "/".join(segments)


def _unreadable(what: str) -> Invalid:
    return Invalid("manifest-unreadable", f"This cannot be read as a manifest of files: {what}.")
