"""The records of a VCF file, one by one: columns, positions, alleles and genotypes."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from aliquot.formats.collected import Collected
from aliquot.formats.vcf_header import VcfHeader

FIXED = 8
NUMBER = re.compile(rb"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
REF = re.compile(rb"[ACGTUNRYKMSWBDHVacgtunrykmswbdhv]+")
_ALT = re.compile(
    rb"[ACGTNacgtn]+|\*|\.|<[^<>\s,]+>|<\*>"
    rb"|[ACGTNacgtn.]*[\[\]][^\[\]\s]+:[0-9]+[\[\]][ACGTNacgtn.]*|\.[ACGTNacgtn]+|[ACGTNacgtn]+\."
)
_GENOTYPES = re.compile(rb"\t([^:\t]*)")
_GENOTYPE = re.compile(rb"[/|]?(?:\.|[0-9]+)(?:[/|](?:\.|[0-9]+))*")


@dataclass(slots=True)
class Variants:
    """What is known of the variants so far. `line` is the number of lines behind us."""

    found: Collected
    header: VcfHeader = field(default_factory=VcfHeader)
    line: int = 0
    records: int = 0
    contig: bytes = b""
    position: int = 0
    length: int | None = None
    contigs: set[bytes] = field(default_factory=set[bytes])
    unsorted: bool = False
    open: bool = False
    undeclared: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def error(self, code: str, text: str) -> None:
        """Note something about the present line."""
        self.found.error(code, f"Line {self.line}: {text}.", row=self.line)


def take_record(line: bytes, variants: Variants) -> None:
    """Check one record, noting all that is wrong with it."""
    if not line:
        variants.error("blank-line", "it is empty")
        return
    width = line.count(b"\t") + 1
    if width != variants.header.width:
        text = f"it has {width:,} columns, but the header names {variants.header.width:,}"
        variants.error("columns-differ", text)
        return
    variants.records += 1
    contig, position, _, ref, alt, quality, filters, info, *rest = line.split(b"\t", FIXED)
    _place(contig, position, variants)
    alternatives = alt.count(b",") + 1
    if REF.fullmatch(ref) is None:
        variants.error("ref-malformed", f"REF is {_shown(ref)}, which are no bases")
    if not good_alternatives(alt):
        variants.error("alt-malformed", f"ALT is {_shown(alt)}, which are neither bases nor one of VCF's signs")
    if quality != b"." and NUMBER.fullmatch(quality) is None:
        variants.error("qual-malformed", f"QUAL is {_shown(quality)}, which is no number")
    if filters not in {b".", b"PASS"}:
        declared("FILTER", filters.split(b";"), variants)
    if info != b".":
        declared("INFO", [part.partition(b"=")[0] for part in info.split(b";") if part], variants)
    if rest:
        _genotypes(rest[0], alternatives, variants)


def _place(contig: bytes, position: bytes, variants: Variants) -> None:
    at = int(position) if position.isdigit() and len(position) < 19 else -1
    if at < 0:
        variants.error("position-malformed", f"POS is {_shown(position)}, which is no position")
        return
    if contig != variants.contig:
        if contig in variants.contigs:
            _out_of_order(f"{_shown(contig)} comes again after another contig", variants)
        else:
            declared("contig", [contig], variants)
        variants.contigs.add(contig)
        variants.contig = contig
        variants.length = variants.header.lengths.get(contig.decode("utf-8", "replace"))
    elif at < variants.position:
        _out_of_order(f"position {at} stands after {variants.position}", variants)
    if variants.length is not None and at > variants.length + 1:
        text = f"position {at} lies behind the end of {_shown(contig)}, which has {variants.length} bases"
        variants.error("position-outside", text)
    variants.position = at


def _out_of_order(words: str, variants: Variants) -> None:
    if not variants.unsorted:
        text = f"Line {variants.line}: {words}. The file is not sorted, so that programs cannot look things up in it."
        variants.found.warning("not-sorted", text, row=variants.line)
    variants.unsorted = True


def declared(kind: str, names: list[bytes], variants: Variants) -> None:
    """Warn once of each name that the header does not declare, where it declares any of that kind."""
    for raw in names:
        name = raw.decode("utf-8", "replace")
        known = variants.header.names(kind)
        if name in known or (kind, name) in variants.undeclared or (kind == "contig" and not known):
            continue
        if len(variants.undeclared) < MOST_UNDECLARED:
            variants.undeclared.add((kind, name))
            text = f"Line {variants.line}: {kind} {name[:40]!r} is not declared in the header."
            variants.found.warning("not-declared", text, row=variants.line)


MOST_UNDECLARED = 1000


def _genotypes(text: bytes, alternatives: int, variants: Variants) -> None:
    keys, tab, cells = text.partition(b"\t")
    names = format_keys(keys)
    if names is None:
        variants.error("format-malformed", f"FORMAT is {_shown(keys)}; GT has to be first, and no key twice")
        return
    declared("FORMAT", list(names), variants)
    most = len(names) - 1
    if max(map(_colons, cells.split(b"\t"))) > most:
        variants.error("sample-malformed", f"a sample has more values than FORMAT has keys ({most + 1})")
    if names[0] != b"GT" or not tab:
        return
    for genotype in set(_GENOTYPES.findall(tab + cells)):
        if not good_genotype(genotype, alternatives):
            text_ = f"the genotype {_shown(genotype)} is none, or names an allele that REF and ALT do not have"
            variants.error("genotype-malformed", text_)
            return


def _colons(cell: bytes) -> int:
    return cell.count(b":")


@lru_cache(maxsize=1024)
def format_keys(keys: bytes) -> tuple[bytes, ...] | None:
    """Read a FORMAT; None for one that is none."""
    names = tuple(keys.split(b":"))
    good = all(names) and len(set(names)) == len(names) and b"GT" not in names[1:]
    return names if good else None


@lru_cache(maxsize=4096)
def good_alternatives(alt: bytes) -> bool:
    """Say whether ALT holds what it may."""
    return all(_ALT.fullmatch(each) is not None for each in alt.split(b","))


@lru_cache(maxsize=4096)
def good_genotype(genotype: bytes, alternatives: int) -> bool:
    """Say whether a genotype is one, of REF and so many alternatives."""
    if _GENOTYPE.fullmatch(genotype) is None:
        return False
    return all(int(allele) <= alternatives for allele in re.findall(rb"[0-9]{1,18}", genotype))


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("utf-8", "replace"))
