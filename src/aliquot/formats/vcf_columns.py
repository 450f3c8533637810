"""Records of a VCF file by the megabyte, as columns of numbers: good ones pass at once, and all others are left.

Needs NumPy. Without it, or where there is any doubt, records are looked at by thousands (`vcf_quick`) and then singly.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from aliquot.formats.vcf_quick import good_columns, known_format
from aliquot.formats.vcf_records import FIXED, Variants, good_genotype

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_TAB, _LINE, _COLON, _COMMA = b"\t\n:,"
_PAD = b"\n" * 32
_SHORT = 8  # bytes of a text that fit into one number
_ALT, _FORMAT = 4, 8
_GENOTYPE = re.compile(rb"[^:\t\n]*")
_LONGEST_NUMBER = 18
_SPREAD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F))
_TABLE = 2**16


def take_block(block: bytes, variants: Variants) -> bool:
    """Count the records of whole lines in which nothing is wrong and nothing new; else say no, and change nothing."""
    if not block.endswith(b"\n") or b"\r" in block or variants.contig.startswith(b"#"):
        return False
    content = np.frombuffer(block + _PAD, np.uint8)
    bare = content[: len(block)]
    stops = np.flatnonzero((bare == _TAB) | (bare == _LINE) | (bare == _COLON))
    kinds = bare[stops]
    ends, tabs = stops[kinds == _LINE], stops[kinds == _TAB]
    count, width = len(ends), variants.header.width - 1
    if len(tabs) != count * width:
        return False
    marks = tabs.reshape(count, width)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if (marks[:, 0] < starts).any() or (marks[:, -1] > ends).any():
        return False
    edges = np.column_stack((starts - 1, marks[:, :FIXED], ends if width < FIXED else marks[:, FIXED - 1]))
    columns = [(edges[:, at] + 1, edges[:, at + 1]) for at in range(FIXED)]
    last = _in_order(content, *columns[1], variants)
    texts = [{b"."} if at in {1, 2} else _distinct(block, content, *columns[at]) for at in range(FIXED)]
    if last is None or texts[0] != {variants.contig} or not good_columns(texts, variants):
        return False
    if width > FIXED - 1 and not _good_samples(block, content, marks, ends, kinds, texts[_ALT], variants):
        return False
    variants.line += count
    variants.records += count
    variants.position = last
    return True


def _in_order(content: Bytes, at: Places, to: Places, variants: Variants) -> int | None:
    """Give the last position, where all are numbers in order and on the contig."""
    lengths = to - at
    if lengths.min() < 1 or lengths.max() > _LONGEST_NUMBER:
        return None
    values = np.zeros(len(at), np.int64)
    for number in range(int(lengths.max())):
        digits = content[at + number] - np.uint8(48)
        there = number < lengths
        if (digits[there] > 9).any():
            return None
        values = np.where(there, values * 10 + digits, values)
    if values[0] < variants.position or (values[1:] < values[:-1]).any():
        return None
    last = int(values[-1])
    return last if variants.length is None or last <= variants.length + 1 else None


def _distinct(block: bytes, content: Bytes, at: Places, to: Places) -> set[bytes]:
    """Give the different texts of a column."""
    lengths = to - at
    first = block[at[0] : to[0]]
    if (lengths == len(first)).all() and all((content[at + place] == byte).all() for place, byte in enumerate(first)):
        return {first}
    # A zero byte at the end of a text would not tell it from a shorter one.
    if lengths.max() > _SHORT or b"\0" in block:
        return {block[one:other] for one, other in zip(at.tolist(), to.tolist(), strict=True)}
    codes = np.zeros(len(at), np.uint64)
    for place in range(int(lengths.max())):
        byte = np.where(place < lengths, content[at + place], np.uint8(0)).astype(np.uint64)
        codes |= byte << np.uint64(8 * place)
    return {int(code).to_bytes(_SHORT, "little").rstrip(b"\0") for code in _different(codes)}


def _different(codes: npt.NDArray[np.uint64]) -> list[Any]:
    """Give the different ones of many numbers: without sorting, since they are few."""
    found: list[Any] = []
    for spread in _SPREAD:
        places = ((codes * spread) >> np.uint64(48)).astype(np.int64)
        table, used = np.zeros(_TABLE, np.uint64), np.zeros(_TABLE, np.bool_)
        table[places], used[places] = codes, True
        found += table[used].tolist()
        # Of two that share a place, one is left for the next round.
        codes = codes[table[places] != codes]
        if not len(codes):
            return found
    return found + np.unique(codes).tolist()


def _good_samples(
    block: bytes, content: Bytes, marks: Places, ends: Places, kinds: Bytes, alts: set[bytes], variants: Variants
) -> bool:
    form = _distinct(block, content, marks[:, FIXED - 1] + 1, marks[:, FIXED] if marks.shape[1] > FIXED else ends)
    keys = known_format(form, variants)
    if keys is None:
        return False
    begins = marks[:, FIXED:] + 1
    if not begins.size:
        return True
    if _in_a_row(kinds == _COLON, len(keys)):
        # Perhaps those of another column.
        edges = np.column_stack((marks[:, FIXED + 1 :], ends))
        colons = np.cumsum(content == _COLON, dtype=np.int32)
        if (colons[edges] - colons[begins - 1] > len(keys) - 1).any():
            return False
    if keys[0] != b"GT":
        return True
    if not any(b"," in alt for alt in alts):
        return _good_genotypes(block, content, begins.ravel(), 1)
    commas = np.cumsum(content == _COMMA, dtype=np.int32)
    numbers = commas[marks[:, _ALT]] - commas[marks[:, _ALT - 1]] + 1
    return all(
        _good_genotypes(block, content, begins[numbers == number].ravel(), int(number)) for number in np.unique(numbers)
    )


def _in_a_row(are: npt.NDArray[np.bool_], count: int) -> bool:
    """Say whether so many are true one after the other."""
    run = are
    for _ in range(count - 1):
        run = run[:-1] & are[len(are) - len(run) + 1 :]
    return bool(run.any())


def _good_genotypes(block: bytes, content: Bytes, at: Places, alternatives: int) -> bool:
    """Say whether the values that begin at these places are genotypes of so many alternatives."""
    codes = content[at].astype(np.uint64)
    for place in range(1, 4):
        codes |= content[at + place].astype(np.uint64) << np.uint64(8 * place)
    long: list[int] = []
    for code in _different(codes):
        text = int(code).to_bytes(4, "little")
        match = _GENOTYPE.match(text)
        assert match is not None
        if match.end() == len(text):
            long.append(code)
        elif not good_genotype(match[0], alternatives):
            return False
    if not long:
        return True
    places = at[np.isin(codes, np.array(long, np.uint64))].tolist()
    texts = {match[0] for place in places if (match := _GENOTYPE.match(block, place))}
    return all(good_genotype(text, alternatives) for text in texts)
