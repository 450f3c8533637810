"""How fast files of sequencing and mass spectrometry are checked, beside reading their bytes.

    python benchmarks/bench_lab_files.py [scale]     # scale 1: files of about 200 MB, or of as much when unpacked

Reading is one pass in pieces of 1 MiB over a file that is in memory already; unpacking is zlib's, or gzip's, alone.
Seconds are of processor time, the best of three; MB are of what is checked, after unpacking.
"""

import base64
import gzip
import json
import random
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from peak_memory import peak_mib

from aliquot.formats.check import format_named
from lab_files import VCF_HEAD, bam_content, bam_record, bgzf

READ_LENGTH = 150
ROUNDS = 3
IDENTITY = bytes(range(16))


def write_reads(place: Path, count: int) -> None:
    """Write so many reads of random bases, with qualities that compress about as those of a sequencer do."""
    rng = random.Random(1)
    pool = [
        f"{''.join(rng.choices('ACGT', k=READ_LENGTH))}\n+\n{''.join(rng.choices('FFFFFF:,#', k=READ_LENGTH))}\n"
        for _ in range(2000)
    ]
    with place.open("w") as file:
        for number in range(count):
            file.write(f"@A00:1:H:1:{number}:1000 1:N:0:ACGT\n{pool[number % len(pool)]}")


def write_image(xml: Path, ibd: Path, pixels: int, points: int) -> None:
    """Write a pair in which each pixel has arrays of its own, without a checksum."""
    rng = random.Random(1)
    spectrum = struct.pack(f"<{points}d", *sorted(rng.uniform(100, 1000) for _ in range(points)))
    side = max(int(pixels**0.5), 1)
    with ibd.open("wb") as data, xml.open("w") as text:
        data.write(IDENTITY)
        text.write(
            '<?xml version="1.0"?><mzML><fileDescription><fileContent><cvParam accession="IMS:1000031"/>'
            f'<cvParam accession="IMS:1000080" value="{IDENTITY.hex()}"/></fileContent></fileDescription>'
            f'<cvParam accession="IMS:1000042" value="{side}"/><cvParam accession="IMS:1000043" value="{side}"/>'
            f'<run><spectrumList count="{side * side}">'
        )
        for number in range(side * side):
            text.write(f'<spectrum><cvParam accession="IMS:1000050" value="{number % side + 1}"/>'
                       f'<cvParam accession="IMS:1000051" value="{number // side + 1}"/>')  # fmt: skip
            for kind in ("MS:1000514", "MS:1000515"):
                text.write(
                    f'<binaryDataArray><cvParam accession="{kind}"/><cvParam accession="MS:1000523"/>'
                    f'<cvParam accession="IMS:1000102" value="{data.tell()}"/>'
                    f'<cvParam accession="IMS:1000103" value="{points}"/>'
                    f'<cvParam accession="IMS:1000104" value="{len(spectrum)}"/></binaryDataArray>'
                )
                data.write(spectrum)
            text.write("</spectrum>")
        text.write("</spectrumList></run></mzML>")


def write_spectra(place: Path, spectra: int, points: int, *, packed: bool) -> None:
    """Write an mzML file without an index."""
    rng = random.Random(1)
    arrays, packing = "", "MS:1000574" if packed else "MS:1000576"
    for kind in ("MS:1000514", "MS:1000515"):
        content = struct.pack(f"<{points}d", *(rng.uniform(100, 1000) for _ in range(points)))
        text = base64.b64encode(zlib.compress(content, 1) if packed else content).decode()
        arrays += (
            f'<binaryDataArray encodedLength="{len(text)}"><cvParam accession="{kind}"/>'
            f'<cvParam accession="MS:1000523"/>'
            f'<cvParam accession="{packing}"/><binary>{text}</binary></binaryDataArray>'
        )  # fmt: skip
    with place.open("w") as file:
        file.write(f'<?xml version="1.0"?><mzML><run><spectrumList count="{spectra}">')
        for number in range(spectra):
            file.write(f'<spectrum index="{number}" defaultArrayLength="{points}">{arrays}</spectrum>\n')
        file.write("</spectrumList></run></mzML>")


def write_variants(place: Path, count: int, samples: int) -> None:
    """Write variants with so many samples."""
    head = VCF_HEAD.replace("length=1000", "length=400000000").rstrip("\n").removesuffix("\tS1\tS2")
    genotypes = ["0/0:12", "0/1:30", "1|1:7", "./.:."]
    pool = ["\t".join(random.Random(seed).choices(genotypes, k=samples)) for seed in range(100)]
    with place.open("w") as file:
        file.write(head + "".join(f"\tS{number}" for number in range(samples)) + "\n")
        for number in range(count):
            file.write(f"chr1\t{100 + number * 3}\t.\tA\tC\t50\tPASS\tDP=100\tGT:DP\t{pool[number % 100]}\n")


def write_aligned(place: Path, count: int) -> None:
    """Write aligned reads of 150 bases."""
    references = (("chr1", 10**9),)
    text = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000000000\n"
    rng = random.Random(1)
    records = []
    for number in range(count):
        record = bytearray(bam_record(f"read{number:09}", position=number, bases=READ_LENGTH))
        record[-READ_LENGTH - 75 :] = rng.randbytes(75) + bytes(rng.choices(range(30, 38), k=READ_LENGTH))
        records.append(bytes(record))
    place.write_bytes(bgzf(bam_content(records, text, references)))


def _best(work: Callable[[], object]) -> float:
    seconds: list[float] = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return max(min(seconds), 1e-9)


def _read(files: Mapping[str, Path], *, packed: bool) -> int:
    size = 0
    for path in files.values():
        with gzip.open(path) if packed else path.open("rb", buffering=0) as file:
            while block := file.read(2**20):
                size += len(block)
    return size


def _measure(name: str, files: Mapping[str, Path], *, packed: bool = False) -> dict[str, Any]:
    """Check files and read them, in MB/s of what is in them."""
    size = _read(files, packed=packed) / 1e6
    reading = _best(lambda: _read(files, packed=packed))
    checker = format_named(name)
    report = checker.check(files, {})
    assert report.valid, report.findings
    checking = _best(lambda: checker.check(files, {}))
    return {
        "mb": round(size),
        "read_mb_s": round(size / reading),
        "check_mb_s": round(size / checking),
        "share": round(reading / checking, 3),
    }


def run(scale: float = 1.0) -> dict[str, Any]:
    """Measure every format at `scale` times about 200 MB."""
    results: dict[str, Any] = {}

    def many(number: int) -> int:
        return max(int(number * scale), 10)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_reads(place / "r.fastq", many(600_000))
        results["fastq"] = _measure("fastq", {"r.fastq": place / "r.fastq"})
        (place / "r.gz").write_bytes(gzip.compress((place / "r.fastq").read_bytes(), 1))
        results["fastq, gzip"] = _measure("fastq", {"r.gz": place / "r.gz"}, packed=True)
        write_image(place / "i.imzML", place / "i.ibd", many(10_000), 1200)
        results["imzml"] = _measure("imzml", {"i.imzML": place / "i.imzML", "i.ibd": place / "i.ibd"})
        for packed in (False, True):
            write_spectra(place / "s.mzML", many(10_000), 1000, packed=packed)
            results["mzml, zlib" if packed else "mzml"] = _measure("mzml", {"s.mzML": place / "s.mzML"})
        write_variants(place / "v.vcf", many(2_000_000), 3)
        results["vcf, 3 samples"] = _measure("vcf", {"v.vcf": place / "v.vcf"})
        write_variants(place / "v.vcf", many(10_000), 2500)
        results["vcf, 2500 samples"] = _measure("vcf", {"v.vcf": place / "v.vcf"})
        write_aligned(place / "a.bam", many(400_000))
        results["bam"] = _measure("bam", {"a.bam": place / "a.bam"}, packed=True)
    results["peak_mb"] = peak_mib()
    return results


def main() -> None:
    """Print a table and one line of JSON."""
    results = run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    print(f"{'format':20} {'MB':>6} {'read MB/s':>10} {'check MB/s':>11} {'share':>7}")
    for name, of in results.items():
        if isinstance(of, dict):
            print(f"{name:20} {of['mb']:6,} {of['read_mb_s']:10,} {of['check_mb_s']:11,} {of['share']:7.3f}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
