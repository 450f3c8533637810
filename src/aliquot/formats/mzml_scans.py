"""What an mzML file says of its scans without their arrays, and which arrays one scan has."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aliquot.formats.xml_events import Attributes, read_xml
from aliquot.model.errors import Invalid

_MINUTES = "UO:0000031"
_KINDS = {"MS:1000514": "mz", "MS:1000515": "intensity"}
_TYPES = {"MS:1000521": "f", "MS:1000523": "d", "MS:1000519": "i", "MS:1000522": "q"}
_ZLIB = "MS:1000574"
_UNREADABLE = {
    "MS:1002312": "MS-Numpress linear", "MS:1002313": "MS-Numpress positive integer", "MS:1002314": "MS-Numpress short",
    "MS:1002746": "MS-Numpress linear with zlib", "MS:1002747": "MS-Numpress positive integer with zlib",
    "MS:1002748": "MS-Numpress short with zlib",
}  # fmt: skip

Term = tuple[str, str, str]
"""Accession, value, accession of the unit."""


@dataclass(slots=True)
class Scan:
    """One spectrum: MS level, time in seconds, total ion current and base peak, as far as the file says them."""

    level: int | None = None
    time: float | None = None
    total: float | None = None
    base: float | None = None


@dataclass(slots=True)
class Run:
    """The scans of a file in its order, and its groups of parameters, which scans and arrays refer to."""

    scans: list[Scan] = field(default_factory=list[Scan])
    groups: dict[str, list[Term]] = field(default_factory=dict[str, list[Term]])


def read_scans(path: Path) -> Run:
    """Read all scans of an mzML file; `Invalid` for what is damaged, or no mzML."""
    reader = _Reader()
    read_xml(path, reader.start, reader.end)
    return reader.run


class _Reader:
    def __init__(self) -> None:
        self.run = Run()
        self._scan: Scan | None = None
        self._group: list[Term] | None = None
        self._array = False
        self._rooted = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "cvParam":
            term = (attributes.get("accession", ""), attributes.get("value", ""), attributes.get("unitAccession", ""))
            if self._group is not None:
                self._group.append(term)
            elif self._scan is not None and not self._array:
                _describe(self._scan, term)
        elif name == "referenceableParamGroupRef":
            if self._scan is not None and not self._array:
                for term in self.run.groups.get(attributes.get("ref", ""), ()):
                    _describe(self._scan, term)
        elif name == "spectrum":
            self._scan = Scan()
            self.run.scans.append(self._scan)
        elif name == "binaryDataArray":
            self._array = True
        elif name == "referenceableParamGroup":
            self._group = self.run.groups.setdefault(attributes.get("id", ""), [])
        elif not self._rooted:
            if name not in ("mzML", "indexedmzML"):
                raise Invalid("mzml-root", f"The file is XML, but not mzML: it begins with <{name[:40]}>.")
            self._rooted = True

    def end(self, name: str) -> None:
        if name == "spectrum":
            self._scan = None
        elif name == "binaryDataArray":
            self._array = False
        elif name == "referenceableParamGroup":
            self._group = None


def _describe(scan: Scan, term: Term) -> None:
    accession, value, unit = term
    if accession == "MS:1000511":
        scan.level = int(number) if (number := _number(value)) is not None else None
    elif accession == "MS:1000016":
        number = _number(value)
        scan.time = number * 60 if number is not None and unit == _MINUTES else number
    elif accession == "MS:1000285":
        scan.total = _number(value)
    elif accession == "MS:1000505":
        scan.base = _number(value)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e300 else None


class Arrays:
    """Takes the arrays of one spectrum element out of a parser's events.

    `found` has `(kind, packing, type, base64 text)` by kind, `mz` and `intensity`; packing is empty, `zlib`, or the
    name of a method that we cannot undo; the type is a code of the module struct.
    """

    def __init__(self, groups: dict[str, Any]) -> None:
        self.found: dict[str, tuple[str, str, str, str]] = {}
        self._groups = groups
        self._terms: list[str] | None = None
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """See an element begin."""
        name = name.rpartition(":")[2]
        if name == "binaryDataArray":
            self._terms = []
        elif name == "binary" and self._terms is not None:
            self._text = []
        elif self._terms is not None and name == "cvParam":
            self._terms.append(attributes.get("accession", ""))
        elif self._terms is not None and name == "referenceableParamGroupRef":
            self._terms += [term[0] for term in self._groups.get(attributes.get("ref", ""), ())]

    def text(self, text: str) -> None:
        """See text."""
        if self._text is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        """See an element end; the text of an array comes after all that describes it."""
        if name.rpartition(":")[2] == "binary" and self._terms is not None:
            kind = next((_KINDS[term] for term in self._terms if term in _KINDS), None)
            type_ = next((_TYPES[term] for term in self._terms if term in _TYPES), "d")
            packing = next((_UNREADABLE[term] for term in self._terms if term in _UNREADABLE), "")
            packing = packing or ("zlib" if _ZLIB in self._terms else "")
            if kind:
                self.found[kind] = (kind, packing, type_, "".join(self._text or ()))
            self._text = self._terms = None
