"""Measure the reads of one sample: how many, how long, how good, by position too.

Usage: quality.py READS OUT, with UPLOAD and SAMPLE in the environment.

    OUT/<upload>/<sample>.quality.json    everything
    OUT/<upload>/<sample>.quality.tsv     by read (1, 2) and position: bases, mean quality, shares of Q30 and of G and C
    OUT/<upload>/<sample>.summary.csv     one line for the hub

A quality is the Phred score that the FASTQ states (its sign's code less 33); means are taken over scores, base by base.
"""

import csv
import gzip
import json
import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_LINE = 10_000_000
BATCH = 4096
BELOW_Q30 = bytes(range(33 + 30))

Record = tuple[bytes, bytes, bytes]


class Unreadable(Exception):
    """The reads can't be measured; the sentence says where and why."""


@dataclass
class Positions:
    """Sums over the reads of one direction, for each position."""

    bases: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    q30: list[int] = field(default_factory=list)
    gc: list[int] = field(default_factory=list)
    reads: int = 0
    _waiting: dict[int, list[Record]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.reads += 1
        waiting = self._waiting.setdefault(len(record[1]), [])
        waiting.append(record)
        if len(waiting) == BATCH:
            self._count(len(record[1]))

    def finish(self) -> None:
        for length in list(self._waiting):
            self._count(length)

    def _count(self, length: int) -> None:
        # Reads of one length lie end to end, so that every length-th byte is one position's column: no loop over bases.
        records = self._waiting.pop(length)
        sequences = b"".join(record[1] for record in records).upper()
        qualities = b"".join(record[2] for record in records)
        for sums in (self.bases, self.quality, self.q30, self.gc):
            sums.extend([0] * (length - len(sums)))
        for at in range(length):
            column, letters = qualities[at::length], sequences[at::length]
            self.bases[at] += len(column)
            self.quality[at] += sum(column) - 33 * len(column)
            self.q30[at] += len(column.translate(None, BELOW_Q30))
            self.gc[at] += letters.count(b"G") + letters.count(b"C")


def records(path: Path) -> Iterator[Record]:
    """Give name, sequence and qualities of each read."""
    number = 0
    try:
        with gzip.open(path, "rb") as handle:
            while first := handle.readline(LONGEST_LINE):
                number += 1
                lines = [line.rstrip(b"\r\n") for line in (first, *(handle.readline(LONGEST_LINE) for _ in range(3)))]
                name, sequence, plus, quality = lines
                if not name.startswith(b"@") or not plus.startswith(b"+") or len(sequence) != len(quality):
                    raise Unreadable(f"{path.name}, read {number} is not FASTQ: '@name', bases, '+', as many qualities")
                if quality and (min(quality) < 33 or max(quality) > 126):
                    raise Unreadable(f"{path.name}, read {number} has a quality that is none in Sanger's scale")
                yield name[1:], sequence, quality
    except (EOFError, OSError, zlib.error):
        raise Unreadable(f"{path.name} ends in the middle, or is no gzip file") from None


def title(name: bytes) -> bytes:
    """Give what the two reads of a pair have in common: the name without `/1`, `/2` and comment."""
    first = name.split(maxsplit=1)[0] if name.strip() else b""
    return first[:-2] if first.endswith((b"/1", b"/2")) else first


def pairs_of(folder: Path) -> list[tuple[Path, Path]]:
    """Give the FASTQ files of the sample, first and second reads together."""
    firsts = sorted(folder.rglob("*_R1.fastq.gz"))
    pairs = [(first, first.with_name(first.name.replace("_R1.fastq.gz", "_R2.fastq.gz"))) for first in firsts]
    if not pairs or not all(second.is_file() for _, second in pairs):
        raise Unreadable("the sample has no pair of files …_R1.fastq.gz and …_R2.fastq.gz")
    return pairs


def measure(pairs: list[tuple[Path, Path]]) -> tuple[Positions, Positions]:
    ones, twos = Positions(), Positions()
    for first, second in pairs:
        others = records(second)
        for one in records(first):
            two = next(others, None)
            if two is None:
                raise Unreadable(f"{second.name} has fewer reads than {first.name}")
            if title(one[0]) != title(two[0]):
                raise Unreadable(
                    f"{first.name} and {second.name} are not of one run: {one[0]!r} stands beside {two[0]!r}"
                )
            ones.add(one)
            twos.add(two)
        if next(others, None) is not None:
            raise Unreadable(f"{second.name} has more reads than {first.name}")
    ones.finish()
    twos.finish()
    return ones, twos


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def figures(positions: list[Positions]) -> dict[str, object]:
    bases = sum(sum(each.bases) for each in positions)
    return {
        "reads": sum(each.reads for each in positions),
        "bases": bases,
        "mean_quality": share(sum(sum(each.quality) for each in positions), bases),
        "q30_fraction": share(sum(sum(each.q30) for each in positions), bases),
        "gc_fraction": share(sum(sum(each.gc) for each in positions), bases),
    }


def by_position(each: Positions) -> list[dict[str, object]]:
    return [
        {
            "position": at + 1,
            "bases": bases,
            "mean_quality": share(each.quality[at], bases),
            "q30_fraction": share(each.q30[at], bases),
            "gc_fraction": share(each.gc[at], bases),
        }
        for at, bases in enumerate(each.bases)
    ]


def write(out: Path, upload: str, sample: str, ones: Positions, twos: Positions) -> None:
    summary = {"upload": upload, "sample": sample, "read_pairs": ones.reads, **figures([ones, twos])}
    directions = {str(n): {**figures([each]), "positions": by_position(each)} for n, each in ((1, ones), (2, twos))}
    folder = out / upload
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**summary, "directions": directions}, indent=1)
    (folder / f"{sample}.quality.json").write_text(text + "\n", encoding="utf-8")
    columns = ["read", "position", "bases", "mean_quality", "q30_fraction", "gc_fraction"]
    with (folder / f"{sample}.quality.tsv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.DictWriter(handle, columns, delimiter="\t", lineterminator="\n")
        table.writeheader()
        for number, each in ((1, ones), (2, twos)):
            table.writerows({"read": number, **line} for line in by_position(each))
    with (folder / f"{sample}.summary.csv").open("w", encoding="utf-8", newline="") as handle:
        line = csv.DictWriter(handle, list(summary), lineterminator="\n")
        line.writeheader()
        line.writerow(summary)


def main() -> None:
    reads, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        ones, twos = measure(pairs_of(reads))
    except Unreadable as error:
        sys.exit(str(error))
    write(out, os.environ["UPLOAD"], os.environ["SAMPLE"], ones, twos)
    print(f"{os.environ['SAMPLE']}: {ones.reads} read pairs")


if __name__ == "__main__":
    main()
