"""The beginning of a file for reading: text, JSON as a tree, or bytes; never anything that a browser would run."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aliquot.formats.dialect import detect_bytes
from aliquot.formats.gzipped import GZIP_MAGIC
from aliquot.model.errors import Invalid

HEAD = 64 * 2**10
_LINES = 400
_LONGEST = 2_000
_LARGEST_JSON = 4 * 2**20
_NODES = 2_000
_LETTERS = 100_000
"""Characters of a whole tree: a page has bounds."""
_DEEPEST = 60
_BYTES = 512
_STEP = 16
_ALLOWED = {"\t", "\n", "\r", "\f"}


def keep_text(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Give the first 400 lines within 64 KiB, inflated when the file is gzip; control characters are drawn."""
    del folder
    head, packed, more = _head(files[0])
    dialect = detect_bytes(head)
    text = head[dialect.mark :].decode(dialect.encoding.removesuffix("-sig"), errors="replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    whole = not more and len(lines) <= _LINES
    return {
        "kind": "text",
        "encoding": dialect.encoding,
        "packed": packed,
        "whole": whole,
        "lines": [_drawn(line) for line in lines[:_LINES]],
    }


def keep_json(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Give a JSON document as a tree of at most 3,000 nodes; larger than 4 MiB, or broken, it is given as text."""
    path = files[0]
    if path.stat().st_size > _LARGEST_JSON:
        return keep_text(files, folder) | {"note": "The document is larger than 4 MiB: this is its beginning, as text."}
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        note = (
            "The document is nested too deeply." if isinstance(error, RecursionError) else f"This is no JSON: {error}."
        )
        return keep_text(files, folder) | {"note": _drawn(note)}
    budget = _Budget()
    tree = _node(document, budget, 0)
    return {"kind": "json", "tree": tree, "whole": not budget.spent}


def keep_bytes(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Give the first 512 bytes as hexadecimal digits and characters, 16 to a line."""
    del folder
    with files[0].open("rb") as file:
        head = file.read(_BYTES)
    return {
        "kind": "bytes",
        "what": what_it_is(head),
        "lines": [
            {"at": at, "hex": part.hex(" "), "text": "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)}
            for at in range(0, len(head), _STEP)
            for part in [head[at : at + _STEP]]
        ],
    }


def what_it_is(head: bytes) -> str | None:
    """Name what a file is by its first bytes, for people."""
    return next((words for magic, words in _BEGINNINGS.items() if head.startswith(magic)), None)


def _head(path: Path) -> tuple[bytes, bool, bool]:
    """Give the first 64 KiB, whether they were packed, and whether there is more."""
    with path.open("rb") as file:
        raw = file.read(HEAD + 1)
    if not raw.startswith(GZIP_MAGIC):
        return raw[:HEAD], False, len(raw) > HEAD
    inflate = zlib.decompressobj(31)
    try:
        plain = inflate.decompress(raw, HEAD)
    except zlib.error as error:
        raise Invalid("gzip-damaged", f"The gzip file cannot be unpacked: {error}.") from None
    return plain, True, not inflate.eof


def _drawn(line: str) -> str:
    """Draw what has no shape of its own, or would turn the writing around."""
    if len(line) > _LONGEST:
        line = line[:_LONGEST] + "…"
    if line.isprintable():
        return line
    return "".join(each if each in _ALLOWED or each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


@dataclass(slots=True)
class _Budget:
    nodes: int = _NODES
    letters: int = _LETTERS

    @property
    def spent(self) -> bool:
        return self.nodes <= 0 or self.letters <= 0

    def take(self, text: str) -> str:
        """Give a text as long as there is room for it."""
        shown = _drawn(text)[: max(20, min(_LONGEST, self.letters))]
        self.letters -= len(shown)
        return shown


def _node(value: Any, budget: _Budget, depth: int) -> dict[str, Any]:
    """Give a node: `type`, and `text` of a plain value, or `size` and `members` of an object or array."""
    budget.nodes -= 1
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        members: list[dict[str, Any]] = []
        for name, member in pairs:
            if budget.spent or depth >= _DEEPEST:
                break
            members.append({"name": budget.take(str(name)[:200]), **_node(member, budget, depth + 1)})
        return {"type": "object" if isinstance(value, dict) else "array", "size": len(value), "members": members}
    kind = (
        "null"
        if value is None
        else "boolean"
        if isinstance(value, bool)
        else "text"
        if isinstance(value, str)
        else "number"
    )
    return {"type": kind, "text": budget.take(value if isinstance(value, str) else json.dumps(value))}


_BEGINNINGS = {
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive, or a document that is packed as one (Excel, Word)",
    b"\x1f\x8b": "a file compressed with gzip",
    b"BZh": "a file compressed with bzip2",
    b"\xfd7zXZ\0": "a file compressed with xz",
    b"\x28\xb5\x2f\xfd": "a file compressed with zstd",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (NetCDF 4, AnnData, mz5, …)",
    b"SQLite format 3\0": "a SQLite database",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document, or another OLE file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "a NumPy array",
    b"BAM\x01": "alignments (BAM)",
    b"CRAM": "alignments (CRAM)",
    b"\x7fELF": "a program",
    b"MZ": "a Windows program",
}
