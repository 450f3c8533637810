"""The metagenome example: uploads unpacked without trust, qualities, and kraken2's counts against the truth."""

import csv
import gzip
import importlib.util
import io
import json
import shutil
import tarfile
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

import pytest

from aliquot.formats.check import check
from aliquot.formats.recognise import recognise
from example_lab import EXAMPLES, Datum, ExampleLab, Files, files_in, generate, rows_of
from services import require_service

HOSTILE = {
    "parent": "leads out of the archive",
    "absolute": "is an absolute path",
    "symlink": "is a link to '/etc/passwd'",
    "hardlink": "is a link to '../../../etc/passwd'",
    "device": "is a device or a pipe",
    "fifo": "is a device or a pipe",
    "duplicate": "'reads/S1_R1.fastq.gz' is in the archive twice",
    "bomb": "unpacks to more than 200 times its size",
    "giant": "unpacks to more than 214748364800 bytes",
    "changed": "'reads/S1_R1.fastq.gz' is not the file whose MD5 is in MD5SUMS",
    "missing": "'reads/S2_R2.fastq.gz' is not in the archive",
    "truncated": "it is damaged or no plain .tar",
}


def lab() -> ExampleLab:
    return ExampleLab.open("metagenome")


def require_kraken2() -> None:
    require_service(shutil.which("kraken2") is not None, "kraken2")


def unpack(work: Path, archive: Path, **parameters: str) -> CompletedProcess[str]:
    datum = Datum({"archive": {f"/{archive.name}": archive}}, {"archive": archive.name})
    return lab().task(work, "unpack", datum, parameters)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metagenome_generate", EXAMPLES / "metagenome" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def upload(path: Path, sheet: str, reads: dict[str, bytes]) -> Path:
    """Pack an upload whose checksums are right."""
    made = generator()
    made.pack(path, {"samplesheet.csv": sheet.encode(), "MD5SUMS": made.sums(reads), **reads})
    return path


def fastq(*reads: tuple[str, str, str]) -> bytes:
    return gzip.compress("".join(f"@{name}\n{bases}\n+\n{quality}\n" for name, bases, quality in reads).encode())


def quality(work: Path, one: bytes, two: bytes) -> CompletedProcess[str]:
    files: Files = {}
    for number, content in enumerate((one, two), 1):
        file = work / f"{number}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        files[f"/run/S/S_R{number}.fastq.gz"] = file
    datum = Datum({"reads": files}, {"reads": ""}, {"upload": "run", "sample": "S"})
    return lab().task(work / "task", "quality", datum)


def test_definitions_are_valid() -> None:
    example = lab()
    assert set(example.types) == {rule.type for rule in example.config.sources["inbox"].accept}
    assert example.pipeline.order() == ["unpack", "quality", "profile"]
    for step in example.pipeline.steps.values():
        assert all((example.folder / path).is_file() for path in step.bundle)
        assert set(step.parameters or []) <= set(example.pipeline.parameters)


def test_the_generator_makes_the_same_upload_again(tmp_path: Path) -> None:
    one, two = (generate("metagenome", tmp_path / name) / "run1.tar" for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    other = generate("metagenome", tmp_path / "c", "--name", "run2") / "run2.tar"
    assert other.read_bytes() != one.read_bytes()


def test_unpacked_reads_lie_by_upload_and_sample(tmp_path: Path) -> None:
    archive = generate("metagenome", tmp_path / "in") / "run1.tar"
    done = unpack(tmp_path / "work", archive)
    assert done.returncode == 0, done.stderr
    made = files_in(tmp_path / "work" / "out")
    assert sorted(made) == sorted(
        [f"/run1/{name}/{name}_R{end}.fastq.gz" for name in ("S1", "S2", "NTC") for end in (1, 2)]
        + ["/run1/samples.csv"]
    )
    with tarfile.open(archive) as packed:
        original = packed.extractfile("reads/S2_R1.fastq.gz")
        assert original is not None
        assert made["/run1/S2/S2_R1.fastq.gz"].read_bytes() == original.read()
    assert [row["condition"] for row in rows_of(made["/run1/samples.csv"])] == ["case", "case", "control"]


def test_every_hostile_archive_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    folder = generate("metagenome", tmp_path / "in", "--hostile", "all")
    assert {path.stem for path in folder.iterdir()} == set(HOSTILE)
    for kind, sentence in HOSTILE.items():
        work = tmp_path / "deep" / "er" / kind
        done = unpack(work, folder / f"{kind}.tar")
        assert done.returncode == 1, kind
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert not list((work / "out").iterdir())
        assert not Path("/tmp/escaped.txt").exists()
        assert not list(tmp_path.rglob("escaped.txt"))
        assert all(path.is_file() or path.is_dir() for path in work.rglob("*"))


def test_the_check_on_arrival_takes_what_it_should_and_refuses_most_hostile_archives(tmp_path: Path) -> None:
    good = generate("metagenome", tmp_path / "in") / "run1.tar"
    types = lab().types
    assert recognise(good.name, f"/{good.name}", good, list(types.values())).type == types["upload"]
    assert check(types["upload"], {good.name: good}).findings == ()
    folder = generate("metagenome", tmp_path / "hostile", "--hostile", "all")
    taken = {path.stem for path in folder.iterdir() if check(types["upload"], {path.name: path}).findings == ()}
    # These are proper archives, and what is wrong with them only the sample sheet and the checksums show.
    assert taken == {"bomb", "changed", "missing"}


def test_limits_are_held(tmp_path: Path) -> None:
    archive = generate("metagenome", tmp_path / "in") / "run1.tar"
    done = unpack(tmp_path / "few", archive, MAX_FILES="7")
    assert "more than 7 members" in done.stderr
    assert unpack(tmp_path / "enough", archive, MAX_FILES="8").returncode == 0
    done = unpack(tmp_path / "small", archive, MAX_GIB="0.00001")
    assert "unpacks to more than 10737 bytes" in done.stderr


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    good = fastq(("a/1", "ACGT", "IIII"))
    sheet = "sample,fastq_1,fastq_2\nno space,a.fastq.gz,b.fastq.gz\nS2,gone.fastq.gz,\nS3,a.fastq.gz,c.fastq\n"
    reads = {"a.fastq.gz": good, "b.fastq.gz": good[:-9], "c.fastq": b"@"}
    done = unpack(tmp_path / "work", upload(tmp_path / "bad.tar", sheet, reads))
    assert done.stderr.splitlines() == [
        "bad.tar is refused:",
        "- samplesheet.csv, line 2: 'no space' can't name a sample: use letters, digits, '.', '_' and '-'",
        "- 'b.fastq.gz' is not a whole gzip file: it was cut off or changed before it was packed",
        "- samplesheet.csv, line 3: 'gone.fastq.gz' is not in the archive",
        "- samplesheet.csv, line 3: fastq_2 is empty, and reads have to come in pairs",
        "- samplesheet.csv, line 4: 'a.fastq.gz' is named twice",
        "- samplesheet.csv, line 4: 'c.fastq' is not compressed: give a .fastq.gz",
    ]


def test_an_upload_in_a_folder_of_its_own_and_a_sample_of_two_lanes(tmp_path: Path) -> None:
    files = {f"{lane}_{end}.fq.gz": fastq((f"{lane}", "ACGT", "IIII")) for lane in "ab" for end in (1, 2)}
    sheet = "sample,fastq_1,fastq_2\nS,a_1.fq.gz,a_2.fq.gz\nS,b_1.fq.gz,b_2.fq.gz\n"
    made = generator()
    inside = {"samplesheet.csv": sheet.encode(), "MD5SUMS": made.sums(files), **files}
    made.pack(tmp_path / "x.tar", {f"./run 9/{name}": content for name, content in inside.items()})
    example = lab()
    archives = {"/2024/x.tar": tmp_path / "x.tar"}
    out = example.run(tmp_path / "work", {"uploads": archives, "database": {}})
    assert not example.failed
    assert sorted(out["unpack"]) == [
        *(f"/2024--x/S/S_{part}.fastq.gz" for part in ("2_R1", "2_R2", "R1", "R2")),
        "/2024--x/samples.csv",
    ]
    (line,) = example.table("read_quality", out)
    assert (line["upload"], line["sample"], line["read_pairs"]) == ("2024--x", "S", "2")


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    archive = generate("metagenome", tmp_path / "in") / "run1.tar"
    packed = tmp_path / "packed.tar"
    packed.write_bytes(gzip.compress(archive.read_bytes()))
    done = unpack(tmp_path / "work", packed)
    assert done.returncode == 1
    assert "no plain .tar" in done.stderr


def test_qualities_are_what_counting_base_by_base_gives(tmp_path: Path) -> None:
    one = [("p1/1", "ACGTN", "I5!~?"), ("p2/1", "GG", "??"), ("p3/1", "", "")]
    two = [("p1/2", "TTTT", ">>>?"), ("p2/2", "CCCCC", "IIIII"), ("p3/2", "A", "#")]
    done = quality(tmp_path, fastq(*one), fastq(*two))
    assert done.returncode == 0, done.stderr
    out = tmp_path / "task" / "out" / "run"
    found = json.loads((out / "S.quality.json").read_text())
    scores = [ord(sign) - 33 for _, _, signs in one + two for sign in signs]
    bases = "".join(read[1] for read in one + two)
    assert (found["read_pairs"], found["reads"], found["bases"]) == (3, 6, len(scores))
    assert found["mean_quality"] == round(sum(scores) / len(scores), 6)
    assert found["q30_fraction"] == round(sum(score >= 30 for score in scores) / len(scores), 6)
    assert found["gc_fraction"] == round(sum(base in "GC" for base in bases) / len(bases), 6)
    with (out / "S.quality.tsv").open(newline="") as handle:
        positions = {(row["read"], row["position"]): row for row in csv.DictReader(handle, delimiter="\t")}
    assert len(positions) == 10
    # First position of the second reads: T, C and A with '>', 'I' and '#'.
    assert positions["2", "1"] == {
        "read": "2", "position": "1", "bases": "3", "mean_quality": str(round((29 + 40 + 2) / 3, 6)),
        "q30_fraction": "0.333333", "gc_fraction": "0.333333",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "two", "sentence"),
    [
        (fastq(("a", "AC", "II"), ("b", "AC", "II")), fastq(("a", "AC", "II")), "has fewer reads than"),
        (fastq(("a", "AC", "II")), fastq(("a", "AC", "II"), ("b", "AC", "II")), "has more reads than"),
        (fastq(("a/1", "AC", "II")), fastq(("b/2", "AC", "II")), "are not of one run"),
        (fastq(("a", "AC", "I")), fastq(("a", "AC", "II")), "S_R1.fastq.gz, read 1 is not FASTQ"),
        (fastq(("a", "AC", "I ")), fastq(("a", "AC", "II")), "has a quality that is none"),
        (fastq(("a", "AC", "II"))[:-9], fastq(("a", "AC", "II")), "S_R1.fastq.gz ends in the middle"),
    ],
)
def test_reads_that_cannot_be_measured_end_with_a_sentence(
    tmp_path: Path, one: bytes, two: bytes, sentence: str
) -> None:
    done = quality(tmp_path, one, two)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert not list((tmp_path / "task" / "out").iterdir())


def test_a_sample_without_reads_has_no_mean(tmp_path: Path) -> None:
    assert quality(tmp_path, fastq(), fastq()).returncode == 0
    (line,) = rows_of(tmp_path / "task" / "out" / "run" / "S.summary.csv")
    assert (line["read_pairs"], line["bases"], line["mean_quality"]) == ("0", "0", "")


def sample_datum(database: Files) -> Datum:
    reads: Files = {}
    return Datum({"reads": reads, "database": database}, {"reads": "", "database": ""}, {"upload": "r", "sample": "S"})


def test_where_kraken2_is_missing_the_step_says_how_to_get_it(tmp_path: Path) -> None:
    done = lab().task(tmp_path / "work", "profile", sample_datum({}), path=str(tmp_path))
    assert done.returncode == 1
    assert "kraken2 is not installed" in done.stderr
    assert "apt-get install kraken2" in done.stderr
    assert not list((tmp_path / "work" / "out").iterdir())


def test_a_database_that_is_not_whole_is_told(tmp_path: Path) -> None:
    require_kraken2()
    part = tmp_path / "hash.k2d"
    part.write_bytes(b"x")
    done = lab().task(tmp_path / "work", "profile", sample_datum({"/v/hash.k2d": part}))
    assert "opts.k2d, taxo.k2d is missing" in done.stderr
    done = lab().task(tmp_path / "two", "profile", sample_datum({"/v/hash.k2d": part, "/w/hash.k2d": part}))
    assert "several databases (v, w)" in done.stderr


def test_made_up_viruses_are_found_as_they_were_put_in(tmp_path: Path) -> None:
    require_kraken2()
    source = generate("metagenome", tmp_path / "in", "--truth", str(tmp_path / "truth.csv"))
    generate("metagenome", tmp_path / "db" / "viruses", "--database")
    example = lab()
    files = example.run(tmp_path / "work", {"uploads": files_in(source), "database": files_in(tmp_path / "db")})
    assert not example.failed
    columns = ("upload", "sample", "taxid", "read_pairs")
    found = {tuple(row[name] for name in columns) for row in example.table("abundance", files)}
    assert found == {tuple(row.values()) for row in rows_of(tmp_path / "truth.csv")}
    assert len(found) == 8
    assert [row["read_pairs"] for row in example.table("read_quality", files)] == ["200"] * 3


def test_an_empty_sample_has_an_empty_profile(tmp_path: Path) -> None:
    require_kraken2()
    generate("metagenome", tmp_path / "db", "--database")
    sheet = "sample,fastq_1,fastq_2\nNTC,a.fastq.gz,b.fastq.gz\n"
    archive = upload(tmp_path / "e.tar", sheet, {"a.fastq.gz": fastq(), "b.fastq.gz": fastq()})
    example = lab()
    files = example.run(tmp_path / "work", {"uploads": {"/e.tar": archive}, "database": files_in(tmp_path / "db")})
    assert not example.failed
    assert example.table("abundance", files) == []


def counts(rows: list[dict[str, str]]) -> dict[tuple[str, int], int]:
    return {(row["sample"], int(row["taxid"])): int(row["read_pairs"]) for row in rows}


def test_the_truth_about_real_reference_genomes_is_found(shared_data: Path, tmp_path: Path) -> None:
    require_kraken2()
    data = shared_data / "metagenome"
    truth = rows_of(data / "truth.csv")
    example = lab()
    inputs = {"uploads": {"/input_v1.tar": data / "input_v1.tar"}, "database": files_in(data / "kraken2_db")}
    files = example.run(tmp_path / "work", inputs)
    assert not example.failed
    abundance = example.table("abundance", files)
    assert counts(abundance) == counts(truth)
    fractions = {(row["sample"], row["taxid"]): float(row["fraction"]) for row in abundance}
    assert fractions == {(row["sample"], row["taxid"]): float(row["fraction_of_pairs"]) for row in truth}
    quality = {row["sample"]: row for row in example.table("read_quality", files)}
    assert {sample: int(row["read_pairs"]) for sample, row in quality.items()} == {
        "MV01": 10_000, "MV02": 6_000, "NTC1": 500
    }  # fmt: skip
    assert int(quality["MV01"]["bases"]) == 2 * 10_000 * 100
    assert [row["condition"] for row in example.table("samples", files)] == ["case", "case", "control"]


def test_without_a_threshold_kraken2_reports_what_the_reference_report_says(shared_data: Path, tmp_path: Path) -> None:
    require_kraken2()
    data = shared_data / "metagenome"
    example = lab()
    inputs = {"uploads": {"/v1.tar": data / "input_v1.tar"}, "database": files_in(data / "kraken2_db")}
    files = example.run(tmp_path / "work", inputs, confidence="0")
    report = files["profile"]["/v1/MV01.kraken2.report.txt"].read_bytes()
    assert report == (data / "MV01.kraken2.report.txt").read_bytes()
    found = counts(example.table("abundance", files))
    expected = counts(rows_of(data / "truth.csv"))
    # One pair of SARS has more k-mers in common with SARS-CoV-2; the clade above both counts 2,800 either way.
    assert {key: (found[key], expected[key]) for key in expected if found[key] != expected[key]} == {
        ("MV01", 694009): (299, 300),
        ("MV01", 2697049): (2501, 2500),
    }
    clades = {int(row["taxid"]): row["clade_read_pairs"] for row in example.table("abundance", files)[:9]}
    assert clades[694009] == "2800"


def test_a_control_that_comes_with_two_uploads_is_profiled_for_each(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "metagenome"
    example = lab()
    archives = {f"/{name}.tar": data / f"{name}.tar" for name in ("input_v1", "ok_small")}
    files = example.run(tmp_path / "work", {"uploads": archives, "database": {}})
    samples = [(row["upload"], row["sample"], row["read_pairs"]) for row in example.table("read_quality", files)]
    assert samples == [
        ("input_v1", "MV01", "10000"), ("input_v1", "MV02", "6000"), ("input_v1", "NTC1", "500"),
        ("ok_small", "NTC1", "500"),
    ]  # fmt: skip


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    # GNU's sparse header: a map of what is there, and the size that the file pretends to have.
    info = tarfile.TarInfo("reads/sparse.fastq.gz")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"00000000000\0" * 2
    header[483:495] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "sparse.tar"
    archive.write_bytes(bytes(header) + bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as made:
        assert made.getmembers()[0].issparse()
    done = unpack(tmp_path / "work", archive)
    assert done.returncode == 1
    assert "is a sparse file" in done.stderr or "unpacks to more than" in done.stderr
