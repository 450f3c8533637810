"""Aligned reads: BAM.

Source: the SAM specification, sections 1.3 and 4.2, https://samtools.github.io/hts-specs/SAMv1.pdf
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aliquot.formats.bam_header import SamHeader
from aliquot.formats.bgzf import is_bgzf, read_bgzf
from aliquot.formats.collected import Collected, together
from aliquot.model.errors import Invalid
from aliquot.model.finding import Report

_MAGIC = b"BAM\x01"
_NUMBER = struct.Struct("<i")
_RECORD = struct.Struct("<iiiBBHHHiii")  # block_size … next_pos; tlen follows, which anything may be
_FIXED = 32
_LONGEST = 256 * 2**20
_UNMAPPED = 4
_NOWHERE = 2**31


class _Lost(Exception):
    """The lengths contradict each other: where the next record begins, nobody can tell any more."""


@dataclass(slots=True)
class _Reads:
    """What is known of the reads so far."""

    found: Collected
    header: SamHeader = field(default_factory=SamHeader)
    lengths: list[int] = field(default_factory=list[int])
    records: int = 0
    unmapped: int = 0
    last: tuple[int, int] = (0, -1)

    def facts(self) -> dict[str, object]:
        """Give what people want to know about a file of aligned reads."""
        return {
            "records": self.records,
            "unmapped": self.unmapped,
            "references": len(self.lengths),
            "sort_order": self.header.order,
            "samples": sorted(self.header.samples),
        }


class _Bytes:
    """The unpacked content, given out in pieces of the size that is asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.held = b""
        self.at = 0

    def have(self, size: int) -> bool:
        """Say whether so many bytes are there from here on, reading on where they are not."""
        while len(self.held) - self.at < size:
            more = next(self._pieces, None)
            if more is None:
                return False
            self.held = self.held[self.at :] + more
            self.at = 0
        return True

    def take(self, size: int, what: str) -> bytes:
        """Give so many bytes; `Invalid` where the file ends before."""
        if size < 0 or size > _LONGEST:
            raise Invalid("bam-malformed", f"The BAM says that {what} has {size:,} bytes, which cannot be.")
        if not self.have(size):
            raise Invalid("bam-truncated", f"The BAM ends within {what}: it was cut off while being written or copied.")
        self.at += size
        return self.held[self.at - size : self.at]

    def number(self, what: str) -> int:
        """Give a whole number of four bytes."""
        return _NUMBER.unpack(self.take(4, what))[0]


def check_bam(path: Path, name: str | None = None) -> Report:
    """Check one BAM file: blocks and their checksums, the header against itself, and how each record is built.

    Facts: `records`, `unmapped`, `references` (numbers), `sort_order`, `samples`. `row` of a finding is the number of
    the record, from 1.
    """
    found = Collected(name or path.name)
    reads = _Reads(found)
    try:
        if not path.stat().st_size:
            raise Invalid(
                "file-empty", "The file is empty. Was it still being written when it was copied? Copy it again."
            )
        if not is_bgzf(path):
            raise Invalid("bam-malformed", "This is no BAM file: it is not compressed in blocks, as BAM is.")
        source = _Bytes(read_bgzf(path))
        _read_header(source, reads)
        _read_records(source, reads)
    except _Lost:
        pass
    except Invalid as error:
        found.raised(error)
    except OSError as error:
        found.error("file-unreadable", f"The file cannot be read: {error.strerror or error}.")
    return found.report(reads.facts())


def _read_header(source: _Bytes, reads: _Reads) -> None:
    if source.take(4, "its first four bytes") != _MAGIC:
        raise Invalid(
            "bam-malformed", "This is no BAM file: what is in its blocks does not begin with the letters BAM."
        )
    text = source.take(source.number("its header"), "its header").rstrip(b"\0").decode("utf-8", "replace")
    names: list[str] = []
    for _ in range(source.number("its list of references")):
        name = source.take(source.number("the name of a reference"), "the name of a reference")
        names.append(name.rstrip(b"\0").decode("utf-8", "replace"))
        reads.lengths.append(source.number("its list of references"))
    reads.header.read(text, reads.found)
    reads.header.compare(names, reads.lengths, reads.found)


def _read_records(source: _Bytes, reads: _Reads) -> None:
    sorted_by_place = reads.header.order == "coordinate"
    unpack = _RECORD.unpack_from
    while source.have(1):
        if not source.have(_RECORD.size):
            raise _cut_off(reads)
        size, *fields = unpack(source.held, source.at)
        number = reads.records + 1
        _check_size(size, fields, number, reads)
        if not source.have(4 + size):
            raise _cut_off(reads)
        if source.held[source.at + 4 + _FIXED + fields[2] - 1]:
            text = f"Read {number:,} has a name that does not end where the record says."
            reads.found.error("read-malformed", text, row=number)
        _check_place(fields, number, reads, in_order=sorted_by_place)
        reads.records = number
        source.at += 4 + size


def _check_size(size: int, fields: list[int], number: int, reads: _Reads) -> None:
    name, operations, bases = fields[2], fields[5], fields[7]
    least = _FIXED + name + 4 * operations + (bases + 1) // 2 + bases
    if name < 1 or bases < 0 or size < least or size > _LONGEST:
        text = (
            f"Read {number:,} says that it has {size:,} bytes, but its name, bases and qualities need {least:,}. The "
            "file was damaged when it was written; make it again."
        )
        reads.found.error("read-malformed", text, row=number)
        raise _Lost


def _check_place(fields: list[int], number: int, reads: _Reads, *, in_order: bool) -> None:
    reference, position, _, _, _, _, flag, _, mate, _ = fields
    reads.unmapped += bool(flag & _UNMAPPED)
    known = len(reads.lengths)
    if not (-1 <= reference < known and -1 <= mate < known):
        text = f"Read {number:,} lies on reference {max(reference, mate) + 1:,}, but the header lists {known:,}."
        reads.found.error("reference-unknown", text, row=number)
    elif reference >= 0 and not -1 <= position < reads.lengths[reference]:
        text = (
            f"Read {number:,} lies at {position + 1:,}, behind the end of its reference ({reads.lengths[reference]:,})."
        )
        reads.found.error("position-outside", text, row=number)
    if not in_order:
        return
    place = (reference if reference >= 0 else _NOWHERE, position)
    if place < reads.last:
        text = f"Read {number:,} lies before the one above it, but the header says that reads are sorted by coordinate."
        reads.found.error("order-broken", text, row=number)
    reads.last = place


def _cut_off(reads: _Reads) -> Invalid:
    text = f"The BAM ends within read {reads.records + 1:,}: it was cut off while being written. Make it again."
    return Invalid("bam-truncated", text)


class Bam:
    """The format `bam`: each file by itself."""

    name = "bam"

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check BAM files; there are no options."""
        del options
        return together({name: check_bam(path, name) for name, path in files.items()})
