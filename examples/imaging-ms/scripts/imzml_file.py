"""Reads an imzML measurement: the XML beside the binary file, in continuous and in processed mode.

Format: Schramm et al., J. Proteomics 75 (2012) 5106-5110, and the cvParams of the imaging MS ontology (IMS:…).
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID
from xml.etree import ElementTree

import numpy as np

MZML = "{http://psi.hupo.org/ms/mzml}"
NUMBER_TYPES = {
    "MS:1000519": "<i4",
    "MS:1000521": "<f4",
    "MS:1000522": "<i8",
    "MS:1000523": "<f8",
    "IMS:1000141": "<i4",
    "IMS:1000142": "<i8",
}
Params = dict[str, str]


class NotReadable(Exception):
    """The pair of files is not an imzML measurement that can be worked on; the text says what is wrong."""


@dataclass(frozen=True)
class Array:
    """Where an array lies in the binary file: bytes from its start, number of values, bytes, and how to read them."""

    offset: int
    length: int
    stored: int
    dtype: str
    compressed: bool


@dataclass(frozen=True)
class Spectrum:
    """One pixel: its position, counted from 1, and its two arrays."""

    x: int
    y: int
    mz: Array
    intensity: Array


@dataclass(frozen=True)
class Measurement:
    """What the XML says of a measurement.

    `mode` is continuous (all spectra share one m/z axis) or processed; `kind` is profile or centroid. `width` and
    `height` are the declared numbers of pixels, 0 where not declared; `pixel_size` is in micrometres, None likewise.
    """

    uuid: str
    mode: str
    kind: str
    width: int
    height: int
    pixel_size: float | None
    spectra: tuple[Spectrum, ...]


def find_pair(folder: Path) -> tuple[Path, Path]:
    """Give the one .imzML file in or below a folder and the .ibd file of the same name."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".imzml")
    if len(found) != 1:
        raise NotReadable(f"expected one .imzML file, found {len(found)}: {', '.join(p.name for p in found) or 'none'}")
    xml = found[0]
    beside = [p for p in sorted(xml.parent.iterdir()) if p.stem == xml.stem and p.suffix.lower() == ".ibd"]
    if not beside:
        raise NotReadable(f"{xml.name} came without its binary file: {xml.stem}.ibd is missing")
    return xml, beside[0]


def read_measurement(xml: Path) -> Measurement:
    """Read the XML of a measurement, element by element, so that a large one needs little memory."""
    groups: dict[str, Params] = {}
    document: Params = {}
    spectra: list[Spectrum] = []
    try:
        for _, element in ElementTree.iterparse(xml):
            name = element.tag.removeprefix(MZML)
            if name == "referenceableParamGroup":
                groups[element.get("id", "")] = _params(element, {})
            elif name in {"fileContent", "scanSettings"}:
                document |= _params(element, groups)
            elif name == "spectrum":
                spectra.append(_spectrum(element, groups, len(spectra) + 1))
                document.setdefault("kind", _kind(_params(element, groups)))
                element.clear()
    except ElementTree.ParseError as error:
        raise NotReadable(f"{xml.name} is not well-formed XML: {error}") from None
    if not spectra:
        raise NotReadable(f"{xml.name} has no spectra")
    return Measurement(
        uuid=re.sub(r"[^0-9a-f]", "", document.get("IMS:1000080", "").lower()),
        mode=_mode(document, xml.name),
        kind=_kind(document) or document["kind"] or "profile",
        width=int(document.get("IMS:1000042") or 0),
        height=int(document.get("IMS:1000043") or 0),
        pixel_size=float(document["IMS:1000046"]) if document.get("IMS:1000046") else None,
        spectra=tuple(spectra),
    )


def read_array(binary: BinaryIO, array: Array) -> np.ndarray:
    """Read an array, in the number type in which it is stored."""
    binary.seek(array.offset)
    raw = binary.read(array.stored)
    if array.compressed:
        raw = zlib.decompress(raw)
    values = np.frombuffer(raw, array.dtype, count=-1) if len(raw) % int(array.dtype[-1]) == 0 else np.empty(0)
    if len(values) != array.length:
        raise NotReadable(
            f"the binary file ends too soon: {array.length} values expected at byte {array.offset}, {len(values)} there"
        )
    return values


def require_same_uuid(measurement: Measurement, binary: BinaryIO) -> None:
    """Refuse a pair whose two files do not belong together. Some writers store the UUID in Windows byte order."""
    binary.seek(0)
    there = binary.read(16)
    said = bytes.fromhex(measurement.uuid) if len(measurement.uuid) == 32 else b""
    if there not in {said, UUID(bytes_le=said).bytes if said else b""}:
        raise NotReadable(
            f"the two files are not a pair: {measurement.uuid or 'nothing'} in the .imzML, {there.hex()} in the .ibd"
        )


def _params(element: ElementTree.Element, groups: dict[str, Params]) -> Params:
    """Give the cvParams at any depth of an element, those of the groups that it refers to included."""
    found: Params = {}
    for reference in element.iter(f"{MZML}referenceableParamGroupRef"):
        found |= groups.get(reference.get("ref", ""), {})
    for param in element.iter(f"{MZML}cvParam"):
        found[param.get("accession", "")] = param.get("value", "")
    return found


def _kind(params: Params) -> str:
    return "centroid" if "MS:1000127" in params else "profile" if "MS:1000128" in params else ""


def _mode(document: Params, name: str) -> str:
    for accession, mode in (("IMS:1000030", "continuous"), ("IMS:1000031", "processed")):
        if accession in document:
            return mode
    raise NotReadable(f"{name} says neither continuous (IMS:1000030) nor processed (IMS:1000031)")


def _spectrum(element: ElementTree.Element, groups: dict[str, Params], number: int) -> Spectrum:
    position = _params(element, groups)
    arrays: dict[str, Array] = {}
    for data in element.iter(f"{MZML}binaryDataArray"):
        params = _params(data, groups)
        role = "mz" if "MS:1000514" in params else "intensity" if "MS:1000515" in params else ""
        if role:
            arrays[role] = _array(params, number)
    if len(arrays) != 2 or "IMS:1000050" not in position or "IMS:1000051" not in position:
        raise NotReadable(f"spectrum {number} lacks its position, its m/z array or its intensity array")
    return Spectrum(int(position["IMS:1000050"]), int(position["IMS:1000051"]), arrays["mz"], arrays["intensity"])


def _array(params: Params, number: int) -> Array:
    dtypes: Iterator[str] = (dtype for accession, dtype in NUMBER_TYPES.items() if accession in params)
    dtype = next(dtypes, None)
    compressed = "MS:1000574" in params
    if dtype is None or not (compressed or "MS:1000576" in params):
        raise NotReadable(f"spectrum {number} is stored in a number type or compression that is not supported")
    try:
        length = int(params["IMS:1000103"])
        stored = int(params["IMS:1000104"]) if compressed else length * int(dtype[-1])
        return Array(int(params["IMS:1000102"]), length, stored, dtype, compressed)
    except (KeyError, ValueError):
        raise NotReadable(f"spectrum {number} does not say where its arrays lie in the binary file") from None
