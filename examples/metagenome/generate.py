"""Write an upload of paired reads of made-up viruses, a kraken2 database of them, and archives that must be refused.

Everything comes from one seed: the same call makes the same reads.

    python generate.py inbox                               # inbox/run1.tar: two samples and a control without template
    python generate.py inbox --name run2 --pairs 500       # another upload
    python generate.py inbox --truth truth.csv             # how many read pairs of each virus are in it
    python generate.py inbox/viruses --database            # the database that knows these viruses (needs kraken2)
    python generate.py hostile --hostile all               # archives that no lab should unpack
"""

import argparse
import csv
import gzip
import hashlib
import io
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

GENOMES = {9000011: "Riverside virus A", 9000012: "Riverside virus B", 9000021: "Hillside virus"}
PARENTS = {9000001: (1, "genus", "Riversidevirus"), 9000011: (9000001, "species", GENOMES[9000011]),
           9000012: (9000001, "species", GENOMES[9000012]), 9000021: (1, "species", GENOMES[9000021])}  # fmt: skip
LENGTH = 6000
READ = 100
SAMPLES = {"S1": ("case", {9000011: 0.5, 9000012: 0.3, 9000021: 0.1}), "S2": ("case", {9000021: 0.6, 9000012: 0.3}),
           "NTC": ("control", {})}  # fmt: skip
"""Condition of a sample, and the share of its read pairs that comes from each genome; the rest is from none."""
WHEN = 1_700_000_000

Files = dict[str, bytes]


def letters(chance: random.Random, length: int) -> str:
    return "".join(chance.choices("ACGT", k=length))


def genome(seed: str, taxid: int) -> str:
    return letters(random.Random(f"{seed} genome {taxid}"), LENGTH)


def reverse(sequence: str) -> str:
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def read_of(chance: random.Random, sequence: str) -> tuple[str, str]:
    """Read a sequence as a machine does: a wrong base now and then, and qualities that fall towards the end."""
    quality = "".join("F" if chance.random() < 0.004 * at else "I" for at in range(READ))
    bases = [chance.choice("ACGT") if chance.random() < 0.001 else base for base in sequence]
    return "".join(bases), quality


def sample_reads(seed: str, name: str, sample: str, pairs: int) -> tuple[bytes, bytes, dict[int, int]]:
    """Make a sample's two FASTQ files, and say how many read pairs are of which genome (0: of none)."""
    chance = random.Random(f"{seed} {name} {sample}")
    counts = {taxid: round(share * pairs) for taxid, share in SAMPLES[sample][1].items()}
    counts[0] = pairs - sum(counts.values())
    origins = [taxid for taxid, count in counts.items() for _ in range(count)]
    chance.shuffle(origins)
    genomes = {taxid: genome(seed, taxid) for taxid in GENOMES}
    ones: list[str] = []
    twos: list[str] = []
    for number, taxid in enumerate(origins, 1):
        length = chance.randint(200, 400)
        whole = genomes[taxid] if taxid else letters(chance, length)
        at = chance.randrange(len(whole) - length + 1)
        fragment = whole[at : at + length]
        for lines, sequence, end in ((ones, fragment[:READ], 1), (twos, reverse(fragment)[:READ], 2)):
            bases, quality = read_of(chance, sequence)
            lines.append(f"@{sample}:{number:06d}/{end}\n{bases}\n+\n{quality}\n")
    return "".join(ones).encode(), "".join(twos).encode(), counts


def upload(seed: str, name: str, pairs: int) -> tuple[Files, dict[str, dict[int, int]]]:
    """Make the files of an upload, and the truth about each sample."""
    files: Files = {}
    truth: dict[str, dict[int, int]] = {}
    sheet = ["sample,fastq_1,fastq_2,condition"]
    for sample, (condition, _) in SAMPLES.items():
        one, two, truth[sample] = sample_reads(seed, name, sample, pairs)
        paths = [f"reads/{sample}_R{end}.fastq.gz" for end in (1, 2)]
        for path, content in zip(paths, (one, two), strict=True):
            files[path] = gzip.compress(content, compresslevel=6, mtime=0)
        sheet.append(f"{sample},{paths[0]},{paths[1]},{condition}")
    return {"samplesheet.csv": ("\n".join(sheet) + "\n").encode(), "MD5SUMS": sums(files), **files}, truth


def sums(files: Files) -> bytes:
    lines = (f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {path}\n" for path, content in files.items())
    return "".join(lines).encode()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mtime, info.mode = size, kind, link, WHEN, 0o644
    return info


def pack(path: Path, files: Files, more: list[tuple[tarfile.TarInfo, bytes]] | None = None) -> None:
    """Write a tar of these files, and after them of members that are given as they shall be."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            archive.addfile(member(name, len(content)), io.BytesIO(content))
        for info, content in more or []:
            archive.addfile(info, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def with_extra(info: tarfile.TarInfo, content: bytes = b"") -> Callable[[Path, Files], None]:
    return lambda path, files: pack(path, files, [(info, content)])


def bomb(path: Path, files: Files) -> None:
    """256 MiB of nothing in a quarter of a megabyte, with the right checksum."""
    reads = {**files, "reads/S1_R1.fastq.gz": gzip.compress(bytes(2**28), compresslevel=9, mtime=0)}
    listed = {name: content for name, content in reads.items() if name.startswith("reads/")}
    pack(path, {**reads, "MD5SUMS": sums(listed)})


def giant(path: Path, files: Files) -> None:
    """A header that promises a terabyte."""
    pack(path, files)
    path.write_bytes(member("reads/giant.fastq.gz", 2**40).tobuf(tarfile.GNU_FORMAT) + path.read_bytes())


def changed(path: Path, files: Files) -> None:
    pack(path, {**files, "reads/S1_R1.fastq.gz": files["reads/S2_R1.fastq.gz"]})


def missing(path: Path, files: Files) -> None:
    pack(path, {name: content for name, content in files.items() if name != "reads/S2_R2.fastq.gz"})


def truncated(path: Path, files: Files) -> None:
    pack(path, files)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


HOSTILE: dict[str, Callable[[Path, Files], None]] = {
    "parent": with_extra(member("../../escaped.txt", 4), b"out\n"),
    "absolute": with_extra(member("/tmp/escaped.txt", 4), b"out\n"),
    "symlink": with_extra(member("reads/passwd", 0, tarfile.SYMTYPE, "/etc/passwd")),
    "hardlink": with_extra(member("reads/hard", 0, tarfile.LNKTYPE, "../../../etc/passwd")),
    "device": with_extra(member("reads/null", 0, tarfile.CHRTYPE)),
    "fifo": with_extra(member("reads/pipe", 0, tarfile.FIFOTYPE)),
    "duplicate": with_extra(member("./reads/S1_R1.fastq.gz", 4), b"two\n"),
    "bomb": bomb,
    "giant": giant,
    "changed": changed,
    "missing": missing,
    "truncated": truncated,
}
"""Archives that must be refused, by what is wrong with them."""


def build_database(seed: str, target: Path) -> None:
    """Build the kraken2 database of the made-up viruses; only its three files end up in the target."""
    if shutil.which("kraken2-build") is None:
        sys.exit("kraken2-build is not installed: apt-get install kraken2, or conda install -c bioconda kraken2")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "taxonomy").mkdir()
        nodes = {1: (1, "no rank", "root"), **PARENTS}
        end = "\t|\n"
        (work / "taxonomy" / "nodes.dmp").write_text(
            "".join(f"{taxid}\t|\t{parent}\t|\t{rank}\t|\t{end}" for taxid, (parent, rank, _) in nodes.items())
        )
        (work / "taxonomy" / "names.dmp").write_text(
            "".join(f"{taxid}\t|\t{name}\t|\t\t|\tscientific name{end}" for taxid, (_, _, name) in nodes.items())
        )
        library = work / "genomes.fna"
        library.write_text("".join(f">kraken:taxid|{taxid}|genome\n{genome(seed, taxid)}\n" for taxid in GENOMES))
        build = ["kraken2-build", "--db", folder]
        subprocess.run([*build, "--no-masking", "--add-to-library", str(library)], check=True, capture_output=True)
        subprocess.run([*build, "--build"], check=True, capture_output=True)
        target.mkdir(parents=True, exist_ok=True)
        for name in ("hash.k2d", "opts.k2d", "taxo.k2d"):
            shutil.copyfile(work / name, target / name)


def write_truth(path: Path, name: str, truth: dict[str, dict[int, int]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["upload", "sample", "taxid", "read_pairs"])
        writer.writerows(
            [name, sample, taxid, count] for sample, counts in truth.items() for taxid, count in counts.items() if count
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--name", default="run1", help="name of the upload")
    parser.add_argument("--pairs", type=int, default=200, help="read pairs of each sample")
    parser.add_argument("--truth", type=Path, help="write here how many read pairs each virus has")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--database", action="store_true", help="build the kraken2 database of the viruses instead")
    instead.add_argument("--hostile", choices=[*HOSTILE, "all"], help="write archives that must be refused instead")
    parser.add_argument("--seed", default="metagenome")
    options = parser.parse_args()
    if options.database:
        build_database(options.seed, options.out)
        return
    files, truth = upload(options.seed, options.name, options.pairs)
    if options.hostile:
        for kind in HOSTILE if options.hostile == "all" else [options.hostile]:
            options.out.mkdir(parents=True, exist_ok=True)
            HOSTILE[kind](options.out / f"{kind}.tar", files)
    else:
        pack(options.out / f"{options.name}.tar", files)
    if options.truth:
        write_truth(options.truth, options.name, truth)


if __name__ == "__main__":
    main()
