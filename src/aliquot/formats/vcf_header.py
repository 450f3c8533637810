"""The header of a VCF file: its version, what it declares, and the names of its samples.

Source: https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

import re
from dataclasses import dataclass, field

from aliquot.formats.collected import Collected

COLUMNS = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
_VERSION = re.compile(r"##fileformat=VCFv(4\.[0-9])")
_META = re.compile(r"##([A-Za-z0-9_.+-]+)=(.*)")
_PAIR = re.compile(r'([A-Za-z0-9_.]+)=("(?:[^"\\]|\\.)*"|[^,"]*)(?:,|$)')
_STRUCTURED = {"INFO", "FORMAT", "FILTER", "contig", "ALT"}
_TYPED = {
    "INFO": {"Integer", "Float", "Flag", "Character", "String"},
    "FORMAT": {"Integer", "Float", "Character", "String"},
}
_NUMBER = re.compile(r"[0-9]+|[ARG.]|P|LA|LR|LG|M")


@dataclass(slots=True)
class VcfHeader:
    """What the header says. `declared` has the names of each kind of structured line, such as `INFO`."""

    version: str | None = None
    declared: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    lengths: dict[str, int] = field(default_factory=dict[str, int])
    samples: list[str] = field(default_factory=list[str])
    genotypes: bool = False
    done: bool = False

    @property
    def width(self) -> int:
        """Say how many columns each record has."""
        return len(COLUMNS) + (1 + len(self.samples) if self.genotypes else 0)

    def names(self, kind: str) -> set[str]:
        """Give the names that lines of a kind declare."""
        return self.declared.get(kind, set[str]())

    def read(self, line: str, number: int, found: Collected) -> None:
        """Read one line that begins with `#`, noting what is wrong with it."""
        if number == 1:
            match = _VERSION.fullmatch(line)
            if match is None:
                text = f"The first line should be ##fileformat=VCFv4.x, but it is {line[:40]!r}."
                found.error("version-missing", text, row=1)
            else:
                self.version = match[1]
        if line.startswith("##"):
            if number > 1:
                self._meta(line, number, found)
        else:
            self._columns(line.split("\t"), number, found)

    def _meta(self, line: str, number: int, found: Collected) -> None:
        match = _META.fullmatch(line)
        if match is None:
            found.error("header-malformed", f"Line {number} is no line of a VCF header: {line[:40]!r}.", row=number)
            return
        kind, value = match[1], match[2]
        if kind not in _STRUCTURED:
            return
        pairs = dict(_PAIR.findall(value[1:-1])) if value.startswith("<") and value.endswith(">") else {}
        name = pairs.get("ID", "")
        if not name:
            found.error("header-malformed", f"Line {number} declares {kind} without an ID.", row=number)
            return
        if name in self.names(kind):
            found.error("header-doubled", f"Line {number} declares {kind} {name[:40]!r} again.", row=number)
        self.declared.setdefault(kind, set()).add(name)
        if kind == "contig" and pairs.get("length", "").isdecimal():
            self.lengths[name] = int(pairs["length"])
        types = _TYPED.get(kind)
        if types and (pairs.get("Type") not in types or not _NUMBER.fullmatch(pairs.get("Number", ""))):
            text = f"Line {number} declares {kind} {name[:40]!r} without a Number and Type that VCF knows."
            found.error("header-malformed", text, row=number)

    def _columns(self, names: list[str], number: int, found: Collected) -> None:
        self.done = True
        self.genotypes = len(names) > len(COLUMNS)
        self.samples = names[len(COLUMNS) + 1 :]
        if names[: len(COLUMNS)] != COLUMNS or (self.genotypes and names[len(COLUMNS)] != "FORMAT"):
            hint = " (are they separated by spaces instead of tabs?)" if len(names) == 1 else ""
            text = f"Line {number} should name the columns {' '.join(COLUMNS)}{hint}."
            found.error("columns-wrong", text, row=number)
        twice = sorted(
            {name for name in self.samples if self.samples.count(name) > 1} if len(self.samples) < 10_000 else set()
        )
        for name in twice:
            found.error("sample-doubled", f"The sample {name[:60]!r} has two columns.", row=number)
