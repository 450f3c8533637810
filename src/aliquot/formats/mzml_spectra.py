"""The spectra and chromatograms of an mzML file, each array compared with the length that is given for it."""

import binascii
import zlib
from collections import Counter
from dataclasses import dataclass, field

from aliquot.formats.collected import Collected
from aliquot.formats.xml_events import Attributes

_KINDS = {"MS:1000514": "m/z", "MS:1000515": "intensity", "MS:1000595": "time"}
_WIDTHS = {"MS:1000519": 4, "MS:1000521": 4, "MS:1000522": 8, "MS:1000523": 8}
_PLAIN, _ZLIB = "MS:1000576", "MS:1000574"
_OTHER_PACKING = {
    "MS:1002312", "MS:1002313", "MS:1002314", "MS:1002746", "MS:1002747", "MS:1002748", "MS:1003088", "MS:1003089",
    "MS:1003090", "MS:1003780",
}  # fmt: skip
_LEVEL = "MS:1000511"
_NEEDED = {"spectrum": ("m/z", "intensity"), "chromatogram": ("time", "intensity")}


@dataclass(slots=True)
class _Array:
    """An array as the file describes it; `length` in values, `encoded` in characters."""

    length: int | None = None
    encoded: int | None = None
    kind: str | None = None
    width: int | None = None
    packing: str = _PLAIN
    text: str = ""


@dataclass(slots=True)
class _One:
    """A spectrum or chromatogram: its number in the file from 1, the length of its arrays in values."""

    what: str
    number: int
    length: int | None
    kinds: list[str] = field(default_factory=list[str])
    arrays: int = 0


class Spectra:
    """Checks one spectrum or chromatogram after the other; `levels` counts spectra by MS level."""

    def __init__(self, found: Collected) -> None:
        self._found = found
        self._one: _One | None = None
        self._array: _Array | None = None
        self._groups: dict[str, list[tuple[str, str]]] = {}
        self._group: list[tuple[str, str]] | None = None
        self.levels: Counter[int] = Counter()
        self.unknown_groups: set[str] = set()

    def begin(self, what: str, number: int, attributes: Attributes) -> None:
        """Begin a spectrum or chromatogram."""
        length = _whole(attributes.get("defaultArrayLength", ""))
        self._one = _One(what, number, length)
        if length is None:
            self._error("array-length-missing", "does not say how many values its arrays have")
        if attributes.get("index") != str(number - 1):
            self._error("numbering-broken", f"has the index {attributes.get('index', '')[:20]!r}, not {number - 1}")

    def end(self) -> None:
        """End a spectrum or chromatogram; one with values needs both of its arrays."""
        one = self._one
        if one is not None and (one.arrays or one.length):
            missing = [kind for kind in _NEEDED[one.what] if one.kinds.count(kind) != 1]
            if missing:
                self._error("arrays-missing", f"does not have exactly one {' and one '.join(missing)} array")
        self._one = None

    def begin_array(self, attributes: Attributes) -> None:
        """Begin an array of the present spectrum."""
        own = _whole(attributes.get("arrayLength", ""))
        encoded = _whole(attributes.get("encodedLength", ""))
        self._array = _Array(own if own is not None else self._one.length if self._one else None, encoded)

    def end_array(self) -> None:
        """Check an array that is complete."""
        given, self._array = self._array, None
        if given is None or self._one is None:
            return
        self._one.arrays += 1
        if given.kind:
            self._one.kinds.append(given.kind)
        what = given.kind or "further"
        if given.encoded is not None and given.encoded != len(given.text):
            text = f"says that its {what} array has {given.encoded:,} characters, but it has {len(given.text):,}"
            self._error("array-damaged", text)
            return
        try:
            content = binascii.a2b_base64(given.text, strict_mode=True)
        except (binascii.Error, ValueError):
            self._error("array-damaged", f"has an {what} array that is not base64; some of its characters were changed")
            return
        self._compare(given, content, what)

    def _compare(self, given: _Array, content: bytes, what: str) -> None:
        if given.width is None or given.length is None or given.packing not in {_PLAIN, _ZLIB}:
            return
        expected = given.length * given.width
        length = len(content)
        if given.packing == _ZLIB and content:
            unpacking = zlib.decompressobj()
            try:
                length = len(unpacking.decompress(content, expected + 1))
                # The checksum comes after the last byte, and is read only when more is asked for.
                unpacking.decompress(unpacking.unconsumed_tail, 1)
                whole = unpacking.eof or length > expected
            except zlib.error:
                whole = False
            if not whole:
                self._error(
                    "array-damaged", f"has an {what} array that cannot be unpacked; some of its bytes were changed"
                )
                return
        if length != expected:
            there = "more" if length > expected else f"{length // given.width:,}"
            self._error("array-length", f"should have {given.length:,} values in its {what} array, but has {there}")

    def content(self, text: str) -> None:
        """Take the text of the present array."""
        if self._array is not None:
            self._array.text = text if text.isalnum() else "".join(text.split())

    def term(self, accession: str, value: str) -> None:
        """Take a term of the vocabulary, for whatever is open."""
        if self._group is not None:
            self._group.append((accession, value))
        elif self._array is not None:
            if kind := _KINDS.get(accession):
                self._array.kind = kind
            elif width := _WIDTHS.get(accession):
                self._array.width = width
            elif accession in {_PLAIN, _ZLIB} or accession in _OTHER_PACKING:
                self._array.packing = accession
        elif self._one is not None and accession == _LEVEL:
            level = _whole(value)
            if level is not None:
                self.levels[level] += 1

    def group(self, element: str, attributes: Attributes) -> None:
        """Begin a group of terms, refer to one, or end the present one (no element)."""
        if element == "referenceableParamGroup":
            self._group = self._groups.setdefault(attributes.get("id", ""), [])
        elif element:
            name = attributes.get("ref", "")
            if name not in self._groups:
                self.unknown_groups.add(name)
            for accession, value in self._groups.get(name, ()):
                self.term(accession, value)
        else:
            self._group = None

    def _error(self, code: str, words: str) -> None:
        one = self._one
        assert one is not None
        self._found.error(code, f"{one.what.capitalize()} {one.number:,} {words}.", row=one.number)


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 16 else None
