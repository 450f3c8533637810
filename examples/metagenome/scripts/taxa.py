"""Count the read pairs of each taxon in one sample, with kraken2.

Usage: taxa.py READS DATABASE OUT, with UPLOAD, SAMPLE, CONFIDENCE, MIN_BASE_QUALITY, MIN_HIT_GROUPS and CPUS in the
environment.

    OUT/<upload>/<sample>.kraken2.report.txt    kraken2's own report
    OUT/<upload>/<sample>.abundance.csv         taxa that read pairs were given to, and the unclassified (taxid 0)
    OUT/<upload>/<sample>.profile.json          version and settings
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DATABASE = ["hash.k2d", "opts.k2d", "taxo.k2d"]
COLUMNS = ["upload", "sample", "taxid", "name", "rank", "read_pairs", "clade_read_pairs", "fraction"]
MISSING = """kraken2 is not installed where this step runs.
- Debian, Ubuntu: apt-get install kraken2
- conda, mamba: conda install -c bioconda kraken2
- or give the step an image that has kraken2 and python (`image:` in pipelines/metagenome.yaml)"""


def database_of(folder: Path) -> Path:
    """Find the folder of the database's files."""
    found = sorted({path.parent for path in folder.rglob("*.k2d")})
    if not found:
        sys.exit(
            "the database has no files: put hash.k2d, opts.k2d and taxo.k2d of a kraken2 database into the dataset"
        )
    if len(found) > 1:
        places = ", ".join(str(place.relative_to(folder)) for place in found)
        sys.exit(f"the dataset holds several databases ({places}): keep one, or bind another dataset to the input")
    missing = [name for name in DATABASE if not (found[0] / name).is_file()]
    if missing:
        sys.exit(f"the kraken2 database is not complete: {', '.join(missing)} is missing from the dataset")
    return found[0]


def reads_of(folder: Path) -> list[str]:
    """Give the sample's files in the order that kraken2 wants: first and second of each pair."""
    firsts = sorted(folder.rglob("*_R1.fastq.gz"))
    files = [path for one in firsts for path in (one, one.with_name(one.name.replace("_R1.fastq.gz", "_R2.fastq.gz")))]
    if not files or not all(path.is_file() for path in files):
        sys.exit("the sample has no pair of files …_R1.fastq.gz and …_R2.fastq.gz")
    return [str(path) for path in files]


def taxa(report: Path) -> list[dict[str, object]]:
    """Read kraken2's report: share, pairs of the clade, pairs of the taxon itself, rank, taxid, indented name."""
    lines = [line.split("\t") for line in report.read_text(encoding="utf-8").splitlines() if line.strip()]
    total = sum(int(line[2]) for line in lines)
    return [
        {
            "taxid": int(taxid),
            "name": name.strip(),
            "rank": rank.strip(),
            "read_pairs": int(own),
            "clade_read_pairs": int(clade),
            "fraction": f"{int(own) / total:.6f}",
        }
        for _, clade, own, rank, taxid, name in lines
        if int(own)
    ]


def main() -> None:
    reads, database, out = (Path(argument) for argument in sys.argv[1:4])
    upload, sample = os.environ["UPLOAD"], os.environ["SAMPLE"]
    program = shutil.which("kraken2")
    if program is None:
        sys.exit(MISSING)
    folder = out / upload
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{sample}.kraken2.report.txt"
    settings = {name: os.environ[name.upper()] for name in ("confidence", "min_base_quality", "min_hit_groups")}
    command = [
        program, "--db", str(database_of(database)), "--paired", "--gzip-compressed",
        "--threads", str(max(1, int(float(os.environ.get("CPUS", "1"))))),
        "--confidence", settings["confidence"], "--minimum-base-quality", settings["min_base_quality"],
        "--minimum-hit-groups", settings["min_hit_groups"], "--report", str(report), "--output", "-",
        *reads_of(reads),
    ]  # fmt: skip
    done = subprocess.run(command, check=False)
    if done.returncode or not report.is_file():
        print(f"kraken2 ended with {done.returncode}; what it said stands above", file=sys.stderr)
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode if done.returncode else 1)
    found = taxa(report)
    with (folder / f"{sample}.abundance.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({"upload": upload, "sample": sample, **taxon} for taxon in found)
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    number = re.search(r"version (\S+)", version)
    facts = {"upload": upload, "sample": sample, "kraken2": number[1] if number else version.strip(), **settings}
    (folder / f"{sample}.profile.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
