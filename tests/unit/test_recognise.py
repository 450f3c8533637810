"""Recognition by name, path and content, the words for what did not fit, and the way from a type to its check."""

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from aliquot.formats.check import check, format_named
from aliquot.formats.recognise import Recognition, name_matches, recognise
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.finding import Severity
from lab_files import bgzf


def type_of(name: str, recognise: dict[str, Any], **more: Any) -> FileType:
    return FileType.model_validate({"type": name, "recognise": recognise, **more})


CHARGES = type_of("charges", {"name": "*.csv", "columns": ["charge_id", "amount"]})
TRANSACTIONS = type_of("transactions", {"name": "*.csv", "columns": ["transaction_id", "amount"]})
READS = type_of("reads", {"name": "*_R*.fastq.gz"}, format="fastq")
UPLOAD = type_of("upload", {"name": "*.tar"}, format="archive")
IMAGE = type_of("image", {"name": "*.imzML"}, format="imzml")
PLATE = type_of("plate", {"path": "/plates/**/raw/*"})
PICTURE = type_of("picture", {"magic": "89 50 4e 47"})
RUN = type_of("run", {"root": "RunInfo"})
VARIANTS = type_of("variants", {"name": "*.vcf.gz"}, format="vcf")
ALIGNED = type_of("aligned", {"name": "*.bam"}, format="bam")
SPECTRA = type_of("spectra", {"name": "*.mzML"}, format="mzml")
ALL = [CHARGES, TRANSACTIONS, READS, UPLOAD, IMAGE, PLATE, PICTURE, RUN, VARIANTS, ALIGNED, SPECTRA]


def look(folder: Path, name: str, content: bytes, *types: FileType, path: str | None = None) -> Recognition:
    (folder / "content").write_bytes(content)
    return recognise(name, path or name, folder / "content", types or ALL)


def small_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"charge_id,amount\n1,2\n", "charges"),
        ("a.csv", b"amount;note;charge_id\r\n1;2;3\r\n", "charges"),
        ("a.csv", b'\xef\xbb\xbf"charge_id"\t"amount"\n', "charges"),
        ("a.csv", "charge_id,amount\n".encode("utf-16"), "charges"),
        ("a.CSV", b"transaction_id|amount\n1|2\n", "transactions"),
        ("S1_R2.fastq.gz", gzip.compress(b"@r\nA\n+\nI\n", mtime=0), "reads"),
        ("S1_R2.fastq.gz", b"@r\nA\n+\nI\n", "reads"),
        ("S1_R2.fastq.gz", b"\x1f\x8bcut", "reads"),
        ("S1_R2.fastq.gz", b"", "reads"),
        ("a.tar", small_tar(), "upload"),
        ("a.tar", gzip.compress(small_tar(), mtime=0), "upload"),
        ("a.tar", b"PK\x03\x04", "upload"),
        ("a.tar", b"", "upload"),
        ("a.imzml", b"<?xml version='1.0'?><x:mzML xmlns:x='u'/>", "image"),
        ("a.imzML", b"<!DOCTYPE mzML><mzML>", "image"),
        ("a.imzML", "<?xml version='1.0' encoding='utf-16'?><indexedmzML>".encode("utf-16"), "image"),
        ("a.mzML", b"<?xml version='1.0'?><indexedmzML>", "spectra"),
        ("a.mzML", gzip.compress(b"<?xml version='1.0'?><mzML xmlns='u'>", mtime=0), "spectra"),
        ("a.vcf.gz", bgzf(b"##fileformat=VCFv4.2\n"), "variants"),
        ("a.vcf.gz", b"##fileformat=VCFv4.2\n", "variants"),
        ("a.bam", bgzf(b"BAM\x01"), "aligned"),
        ("a.bam", b"", "aligned"),
        ("p.dat", b"\x89PNG\r\n", "picture"),
        ("p.xml", b"<!-- note --><RunInfo Version='2'><Run/>", "run"),
        ("p.xml", b"<!DOCTYPE RunInfo SYSTEM 'x.dtd'><RunInfo/>", "run"),
    ],
)
def test_a_file_is_recognised(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    found = look(tmp_path, name, content)
    assert found.type is not None
    assert (found.type.type, found.candidates, found.several) == (expected, (expected,), False)
    assert expected not in found.reasons
    assert len(found.reasons) == len(ALL) - 1


@pytest.mark.parametrize("path", ["/plates/raw/x", "plates/raw/x", "/plates/7/a/raw/x"])
def test_a_path_is_recognised(tmp_path: Path, path: str) -> None:
    assert look(tmp_path, "x", b"1", PLATE, path=path).type is PLATE


@pytest.mark.parametrize(
    ("type_", "name", "content", "reason"),
    [
        (CHARGES, "a.txt", b"charge_id,amount\n", "its name does not match *.csv"),
        (CHARGES, "a.csv", b"charge_id,note\n", "has no column 'amount'; found charge_id, note"),
        (CHARGES, "a.csv", b"x,y\n", "has no columns 'charge_id', 'amount'; found x, y"),
        (CHARGES, "a.csv", b"charge_id,Amount\n",
         "has no column 'amount' (upper and lower case differ from 'Amount'); found charge_id, Amount"),
        (CHARGES, "a.csv", b",".join(b"c%d" % n for n in range(11)) + b"\n",
         "has no columns 'charge_id', 'amount'; found c0, c1, c2, c3, c4, c5, c6, c7 and 3 more"),
        (CHARGES, "a.csv", b"", "is empty, so it has no columns"),
        (CHARGES, "a.csv", b"\x00\x01\x02", "has no header row with column names"),
        (PLATE, "x", b"1", "its path /x does not match /plates/**/raw/*"),
        (PICTURE, "x", b"\x89PN", "does not begin with the bytes 89 50 4e 47"),
        (RUN, "x", b"<Run>", "is not an XML file with the root element <RunInfo>; found <Run>"),
        (RUN, "x", b"no", "is not an XML file with the root element <RunInfo>; it does not begin as XML does"),
        (RUN, "x", b"<!DOCTYPE RunInfo [<!ENTITY a 'b'>]><RunInfo/>",
         "is not an XML file with the root element <RunInfo>; it does not begin as XML does"),
        (READS, "a_R1.fastq.gz", b">r\nA\n", "does not begin as a FASTQ file does, with '@'"),
        (READS, "a_R1.fastq.gz", gzip.compress(b"\x00", mtime=0), "does not begin as a FASTQ file does, with '@'"),
        (UPLOAD, "a.tar", b"hello", "is not a .tar, .tar.gz or .zip archive"),
        (UPLOAD, "a.tar", gzip.compress(b"hello", mtime=0), "is not a .tar, .tar.gz or .zip archive"),
        (VARIANTS, "a.vcf.gz", gzip.compress(b"BCF\x02", mtime=0),
         "does not begin as a VCF file does, with ##fileformat=VCF"),
        (ALIGNED, "a.bam", b"BAM", "is not a BAM file: what is in its blocks does not begin with the letters BAM"),
        (SPECTRA, "a.mzML", b"<mzXML>", "is not an mzML file: it does not begin as XML with the root element <mzML>"),
        (SPECTRA, "a.mzML", gzip.compress(b"<mzXML>", mtime=0), "is not mzML: what is packed is another kind"),
        (SPECTRA, "a.mzML", b'<mzML><cvParam accession="IMS:1000080"/>',
         "is one half of an imzML pair, and not mzML alone"),
        (IMAGE, "a.imzML", b"<html>",
         "is not an imzML file: it does not begin as XML with the root element <mzML>"),
    ],
)  # fmt: skip
def test_why_a_type_does_not_fit_is_said(
    tmp_path: Path, type_: FileType, name: str, content: bytes, reason: str
) -> None:
    found = look(tmp_path, name, content, type_)
    assert found.type is None
    assert found.candidates == ()
    assert found.reasons == {type_.type: reason}
    assert found.explain() == f"{type_.type}: {reason}"


def test_the_order_decides_nothing_when_several_fit(tmp_path: Path) -> None:
    anything = type_of("anything", {"name": "*"})
    content = b"charge_id,amount\n"
    found = look(tmp_path, "a.csv", content, TRANSACTIONS, CHARGES, anything)
    assert (found.type, found.candidates, found.several) == (CHARGES, ("charges", "anything"), True)
    assert look(tmp_path, "a.csv", content, anything, CHARGES).type is CHARGES


def test_everything_that_is_said_must_hold(tmp_path: Path) -> None:
    strict = type_of("strict", {"name": "*.png", "path": "/in/*", "magic": "89504e47"})
    assert look(tmp_path, "a.png", b"\x89PNG", strict, path="in/a.png").type is strict
    assert look(tmp_path, "a.jpg", b"\x89PNG", strict, path="in/a.jpg").type is None
    assert look(tmp_path, "a.png", b"\x89PNG", strict, path="out/a.png").type is None
    assert look(tmp_path, "a.png", b"\x89JPG", strict, path="in/a.png").type is None


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "A.CSV", True),
        ("*.CSV", "a.csv", True),
        ("*.imzML", "x.IMZML", True),
        ("*.fastq.gz", "x.FASTQ.GZ", True),
        ("*.{csv,tsv}", "x.TSV", True),
        ("charges_*.csv", "Charges_1.csv", False),
        ("charges_*.csv", "charges_1.Csv", True),
        ("*.csv", "a.csv.gz", False),
        ("*.csv", "csv", False),
        ("plate_?.xml", "plate_10.xml", False),
        ("plate_[0-9].xml", "plate_1.xml", True),
        ("Kontrolle*", "Kontrolle Gießen", True),
    ],
)
def test_names_match_globs(glob: str, name: str, fits: bool) -> None:
    assert name_matches(glob, name) is fits


def test_a_type_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for bad in ({"name": "[x"}, {"path": "no/slash"}, {"magic": "PNG"}):
        with pytest.raises(Invalid):
            look(tmp_path, "x", b"x", type_of("bad", bad))


def test_a_file_that_cannot_be_read_fits_nothing_that_looks_into_it(tmp_path: Path) -> None:
    found = recognise("a.csv", "/a.csv", tmp_path / "gone", [CHARGES])
    assert found.reasons == {"charges": "the file cannot be read (No such file or directory)"}


@pytest.mark.parametrize("name", ["table", "imzml", "mzml", "fastq", "bam", "vcf", "archive", "any"])
def test_every_format_answers_to_its_name(name: str) -> None:
    assert format_named(name).name == name


@pytest.mark.parametrize("name", ["imzml", "mzml", "fastq", "bam", "vcf", "archive", "any"])
def test_a_missing_file_is_a_finding_in_every_format(tmp_path: Path, name: str) -> None:
    files = {"a.imzML": tmp_path / "gone", "a.ibd": tmp_path / "gone"}
    report = check(type_of("x", {"name": "*"}, format=name), files)
    assert set(report.counts) == {"file-unreadable"}
    assert not report.valid


def test_a_table_is_checked_against_its_schema(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    (tmp_path / "a").write_bytes(b"charge_id,amount\nC1,2\nC2,two\n")
    fields = [{"name": "charge_id", "type": "string"}, {"name": "amount", "type": "number"}]
    report = check(type_of("t", {"name": "*"}, format="table", table={"fields": fields}), {"a.csv": tmp_path / "a"})
    assert [(each.file, each.row, each.field) for each in report.findings] == [("a.csv", 3, "amount")]
    assert check(type_of("t", {"name": "*"}, format="table"), {"a.csv": tmp_path / "a"}).valid
    gone = check(type_of("t", {"name": "*"}, format="table", table={"fields": fields}), {"a.csv": tmp_path / "gone"})
    assert gone.counts == {"file-unreadable": 1}


def test_an_empty_file_of_any_kind_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    report = check(type_of("x", {"name": "*"}), {"a": tmp_path / "a"})
    assert report.valid
    assert [(each.code, each.severity) for each in report.findings] == [("file-empty", Severity.WARNING)]
    (tmp_path / "a").write_bytes(b"123")
    assert check(type_of("x", {"name": "*"}), {"a": tmp_path / "a"}).facts == {"bytes": 3}


def test_only_tables_load_polars() -> None:
    code = (
        "import sys, aliquot.formats.check as c, aliquot.formats.recognise;"
        "[c.format_named(n) for n in ('any', 'imzml', 'mzml', 'fastq', 'bam', 'vcf', 'archive')];"
        "print(sorted({'polars', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_real_files_are_recognised(shared_data: Path) -> None:
    charges = type_of("charges", {"name": "*.csv", "columns": ["charge_id", "charge_amount"]})
    transactions = type_of("transactions", {"name": "*.csv", "columns": ["transaction_id", "amount"]})
    types = [charges, transactions, READS, UPLOAD, IMAGE]
    counts: dict[str, int] = {}
    for folder in ("claims/good", "ebola/lanes", "metagenome", "imaging-ms", "imaging-ms/galaxyp"):
        for file in sorted((shared_data / folder).iterdir()):
            if file.is_file():
                found = recognise(file.name, f"/{folder}/{file.name}", file, types).type
                name = found.type if found else "none"
                assert found is None or name != "none"
                counts[name] = counts.get(name, 0) + 1
    assert (counts["reads"], counts["upload"], counts["image"]) == (8, 2, 3)
    assert counts["charges"] + counts["transactions"] == 70
