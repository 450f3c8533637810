"""How fast reads are checked, and in how much memory: `python benchmarks/bench_fastq.py [read pairs]`."""

import gzip
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from aliquot.formats.fastq import check_fastq

READ_LENGTH = 150


def write_reads(place: Path, count: int) -> None:
    """Write so many reads of random bases, with qualities that compress about as those of a sequencer do."""
    random.seed(1)
    pool = [
        f"{''.join(random.choices('ACGT', k=READ_LENGTH))}\n+\n{''.join(random.choices('FFFFFF:,#', k=READ_LENGTH))}\n"
        for _ in range(2000)
    ]
    with place.open("w") as file:
        for number in range(count):
            file.write(f"@A00:1:H:1:{number}:1000 1:N:0:ACGT\n{pool[number % len(pool)]}")


def main() -> None:
    """Measure a plain and a gzip file of the same reads, in seconds of processor time."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "reads.fastq", Path(folder) / "reads.fastq.gz"
        write_reads(plain, count)
        with plain.open("rb") as source, gzip.open(packed, "wb", 1) as target:
            while block := source.read(2**20):
                target.write(block)
        for place in (plain, packed):
            begun = time.process_time()
            report = check_fastq(place)
            seconds = time.process_time() - begun
            assert report.valid, report.findings
            size = plain.stat().st_size / 1e6
            print(
                f"{place.suffix:6} {count / seconds:12,.0f} reads/s {size / seconds:8.0f} MB/s of text {seconds:6.2f} s"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
