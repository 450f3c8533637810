"""Records of a VCF file by thousands: good ones pass at once, and all others are left to be looked at singly."""

import operator
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from aliquot.formats.vcf_records import (
    FIXED,
    NUMBER,
    REF,
    Variants,
    format_keys,
    good_alternatives,
    good_genotype,
)

_KEYS = re.compile(rb"(?:^|;)([^=;]+)")
_NOT_MARKS = bytes(byte for byte in range(256) if byte not in b"\t:")


def take_good(lines: Sequence[bytes], variants: Variants) -> bool:
    """Count records in which nothing is wrong and nothing new; say no, and change nothing, where there is any doubt."""
    header = variants.header
    if lines and lines[0].endswith(b"\r"):
        lines = [line.removesuffix(b"\r") for line in lines]
    tabs = header.width - 1
    if not lines or any(line.count(b"\t") != tabs for line in lines):
        return False
    rows = [line.split(b"\t", FIXED) for line in lines]
    contigs, positions, _, refs, alts, qualities, filters, infos, *rest = zip(*rows, strict=True)
    if set(contigs) != {variants.contig} or variants.contig.startswith(b"#"):
        return False
    last = _in_order(positions, variants)
    if last is None:
        return False
    columns = [set(each) for each in (contigs, positions, (), refs, alts, qualities, filters, infos)]
    good = good_columns(columns, variants) and (not rest or _good_samples(rest[0], alts, variants))
    if good:
        variants.line += len(lines)
        variants.records += len(lines)
        variants.position = last
    return good


def good_columns(columns: Sequence[AbstractSet[bytes]], variants: Variants) -> bool:
    """Say whether these texts of the first eight columns are right, and the header declares what they name."""
    _, _, _, refs, alts, qualities, filters, infos = columns
    return (
        all(map(_good_ref, refs))
        and all(map(good_alternatives, alts))
        and all(map(_good_quality, qualities))
        and _known("FILTER", {name for each in filters for name in each.split(b";")} - {b".", b"PASS"}, variants)
        and _known("INFO", set(_KEYS.findall(b";".join(infos))) - {b"."}, variants)
    )


def known_format(formats: AbstractSet[bytes], variants: Variants) -> tuple[bytes, ...] | None:
    """Read the one FORMAT of many records; None where there are several, or it is new or none."""
    if len(formats) != 1:
        return None
    (form,) = formats
    keys = format_keys(form)
    return keys if keys is not None and _known("FORMAT", set(keys), variants) else None


def _in_order(texts: Sequence[bytes], variants: Variants) -> int | None:
    """Give the last position, where all are numbers in order and on the contig."""
    if not b"".join(texts).isdigit() or not 0 < min(map(len, texts)) <= max(map(len, texts)) < 19:
        return None
    places = [variants.position, *map(int, texts)]
    if not all(map(operator.le, places, places[1:])):
        return None
    return places[-1] if variants.length is None or places[-1] <= variants.length + 1 else None


def _known(kind: str, names: set[bytes], variants: Variants) -> bool:
    known = variants.header.names(kind)
    texts = {name.decode("utf-8", "replace") for name in names}
    return all(text in known or (kind, text) in variants.undeclared for text in texts)


def _good_samples(texts: Sequence[bytes], alts: Sequence[bytes], variants: Variants) -> bool:
    formats = {text.partition(b"\t")[0] for text in texts}
    keys = known_format(formats, variants)
    if keys is None:
        return False
    (form,) = formats
    joined = b"".join([text[len(form) :] for text in texts])
    # What is left of a sample are the marks between its values: never more in a row than between those of FORMAT.
    if b":" * len(keys) in joined.translate(None, _NOT_MARKS):
        return False
    if keys[0] != b"GT":
        return True
    least = min(alt.count(b",") for alt in set(alts)) + 1
    genotypes = {cell.partition(b":")[0] for cell in set(joined[1:].split(b"\t"))}
    return len(joined) < 2 or all(good_genotype(genotype, least) for genotype in genotypes)


@lru_cache(maxsize=4096)
def _good_ref(ref: bytes) -> bool:
    return REF.fullmatch(ref) is not None


@lru_cache(maxsize=4096)
def _good_quality(quality: bytes) -> bool:
    return quality == b"." or NUMBER.fullmatch(quality) is not None
