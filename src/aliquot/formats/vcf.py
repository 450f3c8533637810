"""Genetic variants: VCF, plain, gzip or BGZF.

Source: https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from aliquot.formats.bgzf import is_bgzf, unpacked
from aliquot.formats.collected import Collected, together
from aliquot.formats.gzipped import is_gzip
from aliquot.formats.vcf_quick import take_good
from aliquot.formats.vcf_records import Variants, take_record
from aliquot.model.errors import Invalid
from aliquot.model.finding import Report

_LONGEST_LINE = 256 * 2**20
_TOGETHER = 2000
_SINGLY = 30
_BLOCK = 2**20


def check_vcf(path: Path, name: str | None = None) -> Report:
    """Check one VCF file, from its first byte to its last.

    Facts: `version`, `records`, `samples`, `contigs` (numbers), `sorted`, `compressed` (`bgzf`, `gzip` or None).
    """
    found = Collected(name or path.name)
    variants = Variants(found)
    compressed: str | None = None
    try:
        if is_gzip(path):
            compressed = "bgzf" if is_bgzf(path) else "gzip"
        columns = _by_columns()
        for block in _blocks(unpacked(path), variants):
            if variants.header.done and columns and columns(block, variants):
                continue
            lines = block.removesuffix(b"\n").split(b"\n")
            for at in range(0, len(lines), _TOGETHER):
                part = lines[at : at + _TOGETHER]
                _take_part(part, variants)
        _finish(variants)
    except Invalid as error:
        found.raised(error)
    except OSError as error:
        found.error("file-unreadable", f"The file cannot be read: {error.strerror or error}.")
    if compressed == "gzip":
        found.warning(
            "not-bgzf", "The file is packed with gzip and not with bgzip, so that programs cannot look things up in it."
        )
    return found.report(
        {
            "version": variants.header.version,
            "records": variants.records,
            "samples": len(variants.header.samples),
            "contigs": len(variants.contigs),
            "sorted": not variants.unsorted,
            "compressed": compressed,
        }
    )


def _by_columns() -> Callable[[bytes, Variants], bool] | None:
    """Give what looks at a megabyte of records at a time, where NumPy is installed."""
    try:
        from aliquot.formats.vcf_columns import take_block
    except ModuleNotFoundError:
        return None
    return take_block


def _blocks(pieces: Iterator[bytes], variants: Variants) -> Iterator[bytes]:
    """Give whole lines, about a megabyte of them at a time; the last one may lack its end."""
    rest: list[bytes] = []
    waiting = 0
    for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", min(start + _BLOCK, piece.rfind(b"\n")), len(piece))) >= start:
            yield b"".join([*rest, piece[start : end + 1]])
            rest, waiting, start = [], 0, end + 1
        rest.append(piece[start:])
        waiting += len(piece) - start
        if waiting > _LONGEST_LINE:
            raise Invalid("line-too-long", "A line is longer than 256 MiB: this is not a VCF file.")
    if last := b"".join(rest):
        variants.open = True
        yield last


def _take_part(lines: Sequence[bytes], variants: Variants) -> None:
    """Check some lines: together if all is well, and in ever smaller parts around what is not."""
    if variants.header.done and take_good(lines, variants):
        return
    if len(lines) <= _SINGLY:
        for line in lines:
            _take(line, variants)
        return
    middle = len(lines) // 2
    _take_part(lines[:middle], variants)
    _take_part(lines[middle:], variants)


def _take(line: bytes, variants: Variants) -> None:
    variants.line += 1
    line = line.removesuffix(b"\r")
    if variants.header.done and not line.startswith(b"#"):
        take_record(line, variants)
    elif line.startswith(b"#") and not variants.header.done:
        variants.header.read(line.decode("utf-8", "replace"), variants.line, variants.found)
    elif variants.header.done:
        variants.error("header-malformed", "a line of the header stands among the records")
    else:
        text = (
            f"Line {variants.line} should begin with '#', as all lines do up to the names of the columns (#CHROM …), "
            f"but begins with {line[:20].decode('ascii', 'replace')!r}. This is no VCF file, or its header was lost."
        )
        raise Invalid("header-missing", text)


def _finish(variants: Variants) -> None:
    if not variants.line:
        text = "The file is empty. Was it still being written when it was copied? Copy it again."
        raise Invalid("file-empty", text)
    if not variants.header.done:
        text = (
            "The file ends before the line that names the columns (#CHROM …): it was probably cut off. Copy it again."
        )
        raise Invalid("header-missing", text)
    if variants.open:
        text = (
            f"The last line ({variants.line}) has no line end: if the file was cut off while copying, it is not whole."
        )
        variants.found.warning("last-line-open", text, row=variants.line)


class Vcf:
    """The format `vcf`: each file by itself."""

    name = "vcf"

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check VCF files; there are no options."""
        del options
        return together({name: check_vcf(path, name) for name, path in files.items()})
