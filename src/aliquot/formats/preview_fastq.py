"""How good reads are at each position: quantiles over all reads of a small file, or a sample of a large one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aliquot.formats.gzipped import blocks, is_gzip
from aliquot.formats.numeric import require_numpy
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST = 2**17
_LONGEST_LINE = 64 * 2**20
_BASES = b"ACGTN"
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_OFFSET = 33
_LEVELS = 94
_FINE = 10
_BINS = 100


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much of a file is read: all within `budget` bytes of text, or so many `places` of a larger plain file."""

    budget: int = 64 * 2**20
    places: int = 64
    length: int = 2**20
    """Bytes that are read at each place."""


_SAMPLING = Sampling()


def keep_fastq(files: Sequence[Path], folder: Path, sampling: Sampling = _SAMPLING) -> dict[str, Any]:
    """Count qualities and bases by position; nothing is written but the summary.

    What is compressed and larger than the budget is read from its beginning.
    """
    del folder
    require_numpy()
    import numpy as np

    path = files[0]
    packed = is_gzip(path)
    size = path.stat().st_size
    sampled = not packed and size > sampling.budget
    qualities = np.zeros((0, _LEVELS), dtype=np.int64)
    bases = np.zeros((0, len(_BASES) + 1), dtype=np.int64)
    lengths: dict[int, int] = {}
    reads = taken = 0
    whole = not sampled
    for chunk in _sampled(path, size, sampling) if sampled else _records(blocks(path)):
        if not chunk:
            continue
        qualities = _count(qualities, [record[1] for record in chunk], _levels(), _LEVELS)
        bases = _count(bases, [record[0] for record in chunk], _letters(), len(_BASES) + 1)
        for record in chunk:
            lengths[len(record[0])] = lengths.get(len(record[0]), 0) + 1
        reads += len(chunk)
        taken += sum(len(record[0]) for record in chunk) * 2
        if taken > sampling.budget:
            whole = False
            break
    if not reads:
        raise Invalid("no-reads", "No whole read was found in the file: there is nothing to show.")
    how = "all" if whole else "places" if sampled else "beginning"
    return {
        "kind": "fastq",
        "reads": reads,
        "sample": how,
        "lengths": {"min": min(lengths), "max": max(lengths), "median": _median(lengths)},
        "gc": _share(bases),
        "quality": float((qualities.sum(axis=0) * np.arange(_LEVELS)).sum() / max(1, qualities.sum())),
        "positions": _by_position(qualities, bases),
    }


def _records(source: Iterator[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Give sequence and quality of whole records, a block at a time, as long as they look like records."""
    carry = b""
    for block in source:
        end = block.rfind(b"\n") + 1
        if not end:
            carry += block
            if len(carry) > _LONGEST_LINE:
                raise Invalid("no-reads", "A line is longer than 64 MiB: this is no FASTQ file.")
            continue
        lines = (carry + block[:end]).replace(b"\r\n", b"\n").split(b"\n")
        lines.pop()
        whole = len(lines) - len(lines) % 4
        carry = b"\n".join([*lines[whole:], block[end:]])
        records = _sound(lines[:whole])
        yield records
        if len(records) * 4 < whole:
            return
    yield _sound(carry.split(b"\n")[:4])


def _sound(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    records: list[tuple[bytes, bytes]] = []
    for name, bases, plus, scores in zip(*(lines[start::4] for start in range(4)), strict=False):
        if name[:1] != b"@" or plus[:1] != b"+" or len(bases) != len(scores):
            break
        records.append((bases[:_LONGEST], scores[:_LONGEST]))
    return records


def _sampled(path: Path, size: int, sampling: Sampling) -> Iterator[list[tuple[bytes, bytes]]]:
    """Give the whole records at each of the places, which are evenly apart."""
    with path.open("rb") as file:
        for number in range(sampling.places):
            file.seek((size - sampling.length) * number // (sampling.places - 1))
            lines = file.read(sampling.length).replace(b"\r\n", b"\n").split(b"\n")
            for start in range(1 if number else 0, min(9, len(lines) - 4)):
                # A line that begins with @ may be qualities; one whose third line begins with + and fits is a record.
                fits = lines[start][:1] == b"@" and lines[start + 2][:1] == b"+"
                if fits and len(lines[start + 1]) == len(lines[start + 3]):
                    yield _sound(lines[start:-1])
                    break


def _count(
    so_far: "NDArray[np.int64]", rows: list[bytes], table: "NDArray[np.intp]", width: int
) -> "NDArray[np.int64]":
    """Add to how often each value stands at each position."""
    import numpy as np

    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    longest = int(lengths.max())
    values = table[np.frombuffer(b"".join(rows), dtype=np.uint8)]
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(len(values)) - np.repeat(starts, lengths)
    counted = np.bincount(positions * width + values, minlength=longest * width).reshape(-1, width)
    if len(counted) < len(so_far):
        counted, so_far = so_far, counted
    counted = counted.copy()
    counted[: len(so_far)] += so_far
    return counted


def _levels() -> "NDArray[np.intp]":
    import numpy as np

    return np.clip(np.arange(256) - _OFFSET, 0, _LEVELS - 1)


def _letters() -> "NDArray[np.intp]":
    import numpy as np

    table = np.full(256, len(_BASES))
    for at, base in enumerate(_BASES):
        table[base] = table[base + 32] = at
    return table


def _by_position(qualities: "NDArray[np.int64]", bases: "NDArray[np.int64]") -> list[dict[str, Any]]:
    """Give the quantiles by position; beyond the first ten, long reads have several positions in one."""
    import numpy as np

    longest = len(qualities)
    edges = list(range(min(_FINE, longest)))
    step = max(1, -(-(longest - _FINE) // _BINS))
    edges += list(range(_FINE, longest, step))
    found: list[dict[str, Any]] = []
    for begin, end in zip(edges, [*edges[1:], longest], strict=True):
        counts = qualities[begin:end].sum(axis=0)
        total = int(counts.sum())
        if not total:
            continue
        reached = np.cumsum(counts)
        letters = bases[begin:end].sum(axis=0)
        found.append({
            "from": begin + 1,
            "to": end,
            "mean": round(float((counts * np.arange(_LEVELS)).sum() / total), 2),
            "quantiles": [int(np.searchsorted(reached, share * total)) for share in _QUANTILES],
            "bases": [round(float(each), 4) for each in letters / max(1, letters.sum())],
        })  # fmt: skip
    return found


def _share(bases: "NDArray[np.int64]") -> float:
    total = bases.sum(axis=0)
    known = int(total[:4].sum())
    return round(float(total[1] + total[2]) / known, 4) if known else 0.0


def _median(lengths: dict[int, int]) -> int:
    half, seen = sum(lengths.values()) / 2, 0
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= half:
            return length
    return 0
