"""Unpack an upload without trusting it, and lay its reads out by sample.

Usage: unpack.py ARCHIVE OUT, with MAX_FILES, MAX_GIB and MAX_RATIO in the environment.

The archive holds `samplesheet.csv` (columns sample, fastq_1, fastq_2, and condition if you like), `MD5SUMS`, and the
FASTQ files that the two name. Members are read one by one and written under numbers, never under a name that the
archive chose. Any fault is told, all faults are told at once, and then nothing is laid out:

    OUT/<upload>/samples.csv
    OUT/<upload>/<sample>/<sample>_R1.fastq.gz, …_R2.fastq.gz     (<sample>_2_R1… for a sample's second pair of files)
"""

import csv
import gzip
import hashlib
import os
import re
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 2**20
SMALL = 16 * 2**20
"""Bytes that a sample sheet or list of checksums may have."""
FREE = 64 * 2**20
"""Bytes that a compressed file may unpack to in any case, however small it is."""
SAMPLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Refused(Exception):
    """The upload can't be taken as it is; the sentence says why."""


@dataclass
class Upload:
    """What was read of an archive: where each member lies, its MD5, and what is wrong."""

    work: Path
    files: dict[str, Path] = field(default_factory=dict)
    md5: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)


def name_fault(name: str) -> str | None:
    """Say what is wrong with a member's name, if anything is."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        return f"{name!r} is an absolute path: pack the files with paths relative to their folder"
    if ".." in re.split(r"[/\\]", name):
        return f"{name!r} leads out of the archive"
    if not name.isprintable() or "\\" in name:
        return f"{name!r} has characters that no file name should have"
    return None


def kind_fault(member: tarfile.TarInfo) -> str | None:
    """Say what is wrong with a member's kind, if anything is."""
    if member.issym() or member.islnk():
        return f"{member.name!r} is a link to {member.linkname!r}: pack the file itself (tar --dereference)"
    if member.issparse():
        return f"{member.name!r} is a sparse file: pack it without --sparse"
    if not (member.isreg() or member.isdir()):
        return f"{member.name!r} is a device or a pipe, not a file"
    return None


def members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Give the members one by one, and forget them, so that a million of them needs no memory."""
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]
        yield member


def read_archive(path: Path, upload: Upload, max_files: int, max_bytes: int) -> None:
    """Read all members. Limits end the reading at once; other faults are collected."""
    total = 0
    with tarfile.open(path, mode="r:") as archive:
        for count, member in enumerate(members(archive), 1):
            if count > max_files:
                raise Refused(f"the archive has more than {max_files} members: split it, or raise max_files")
            total += max(member.size, 0)
            if total > max_bytes:
                raise Refused(f"the archive unpacks to more than {max_bytes} bytes: split it, or raise max_gib")
            fault = name_fault(member.name) or kind_fault(member)
            name = "/".join(part for part in member.name.split("/") if part not in ("", "."))
            if fault is None and name in upload.files:
                fault = f"{name!r} is in the archive twice"
            if fault is not None:
                upload.fault(fault)
            elif member.isreg():
                store(archive, member, name, upload)


def store(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, upload: Upload) -> None:
    """Write a member's bytes under the next number, and keep its MD5."""
    content = archive.extractfile(member)
    if content is None:
        raise Refused(f"{name!r} can't be read")
    place = upload.work / f"{len(upload.files):08d}"
    digest = hashlib.md5(usedforsecurity=False)
    with place.open("xb") as target:
        while block := content.read(BLOCK):
            digest.update(block)
            target.write(block)
    upload.files[name] = place
    upload.md5[name] = digest.hexdigest()


def gzip_fault(name: str, place: Path, max_ratio: float) -> str | None:
    """Read a compressed file to its end and say what is wrong with it, if anything is."""
    allowed = max(FREE, int(place.stat().st_size * max_ratio))
    size = 0
    try:
        with gzip.open(place, "rb") as content:
            while block := content.read(BLOCK):
                size += len(block)
                if size > allowed:
                    return f"{name!r} unpacks to more than {max_ratio:g} times its size: such files fill up disks"
    except (OSError, EOFError, zlib.error):
        return f"{name!r} is not a whole gzip file: it was cut off or changed before it was packed"
    return None


def text_of(upload: Upload, name: str) -> str:
    place = upload.files[name]
    if place.stat().st_size > SMALL:
        raise Refused(f"{name!r} is larger than {SMALL} bytes, which no such list is")
    try:
        return place.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{name!r} is not text in UTF-8") from None


def base_of(upload: Upload) -> str:
    """Give the folder of the sample sheet inside the archive, with a slash at its end; empty for the top."""
    sheets = [name for name in upload.files if name.rpartition("/")[2] == "samplesheet.csv"]
    if len(sheets) != 1:
        raise Refused(f"the archive holds {len(sheets) or 'no'} samplesheet.csv: pack the one that describes its reads")
    return sheets[0].removesuffix("samplesheet.csv")


def check_md5(upload: Upload, base: str) -> set[str]:
    """Hold the files against MD5SUMS; give the names that it covers."""
    if f"{base}MD5SUMS" not in upload.files:
        raise Refused("the archive holds no MD5SUMS beside samplesheet.csv: make it with md5sum reads/* > MD5SUMS")
    covered: set[str] = set()
    for number, line in enumerate(text_of(upload, f"{base}MD5SUMS").splitlines(), 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"([0-9a-fA-F]{32}) [ *](.+)", line.rstrip())
        if found is None:
            upload.fault(f"MD5SUMS, line {number} is not a checksum and a name")
            continue
        name = base + found[2].removeprefix("./")
        covered.add(name)
        if name not in upload.files:
            upload.fault(f"{name!r} is named in MD5SUMS and is not in the archive")
        elif upload.md5[name] != found[1].lower():
            upload.fault(f"{name!r} is not the file whose MD5 is in MD5SUMS: it was changed or damaged, pack it again")
    return covered


def sheet_of(upload: Upload, base: str) -> list[dict[str, str]]:
    """Read the sample sheet."""
    reader = csv.DictReader(text_of(upload, f"{base}samplesheet.csv").splitlines())
    missing = [name for name in ("sample", "fastq_1", "fastq_2") if name not in (reader.fieldnames or [])]
    if missing:
        raise Refused(f"samplesheet.csv has no column {' nor '.join(missing)}")
    lines = [{name: (value or "").strip() for name, value in row.items() if isinstance(name, str)} for row in reader]
    if not lines:
        raise Refused("samplesheet.csv names no sample")
    return lines


def check_sheet(upload: Upload, base: str, lines: list[dict[str, str]], covered: set[str], max_ratio: float) -> None:
    """See that each sample has its files, that they are covered by MD5SUMS, whole, and nobody else's."""
    used: set[str] = set()
    for number, line in enumerate(lines, 2):
        if not SAMPLE.fullmatch(line["sample"]):
            upload.fault(
                f"samplesheet.csv, line {number}: {line['sample']!r} can't name a sample: "
                "use letters, digits, '.', '_' and '-'"
            )
        for column in ("fastq_1", "fastq_2"):
            name = base + line[column].removeprefix("./")
            line[column] = name
            if name == base:
                upload.fault(f"samplesheet.csv, line {number}: {column} is empty, and reads have to come in pairs")
            elif not name.endswith(".gz"):
                upload.fault(f"samplesheet.csv, line {number}: {name!r} is not compressed: give a .fastq.gz")
            elif name not in upload.files:
                upload.fault(f"samplesheet.csv, line {number}: {name!r} is not in the archive")
            elif name in used:
                upload.fault(f"samplesheet.csv, line {number}: {name!r} is named twice")
            elif name not in covered:
                upload.fault(f"{name!r} has no line in MD5SUMS")
            elif fault := gzip_fault(name, upload.files[name], max_ratio):
                upload.fault(fault)
            used.add(name)
    for name in sorted(set(upload.files) - used):
        if re.search(r"\.f(ast)?q(\.gz)?$", name):
            print(f"{name!r} is in the archive and not in the sample sheet: it is left out")


def lay_out(upload: Upload, out: Path, title: str, lines: list[dict[str, str]]) -> None:
    """Move the reads to their samples and write the list of samples."""
    pairs: dict[str, int] = {}
    conditions: dict[str, str] = {}
    for line in lines:
        sample = line["sample"]
        pairs[sample] = pairs.get(sample, 0) + 1
        conditions.setdefault(sample, line.get("condition", ""))
        stem = sample if pairs[sample] == 1 else f"{sample}_{pairs[sample]}"
        folder = out / title / sample
        folder.mkdir(parents=True, exist_ok=True)
        for number, column in enumerate(("fastq_1", "fastq_2"), 1):
            upload.files[line[column]].rename(folder / f"{stem}_R{number}.fastq.gz")
    with (out / title / "samples.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["upload", "sample", "condition", "fastq_pairs"])
        writer.writerows([title, sample, conditions[sample], count] for sample, count in pairs.items())


def title_of(archive: Path) -> str:
    """Name an upload by the archive's path in its dataset: `2024/run7.tar` is `2024--run7`."""
    _, found, inside = archive.as_posix().rpartition("/in/archive/")
    return (inside if found else archive.name).removesuffix(".tar").replace("/", "--")


def read(archive: Path, upload: Upload) -> list[dict[str, str]]:
    """Read and check an archive; give the lines of its sample sheet. What is wrong stands in `upload.faults`."""
    max_bytes = int(float(os.environ["MAX_GIB"]) * 2**30)
    try:
        read_archive(archive, upload, int(os.environ["MAX_FILES"]), max_bytes)
        if upload.faults:
            return []
        base = base_of(upload)
        covered = check_md5(upload, base)
        lines = sheet_of(upload, base)
        check_sheet(upload, base, lines, covered, float(os.environ["MAX_RATIO"]))
    except Refused as refusal:
        upload.fault(str(refusal))
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        upload.fault(f"the archive can't be read, it is damaged or no plain .tar: {error}")
    else:
        return lines
    return []


def main() -> None:
    archive, out = Path(sys.argv[1]), Path(sys.argv[2])
    # Inside `out`, so that moving the reads to their samples copies nothing, wherever `out` lies.
    work = out / ".unpacked"
    work.mkdir()
    upload = Upload(work)
    try:
        lines = read(archive, upload)
        if upload.faults:
            sys.exit("\n".join([f"{archive.name} is refused:", *(f"- {text}" for text in upload.faults)]))
        lay_out(upload, out, title_of(archive), lines)
    finally:
        shutil.rmtree(work)
    samples = {line["sample"] for line in lines}
    print(f"{archive.name}: {len(samples)} samples, {2 * len(lines)} files of reads")


if __name__ == "__main__":
    main()
