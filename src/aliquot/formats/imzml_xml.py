"""What the XML half of an imzML pair says: a header, then spectra, each with its place in the .ibd file.

Source: https://www.ms-imaging.org/imzml/ and the controlled vocabularies MS and IMS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aliquot.formats.xml_events import Attributes, read_xml
from aliquot.model.errors import Invalid

_CHECKSUMS = {"IMS:1000090": "md5", "IMS:1000091": "sha1", "IMS:1000092": "sha256"}
_MODES = {"IMS:1000030": "continuous", "IMS:1000031": "processed"}
_GRID = {
    "IMS:1000042": "columns", "IMS:1000043": "rows", "IMS:1000044": "width", "IMS:1000045": "height",
    "IMS:1000046": "pixel_width", "IMS:1000047": "pixel_height",
}  # fmt: skip
_POSITIONS = {"IMS:1000050": "x", "IMS:1000051": "y", "IMS:1000052": "z"}
_KINDS = {"MS:1000514": "mz", "MS:1000515": "intensity"}
_PLACES = {"IMS:1000102": "offset", "IMS:1000103": "length", "IMS:1000104": "encoded"}
_TYPES = {
    "MS:1000521": "f", "MS:1000523": "d", "MS:1000519": "i", "MS:1000522": "q", "IMS:1000141": "i",
    "IMS:1000142": "q", "IMS:1100000": "b", "IMS:1100001": "h",
}  # fmt: skip
_ZLIB = "MS:1000574"


@dataclass(slots=True)
class Array:
    """An array in the .ibd file: offset and encoded length in bytes, length in values; None is what is not said.

    `type` is a code of the module struct, little-endian.
    """

    kind: str | None = None
    type: str | None = None
    compressed: bool = False
    offset: int | None = None
    length: int | None = None
    encoded: int | None = None


@dataclass(slots=True)
class Spectrum:
    """A spectrum: its number in the file from 1, its pixel from 1, its arrays."""

    number: int
    x: int | None = None
    y: int | None = None
    z: int | None = None
    arrays: list[Array] = field(default_factory=list[Array])


@dataclass(slots=True)
class Header:
    """What the file says of itself. `grid` has columns and rows in pixels, and sizes in micrometers."""

    uuid: str | None = None
    checksums: dict[str, str] = field(default_factory=dict[str, str])
    modes: set[str] = field(default_factory=set[str])
    grid: dict[str, float] = field(default_factory=dict[str, float])
    declared: int | None = None
    spectra: int = 0
    unknown_groups: set[str] = field(default_factory=set[str])

    def extent(self, size: str, pixel: str) -> int | None:
        """Give the pixels along an axis as the size of the area, divided by that of a pixel, has it."""
        if size in self.grid and pixel in self.grid:
            return round(self.grid[size] / self.grid[pixel])
        return None


def read_imzml(path: Path, header: Header, spectrum: Callable[[Spectrum], None]) -> None:
    """Read an .imzML file into `header`, calling `spectrum` for each as it ends.

    Raises `Invalid` for what is not XML, is refused as XML, or is not mzML.
    """
    reader = _Reader(header, spectrum)
    read_xml(path, reader.start, reader.end)


class _Reader:
    def __init__(self, header: Header, spectrum: Callable[[Spectrum], None]) -> None:
        self._header = header
        self._done = spectrum
        self._groups: dict[str, list[tuple[str, str]]] = {}
        self._group: list[tuple[str, str]] | None = None
        self._spectrum: Spectrum | None = None
        self._array: Array | None = None
        self._rooted = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "cvParam":
            accession, value = attributes.get("accession", ""), attributes.get("value", "")
            if self._group is not None:
                self._group.append((accession, value))
            else:
                self._term(accession, value)
        elif name == "referenceableParamGroupRef":
            self._refer(attributes.get("ref", ""))
        elif name == "binaryDataArray":
            if self._spectrum is not None:
                self._array = Array()
                self._spectrum.arrays.append(self._array)
        elif name == "spectrum":
            self._header.spectra += 1
            self._spectrum = Spectrum(self._header.spectra)
        elif not self._rooted:
            self._root(name)
        elif name == "referenceableParamGroup":
            self._group = self._groups.setdefault(attributes.get("id", ""), [])
        elif name == "spectrumList":
            self._header.declared = _whole(attributes.get("count", ""))

    def end(self, name: str) -> None:
        if name == "binaryDataArray":
            self._array = None
        elif name == "spectrum":
            if self._spectrum is not None:
                self._done(self._spectrum)
            self._spectrum = None
        elif name == "referenceableParamGroup":
            self._group = None

    def _root(self, name: str) -> None:
        if name not in ("mzML", "indexedmzML"):
            text = f"The file is XML, but not imzML: it begins with <{name[:40]}>. Is it another file under this name?"
            raise Invalid("imzml-root", text)
        self._rooted = True

    def _refer(self, name: str) -> None:
        if name not in self._groups:
            self._header.unknown_groups.add(name)
        for accession, value in self._groups.get(name, ()):
            self._term(accession, value)

    def _term(self, accession: str, value: str) -> None:
        if self._array is not None:
            _describe_array(self._array, accession, value)
        elif self._spectrum is not None:
            if axis := _POSITIONS.get(accession):
                setattr(self._spectrum, axis, _whole(value))
        else:
            _describe_file(self._header, accession, value)


def _describe_array(array: Array, accession: str, value: str) -> None:
    if place := _PLACES.get(accession):
        setattr(array, place, _whole(value))
    elif kind := _KINDS.get(accession):
        array.kind = kind
    elif type_ := _TYPES.get(accession):
        array.type = type_
    elif accession == _ZLIB:
        array.compressed = True


def _describe_file(header: Header, accession: str, value: str) -> None:
    if accession == "IMS:1000080":
        header.uuid = value
    elif mode := _MODES.get(accession):
        header.modes.add(mode)
    elif kind := _CHECKSUMS.get(accession):
        header.checksums[kind] = value.strip().lower()
    elif name := _GRID.get(accession):
        number = _real(value)
        if number > 0:
            header.grid[name] = number


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _real(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if number < 2**31 else 0.0
