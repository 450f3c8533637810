"""Mass spectra: mzML, plain or gzip, with or without an index.

Source: https://www.psidev.info/mzML and the controlled vocabulary MS.
"""

import hashlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aliquot.formats.collected import Collected, together
from aliquot.formats.gzipped import blocks
from aliquot.formats.mzml_spectra import Spectra
from aliquot.formats.xml_events import Attributes, feed, make_parser
from aliquot.model.errors import Invalid
from aliquot.model.finding import Report

_PIECE = 2**20
_COUNTED = {"spectrumList": "spectrum", "chromatogramList": "chromatogram"}
_LONGEST = 512 * 2**20


def check_mzml(path: Path, name: str | None = None) -> Report:
    """Check one mzML file: its XML, its counts, every array against its length, the index and checksum if it has them.

    Facts: `spectra`, `chromatograms`, `ms_levels` (numbers by level), `indexed`, `checksum` (`sha1` where it was
    compared).
    """
    found = Collected(name or path.name)
    reading = _Reading(found)
    try:
        feed(reading.parser, reading.hashed(blocks(path)))
        reading.finish()
    except Invalid as error:
        found.raised(error)
    except OSError as error:
        found.error("file-unreadable", f"The file cannot be read: {error.strerror or error}.")
    return found.report(reading.facts())


class _Reading:
    """What is known of the file so far; memory grows by eight bytes for each spectrum."""

    def __init__(self, found: Collected) -> None:
        self._found = found
        self._spectra = Spectra(found)
        self.parser: Any = make_parser(self._start, self._end)
        self.parser.buffer_text = True
        self.parser.buffer_size = _PIECE
        self._rooted = False
        self._indexed = False
        self._text: list[str] | None = None
        self._length = 0
        self._declared: dict[str, str] = {}
        self._counts = {"spectrum": 0, "chromatogram": 0}
        self._places = {"spectrum": array("q"), "chromatogram": array("q")}
        self._index: dict[str, array[int]] = {}
        self._indexing = ""
        self._list_at: int | None = None
        self._list_said: str | None = None
        self._sum_at: int | None = None
        self._sum_said: str | None = None
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sum: str | None = None

    def hashed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass pieces on, and take the digest of all bytes up to and with the tag of the checksum."""
        behind, last = 0, b""
        for piece in pieces:
            yield piece
            # The handlers have seen all tags that end in this piece; the one before may hold where one begins.
            held = last + piece
            if self._sum is None and self._sum_at is not None:
                end = held.find(b">", self._sum_at - behind) + 1
                self._sha1.update(held[:end])
                self._sum = self._sha1.hexdigest()
            elif self._sum is None:
                self._sha1.update(last)
                behind += len(last)
                last = piece

    def facts(self) -> dict[str, object]:
        """Give what people want to know about a file of spectra."""
        return {
            "spectra": self._counts["spectrum"],
            "chromatograms": self._counts["chromatogram"],
            "ms_levels": {str(level): count for level, count in sorted(self._spectra.levels.items())},
            "indexed": self._indexed,
            "checksum": "sha1" if self._sum_said and self._sum else None,
        }

    def finish(self) -> None:
        """Compare what can only be compared at the end."""
        if not self._rooted:
            return
        for listed, one in _COUNTED.items():
            said, there = self._declared.get(listed), self._counts[one]
            if said is not None and said != str(there):
                text = (
                    f"The file says that it has {said[:20]} {_several(one)}, but there are {there:,}. Export it again."
                )
                self._found.error("count-differs", text)
        if not sum(self._counts.values()):
            self._found.error("spectra-missing", "The file has no spectra and no chromatograms. Export it again.")
        for group in sorted(self._spectra.unknown_groups)[:1]:
            text = f"The file refers to a group of parameters {group[:60]!r} that it does not have. Export it again."
            self._found.error("group-missing", text)
        if self._indexed:
            self._check_index()

    def _check_index(self) -> None:
        for one, places in self._places.items():
            listed = self._index.get(one, array("q"))
            if one == "chromatogram" and not listed:
                continue
            if listed != places:
                wrong = sum(said != at for said, at in zip(listed, places, strict=False)) + abs(
                    len(listed) - len(places)
                )
                text = (
                    f"The index is wrong for {wrong:,} of {len(places):,} {_several(one)}: programs that use it read "
                    "other ones. The file was changed after it was written (line ends?); convert it again."
                )
                self._found.error("index-differs", text)
        if self._list_said is not None and self._list_said != str(self._list_at):
            text = "The file says that its index begins elsewhere than it does. It was changed; convert it again."
            self._found.error("index-differs", text)
        if self._sum_said and self._sum and self._sum_said != self._sum:
            text = "The SHA-1 at the end of the file is not that of its content: the file was changed. Copy it again."
            self._found.error("checksum-mismatch", text)

    def _start(self, name: str, attributes: Attributes) -> None:
        if not self._rooted:
            self._root(name)
        if name == "cvParam":
            self._spectra.term(attributes.get("accession", ""), attributes.get("value", ""))
        elif name == "binary":
            self._text, self._length = [], 0
            self.parser.CharacterDataHandler = self._characters
        elif name in self._counts:
            number = self._counts[name] = self._counts[name] + 1
            self._places[name].append(self.parser.CurrentByteIndex)
            self._spectra.begin(name, number, attributes)
        elif name == "binaryDataArray":
            self._spectra.begin_array(attributes)
        elif name in _COUNTED:
            self._declared[name] = attributes.get("count", "")
        elif name in {"referenceableParamGroup", "referenceableParamGroupRef"}:
            self._spectra.group(name, attributes)
        else:
            self._start_index(name, attributes)

    def _start_index(self, name: str, attributes: Attributes) -> None:
        if name == "index":
            self._indexing = attributes.get("name", "")
            self._index[self._indexing] = array("q")
        elif name == "indexList":
            self._list_at = self.parser.CurrentByteIndex
        elif name in {"offset", "indexListOffset", "fileChecksum"}:
            self._text, self._length = [], 0
            self.parser.CharacterDataHandler = self._characters
            if name == "fileChecksum":
                self._sum_at = self.parser.CurrentByteIndex

    def _characters(self, text: str) -> None:
        if self._text is None:
            return
        self._length += len(text)
        if self._length > _LONGEST:
            raise Invalid("array-too-long", "An array has more than 512 MiB of text, which no spectrum has.")
        self._text.append(text)

    def _end(self, name: str) -> None:
        if name == "binary":
            self._spectra.content(self._said())
        elif name == "binaryDataArray":
            self._spectra.end_array()
        elif name in self._counts:
            self._spectra.end()
        elif name == "offset":
            said = self._said().strip()
            if self._indexing in self._index:
                self._index[self._indexing].append(int(said) if said.isdecimal() and len(said) < 19 else -1)
        elif name == "indexListOffset":
            self._list_said = self._said().strip()
        elif name == "fileChecksum":
            self._sum_said = self._said().strip().lower()
        elif name == "referenceableParamGroup":
            self._spectra.group("", {})

    def _said(self) -> str:
        self.parser.CharacterDataHandler = None
        text, self._text = "".join(self._text or ()), None
        return text

    def _root(self, name: str) -> None:
        if name not in {"mzML", "indexedmzML"}:
            text = f"The file is XML, but not mzML: it begins with <{name[:40]}>. Is it another file under this name?"
            raise Invalid("mzml-root", text)
        self._rooted = True
        self._indexed = name == "indexedmzML"


def _several(one: str) -> str:
    return "spectra" if one == "spectrum" else "chromatograms"


class Mzml:
    """The format `mzml`: each file by itself."""

    name = "mzml"

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check mzML files; there are no options."""
        del options
        return together({name: check_mzml(path, name) for name, path in files.items()})
