"""The text header of SAM and BAM: references, read groups and programs, compared with each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aliquot.formats.collected import Collected

_KEYS = {"SQ": "SN", "RG": "ID", "PG": "ID"}
_WORDS = {"SQ": "reference", "RG": "read group", "PG": "program"}
_ORDERS = {"unknown", "unsorted", "queryname", "coordinate"}


@dataclass(slots=True)
class SamHeader:
    """What the header says: the order of reads, samples, and references with their lengths in bases."""

    order: str = "unknown"
    samples: set[str] = field(default_factory=set[str])
    references: dict[str, str] = field(default_factory=dict[str, str])

    def read(self, text: str, found: Collected) -> None:
        """Read the lines of a header, noting what is wrong with them; `row` is a line of the header."""
        seen: set[tuple[str, str]] = set()
        for number, line in enumerate(text.splitlines(), 1):
            kind, *parts = line.split("\t")
            if kind == "@CO" or not line:
                continue
            tags = {part[:2]: part[3:] for part in parts if part[2:3] == ":"}
            if not kind.startswith("@") or len(kind) != 3 or len(tags) < len(parts):
                text = f"Line {number} of the header is none of SAM: {line[:40]!r}."
                found.error("header-malformed", text, row=number)
                continue
            if kind == "@HD":
                self._first_line(tags, number, found)
            self._one_of_several(kind[1:], tags, number, seen, found)

    def compare(self, names: Sequence[str], lengths: Sequence[int], found: Collected) -> None:
        """Compare the references of the header's text with those of the binary list, by which reads are placed."""
        said = list(self.references.items())
        listed = [(name, str(length)) for name, length in zip(names, lengths, strict=True)]
        if not said or said == listed:
            return
        if len(said) != len(listed):
            text = f"The header names {len(said):,} references, but the file lists {len(listed):,}. Make it again."
        else:
            at = next(at for at, pair in enumerate(said) if pair != listed[at])
            text = (
                f"Reference {at + 1:,} is {said[at][0]} of {said[at][1]} bases in the header, but {listed[at][0]} of "
                f"{listed[at][1]} in the file's list. Make the file again."
            )
        found.error("references-differ", text)

    def _first_line(self, tags: dict[str, str], number: int, found: Collected) -> None:
        if number != 1:
            found.error(
                "header-malformed", f"@HD stands in line {number} of the header, but must be first.", row=number
            )
        self.order = tags.get("SO", "unknown")
        if self.order not in _ORDERS:
            text = f"The header says that reads are sorted by {self.order[:40]!r}, which nobody knows."
            found.error("header-malformed", text, row=number)

    def _one_of_several(
        self, kind: str, tags: dict[str, str], number: int, seen: set[tuple[str, str]], found: Collected
    ) -> None:
        key = _KEYS.get(kind)
        if key is None:
            return
        name = tags.get(key)
        if not name:
            found.error(
                "header-malformed", f"The {_WORDS[kind]} in line {number} of the header has no {key}.", row=number
            )
            return
        if (kind, name) in seen:
            text = f"The header has the {_WORDS[kind]} {name[:60]!r} twice, the second time in line {number}."
            found.error("header-doubled", text, row=number)
        seen.add((kind, name))
        if kind == "RG" and "SM" in tags:
            self.samples.add(tags["SM"])
        if kind == "SQ":
            length = tags.get("LN", "")
            if not length.isdecimal() or not int(length):
                text = f"The reference {name[:60]!r} has no length in the header (line {number})."
                found.error("header-malformed", text, row=number)
            self.references[name] = length
