"""Previews: what a person sees of a file without downloading it, made once from its bytes and kept.

A preview is a summary, a plain JSON document, and parts, which are files that pages, images and spectra are read from.
Which kind a file gets is decided by its bytes first, since names lie.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from aliquot.formats.gzipped import GZIP_MAGIC
from aliquot.formats.preview_text import HEAD
from aliquot.model.errors import Invalid

_GIB = 2**30

Maker = Callable[[Sequence[Path], Path], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of preview: the function that makes it, and the version of its code.

    A new version makes all that was kept before be made again.
    """

    maker: str
    code: int = 1
    largest: int | None = None
    """Bytes beyond which a file is shown by its beginning alone; None where no more than that is read anyway."""

    def load(self) -> Maker:
        """Import the function; some bring numpy, polars or pillow with them."""
        module, _, function = self.maker.partition(":")
        return getattr(import_module(f"aliquot.formats.{module}"), function)


KINDS: dict[str, Kind] = {
    "table": Kind("preview_table:keep_table", largest=8 * _GIB),
    "imzml": Kind("preview_imzml:keep_image", largest=64 * _GIB),
    "imzml-places": Kind("preview_imzml:keep_places", largest=64 * _GIB),
    "mzml": Kind("preview_mzml:keep_run", largest=32 * _GIB),
    "fastq": Kind("preview_fastq:keep_fastq", largest=1024 * _GIB),
    "picture": Kind("preview_image:keep_picture", largest=_GIB),
    "json": Kind("preview_text:keep_json", largest=4 * 2**20),
    "text": Kind("preview_text:keep_text"),
    "bytes": Kind("preview_text:keep_bytes"),
}
"""All kinds by name. `imzml-places` is what a first ion image needs before the whole of `imzml` is there."""

_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8", b"BM")
_TABLES = (".csv", ".tsv", ".tab", ".txt", ".tabular")
_XML = (b"<?xml", b"\xef\xbb\xbf<?xml", b"<mzML", b"<indexedmzML", b"\xff\xfe<\0?\0", b"\xfe\xff\0<\0?")


@dataclass(frozen=True, slots=True)
class Made:
    """A preview as it was made: its summary, and the local file of each part."""

    summary: dict[str, Any]
    parts: dict[str, Path] = field(default_factory=dict[str, Path])


def kind_of_preview(name: str, head: bytes) -> str:
    """Say which kind of preview fits a file, by its name and its first 64 KiB."""
    lower = name.lower()
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "picture"
    if head.startswith(b"PAR1"):
        return "table"
    plain = _unpacked(head)
    if plain is None:
        return "bytes"
    if plain.startswith(_XML):
        return "imzml" if lower.endswith(".imzml") else "mzml" if b"mzML" in plain[:2000] else "text"
    if plain.startswith(b"@") and _fastq_like(plain):
        return "fastq"
    if _is_text(plain):
        if head.startswith(GZIP_MAGIC):
            return "text"
        if plain.lstrip()[:1] in (b"{", b"[") and not lower.endswith(_TABLES):
            return "json"
        return "table" if lower.endswith(_TABLES) and _table_like(plain) else "text"
    return "bytes"


def make_preview(kind: str, files: Sequence[Path], folder: Path) -> Made:
    """Make a preview of a file, or of a pair, and write its parts into an empty folder.

    What is broken gives a summary with `findings`, never an exception; `Unavailable` where an extra is missing.
    """
    try:
        summary = KINDS[kind].load()(files, folder)
    except Invalid as error:
        for part in folder.iterdir():
            part.unlink()
        summary = {"kind": kind, "findings": [{"code": error.code, "text": error.message, "severity": "error"}]}
    return Made(summary, {part.name: part for part in sorted(folder.iterdir())})


def _unpacked(head: bytes) -> bytes | None:
    """Give the first bytes, inflated where they are gzip; None for gzip that is damaged at once."""
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(31).decompress(head, HEAD)
    except zlib.error:
        return None


def _fastq_like(plain: bytes) -> bool:
    lines = plain.split(b"\n", 4)
    return len(lines) > 3 and lines[2][:1] == b"+" and len(lines[1].rstrip()) == len(lines[3].rstrip())


def _is_text(plain: bytes) -> bool:
    if plain.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return b"\0" not in plain and not plain.startswith(b"%PDF-") and sum(byte < 9 for byte in plain) * 100 <= len(plain)


def _table_like(plain: bytes) -> bool:
    """Say whether the first lines have one and the same delimiter in them; a report in prose has not."""
    from aliquot.formats.dialect import detect_bytes

    found = detect_bytes(plain)
    text = plain[found.mark :].decode(found.encoding.removesuffix("-sig"), errors="replace")
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    return bool(lines) and sum(found.delimiter in line for line in lines) * 2 > len(lines)
