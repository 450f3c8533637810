"""Which file type a file is of, by its name, its path and its first bytes; and why none, in words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from aliquot.formats.archive_members import kind_of
from aliquot.formats.dialect import header
from aliquot.formats.gzipped import GZIP_MAGIC, blocks
from aliquot.formats.json_shape import json_keys
from aliquot.formats.other_document import other_document
from aliquot.formats.specific import most_specific
from aliquot.formats.xml_events import root_of
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.glob import Glob, GlobError, compile_glob
from aliquot.model.pattern import compiled

_HEAD = 4096
_SHOWN = 8
_VCF = b"##fileformat=VCF"
_BAM = b"BAM\x01"
_MZML = re.compile(rb"<(?:\w+:)?(?:indexed)?mzML[\s>]")
_IMZML = re.compile(rb"IMS:10000(?:80|30|31)")
"""Terms of imzML alone: the identifier that ties it to its other half, and how arrays are kept there."""
_ENDING = re.compile(r"(?:\.[A-Za-z0-9]+)+\Z")


@dataclass(frozen=True, slots=True)
class Recognition:
    """Which type was chosen for a file, or None; the names of all that fit, and why the others did not, by name.

    Where several fit and none asks for all that the others do, none is chosen.
    """

    type: FileType | None
    candidates: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def several(self) -> bool:
        """Say whether more than one type fitted."""
        return len(self.candidates) > 1

    def explain(self) -> str:
        """Say in one line for each type why it did not fit."""
        return "\n".join(f"{name}: {reason}" for name, reason in self.reasons.items())


def recognise(name: str, path_in_source: str, file: Path, types: Sequence[FileType]) -> Recognition:
    """Find the type of a file that came under `name` and `path_in_source`, and whose bytes lie in `file`.

    Of several that fit, the one that asks for more is chosen. Globs and bytes that cannot be read are `Invalid`.
    """
    look = _Look(file)
    fitting: list[FileType] = []
    reasons: dict[str, str] = {}
    for each in {each.type: each for each in types}.values():
        reason = _misfit_of_name(each, name, path_in_source)
        if reason is None:
            try:
                reason = _misfit_of_content(each, look)
            except OSError as error:
                reason = f"the file cannot be read ({error.strerror or error})"
        if reason is None:
            fitting.append(each)
        else:
            reasons[each.type] = reason
    return Recognition(most_specific(fitting), tuple(each.type for each in fitting), reasons)


def name_matches(glob: str, name: str) -> bool:
    """Say whether a file name matches a glob; upper and lower case are one in the ending alone.

    Instruments' computers write `PLATE.CSV` and `scan.imzml` for what everybody else calls `.csv` and `.imzML`.
    """
    compiled = _compiled("/" + glob)
    # By thousands, and most names are written as they should be.
    if compiled.match("/" + name) is not None:
        return True
    if ending := _ENDING.search(glob):
        written = ending[0]
        if not name.lower().endswith(written.lower()):
            return False
        name = name[: -len(written)] + written
    elif ending := _ENDING.search(name):
        name = name[: ending.start()] + ending[0].lower()
    return compiled.match("/" + name) is not None


class _Look:
    """What a file begins with; each thing is found out once, however many types ask."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @cached_property
    def head(self) -> bytes:
        with self._file.open("rb") as file:
            return file.read(_HEAD)

    @cached_property
    def header(self) -> list[str] | None:
        return header(self._file)

    @cached_property
    def other(self) -> str | None:
        return other_document(self._file)

    @cached_property
    def keys(self) -> frozenset[str] | None:
        return json_keys(self._file)

    @cached_property
    def first_line(self) -> str:
        lines = (self.unpacked or b"")[:_HEAD].removeprefix(b"\xef\xbb\xbf").splitlines()
        return lines[0].decode(errors="replace") if lines else ""

    @cached_property
    def root(self) -> str | None:
        return root_of(self._file)

    @cached_property
    def unpacked(self) -> bytes | None:
        """The first bytes as they are or inflated; None for gzip that is damaged at once."""
        if not self.head.startswith(GZIP_MAGIC):
            return self.head
        try:
            return next(blocks(self._file), b"")
        except Invalid:
            return None

    @cached_property
    def archive(self) -> bool:
        try:
            return bool(kind_of(self._file))
        except Invalid as error:
            return error.code != "archive-unknown"


def _misfit_of_name(type_: FileType, name: str, path: str) -> str | None:
    rules = type_.recognise
    if rules.name is not None and not name_matches(rules.name, name):
        return f"its name does not match {rules.name}"
    if rules.extension is not None and not name.lower().endswith("." + rules.extension.lower().lstrip(".")):
        return f"its name does not end in .{rules.extension.lstrip('.')}"
    if rules.path is not None and _compiled(rules.path).match("/" + path.lstrip("/")) is None:
        return f"its path /{path.lstrip('/')} does not match {rules.path}"
    return None


def _misfit_of_content(type_: FileType, look: _Look) -> str | None:
    rules = type_.recognise
    if rules.magic is not None and not look.head.startswith(magic := _bytes_of(rules.magic)):
        return f"does not begin with the bytes {magic.hex(' ')}"
    if rules.root is not None and look.root != rules.root:
        found = f"found <{look.root[:60]}>" if look.root else "it does not begin as XML does"
        return f"is not an XML file with the root element <{rules.root}>; {found}"
    if rules.json_ is not None and (reason := _misfit_of_keys(rules.json_, look.keys)):
        return reason
    if rules.first is not None and compiled(rules.first).match(look.first_line) is None:
        return f"its first line does not begin with {rules.first}; found {look.first_line[:60]!r}"
    if rules.columns is not None and (reason := _misfit_of_columns(rules.columns, look)):
        return reason
    # A file with nothing in it, cut off or damaged goes on to the check, which says so in better words.
    return _misfit_of_format(type_, look) if look.head else None


def _misfit_of_keys(wanted: Sequence[str], found: frozenset[str] | None) -> str | None:
    if found is None:
        return "is not a JSON object, nor a list or lines of them"
    missing = [key for key in wanted if key not in found]
    if not missing:
        return None
    word = "key" if len(missing) == 1 else "keys"
    return f"has no {word} {', '.join(map(repr, missing))}; found {_listed(sorted(found)) or 'none'}"


def _misfit_of_columns(wanted: Sequence[str], look: _Look) -> str | None:
    if look.other:
        return look.other
    found = look.header
    if found is None:
        return "has no header row with column names" if look.head else "is empty, so it has no columns"
    missing = [column for column in wanted if column not in found]
    if not missing:
        return None
    alike = {each.strip().lower(): each for each in found}
    close = [alike[column.lower()] for column in missing if column.lower() in alike]
    word = "column" if len(missing) == 1 else "columns"
    hint = f" (upper and lower case differ from {', '.join(map(repr, close))})" if close else ""
    return f"has no {word} {', '.join(map(repr, missing))}{hint}; found {_listed(found)}"


def _misfit_of_format(type_: FileType, look: _Look) -> str | None:
    begins = None if look.unpacked is None else look.unpacked.lstrip()[:1]
    if type_.format == "fastq" and begins not in (None, b"", b"@"):
        return "does not begin as a FASTQ file does, with '@'"
    if type_.format == "vcf" and look.unpacked and not look.unpacked.startswith(_VCF):
        return "does not begin as a VCF file does, with ##fileformat=VCF"
    if type_.format == "bam" and look.unpacked and not look.unpacked.startswith(_BAM):
        return "is not a BAM file: what is in its blocks does not begin with the letters BAM"
    if type_.format == "mzml":
        return _misfit_of_mzml(look)
    if type_.format == "archive" and not look.archive:
        return "is not a .tar, .tar.gz or .zip archive"
    if type_.format == "imzml" and look.root not in ("mzML", "indexedmzML"):
        return "is not an imzML file: it does not begin as XML with the root element <mzML>"
    return None


def _misfit_of_mzml(look: _Look) -> str | None:
    if look.head.startswith(GZIP_MAGIC):
        begins = look.unpacked
        return None if begins is None or _MZML.search(begins[:_HEAD]) else "is not mzML: what is packed is another kind"
    if look.root not in ("mzML", "indexedmzML"):
        return "is not an mzML file: it does not begin as XML with the root element <mzML>"
    return "is one half of an imzML pair, and not mzML alone" if _IMZML.search(look.head) else None


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(column[:60] for column in columns[:_SHOWN])
    return shown + (f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else "")


def _bytes_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        sentence = f"'magic' is {text!r}, but must be bytes as hexadecimal digits, such as 50 4b 03 04."
        raise Invalid("magic-malformed", sentence) from None


@lru_cache
def _compiled(glob: str) -> Glob:
    try:
        return compile_glob(glob)
    except GlobError as error:
        raise Invalid("glob-malformed", f"{glob!r} is not a glob: {error}.", glob=glob) from None
