"""BAM and VCF, and the blocks in which they are packed."""

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliquot.formats.bam import check_bam
from aliquot.formats.check import check
from aliquot.formats.collected import Collected
from aliquot.formats.vcf import _take, check_vcf
from aliquot.formats.vcf_records import Variants
from aliquot.model.file_type import FileType
from aliquot.model.finding import Report
from lab_files import BGZF_END, VCF_HEAD, bam_content, bam_record, bgzf, bgzf_block, vcf

GOOD = [bam_record("a"), bam_record("b", position=999), bam_record("c", reference=1), bam_record("d", reference=-1, position=-1, flag=4)]  # noqa: E501  # fmt: skip


def bam(folder: Path, content: bytes, *, packed: bool = True) -> Report:
    path = folder / "x.bam"
    path.write_bytes(bgzf(content, 100) if packed else content)
    return check_bam(path)


def codes(report: Report) -> dict[str, int]:
    return report.counts


def test_a_good_bam(tmp_path: Path) -> None:
    report = bam(tmp_path, bam_content(GOOD))
    assert report.findings == ()
    assert report.facts == {
        "records": 4, "unmapped": 1, "references": 2, "sort_order": "coordinate", "samples": ["S1"],
    }  # fmt: skip


def test_blocks_may_be_of_any_size_and_hold_other_fields(tmp_path: Path) -> None:
    content = bam_content(GOOD * 500, text="@HD\tVN:1.6\n")
    for size in (1, 7, 60_000):
        path = tmp_path / "x.bam"
        path.write_bytes(bgzf(content, size))
        assert check_bam(path).facts["records"] == 2000
    path.write_bytes(bgzf_block(content[:50], b"AA\x03\x00xyz") + bgzf_block(b"") + bgzf(content[50:]))
    assert check_bam(path).valid


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([bam_record(reference=2)], {"reference-unknown": 1}),
        ([bam_record(mate=7)], {"reference-unknown": 1}),
        ([bam_record(position=1000)], {"position-outside": 1}),
        ([bam_record(position=5), bam_record(position=4)], {"order-broken": 1}),
        ([bam_record(reference=-1, position=-1), bam_record()], {"order-broken": 1}),
        ([struct.pack("<i", 32) + bam_record()[4:]], {"read-malformed": 1}),
        ([bam_record("ab")[:38] + b"x" + bam_record("ab")[39:]], {"read-malformed": 1}),
        ([bam_record(), bam_record()[:-3]], {"bam-truncated": 1}),
        ([bam_record(), bam_record()[:10]], {"bam-truncated": 1}),
    ],
)
def test_bad_reads(tmp_path: Path, records: list[bytes], expected: dict[str, int]) -> None:
    assert codes(bam(tmp_path, bam_content(records))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@SQ\tSN:chr1\tLN:1000\n", {"references-differ": 1}),
        ("@SQ\tSN:chr1\tLN:1000\n@SQ\tSN:chr2\tLN:501\n", {"references-differ": 1}),
        ("@SQ\tSN:chr1\tLN:1000\n@SQ\tSN:chr2\tLN:500\n@SQ\tSN:chr1\tLN:1000\n", {"header-doubled": 1}),
        ("@SQ\tSN:chr1\n@SQ\tSN:chr2\tLN:500\n", {"header-malformed": 1, "references-differ": 1}),
        ("@RG\tSM:x\n", {"header-malformed": 1}),
        ("@RG\tID:x\n@RG\tID:x\n", {"header-doubled": 1}),
        ("@CO\tanything: at all\n@HD\tVN:1.6\n", {"header-malformed": 1}),
        ("@HD\tVN:1.6\tSO:by-hand\n", {"header-malformed": 1}),
        ("hello\n", {"header-malformed": 1}),
        ("", {}),
    ],
)
def test_bad_headers(tmp_path: Path, text: str, expected: dict[str, int]) -> None:
    assert codes(bam(tmp_path, bam_content(text=text))) == expected


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file-empty"),
        (b"hello", "bam-malformed"),
        (gzip.compress(bam_content(GOOD)), "bam-malformed"),
        (bgzf(b"SAM\x01"), "bam-malformed"),
        (bgzf(b""), "bam-truncated"),
        (bgzf(bam_content(GOOD)[:30]), "bam-truncated"),
        (bgzf(b"BAM\x01" + struct.pack("<i", -5)), "bam-malformed"),
        (bgzf(b"BAM\x01" + struct.pack("<i", 2**31 - 1)), "bam-malformed"),
        (bgzf(bam_content(GOOD))[:-28], "bgzf-end-missing"),
        (bgzf(bam_content(GOOD))[:-30], "bgzf-truncated"),
        (bgzf(bam_content(GOOD)) + b"more", "bgzf-truncated"),
        (bgzf(bam_content(GOOD)) + b"more than a header has", "bgzf-damaged"),
        (bgzf(bam_content(GOOD)) + bgzf(b""), None),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, code: str | None) -> None:
    report = bam(tmp_path, content, packed=False)
    assert codes(report) == ({code: 1} if code else {})


def test_every_changed_byte_of_a_block_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.bam"
    whole = bgzf(bam_content(GOOD))
    # Bytes 4 to 10 of a gzip header (time, system) mean nothing, and what is before the checksum is data.
    for at in [*range(4), *range(10, len(whole) - len(BGZF_END))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not check_bam(path).valid, at


LINE = "chr1 100 rs1 A C 50 PASS DP=10 GT:DP 0/1:5 1|1:."


def variants(folder: Path, content: bytes) -> Report:
    path = folder / "x.vcf"
    path.write_bytes(content)
    return check_vcf(path)


def test_a_good_vcf_plain_gzip_and_bgzf(tmp_path: Path) -> None:
    content = vcf(
        LINE, "chr1 200 . AT A,<DEL>,* . q10 . GT ./. 0/3", "chr2 5 . N ]chr1:7]N 1e-3 . DP=1 DP:GT 1:. .",
    ).replace(b"DP:GT", b"GT:DP").replace(b"1:.\t.", b".:1\t.")  # fmt: skip
    facts = {"version": "4.3", "records": 3, "samples": 2, "contigs": 2, "sorted": True}
    for packed, name in ((content, None), (bgzf(content, 50), "bgzf"), (content.replace(b"\n", b"\r\n"), None)):
        report = variants(tmp_path, packed)
        assert report.findings == ()
        assert report.facts == {**facts, "compressed": name}
    report = variants(tmp_path, gzip.compress(content[:99]) + gzip.compress(content[99:]))
    assert report.valid
    assert codes(report) == {"not-bgzf": 1}
    assert report.facts["records"] == 3


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("chr1 100 . A C 50 PASS .", "columns-differ"),
        ("chr1 100 . A C 50 PASS . GT 0/1 0/1 0/1", "columns-differ"),
        ("chr1 x . A C 50 PASS . GT 0/1 0/1", "position-malformed"),
        ("chr1 -1 . A C 50 PASS . GT 0/1 0/1", "position-malformed"),
        ("chr1 1002 . A C 50 PASS . GT 0/1 0/1", "position-outside"),
        ("chr1 1 . X C 50 PASS . GT 0/1 0/1", "ref-malformed"),
        ("chr1 1 . A Q 50 PASS . GT 0/1 0/1", "alt-malformed"),
        ("chr1 1 . A C,,G 50 PASS . GT 0/1 0/1", "alt-malformed"),
        ("chr1 1 . A C high PASS . GT 0/1 0/1", "qual-malformed"),
        ("chr1 1 . A C 5 PASS . GT:GT 0/1 0/1", "format-malformed"),
        ("chr1 1 . A C 5 PASS . DP:GT 1:0/1 1:0/1", "format-malformed"),
        ("chr1 1 . A C 5 PASS . GT 0/1:7 0/1", "sample-malformed"),
        ("chr1 1 . A C 5 PASS . GT 0/2 0/1", "genotype-malformed"),
        ("chr1 1 . A C 5 PASS . GT 0/1 AC", "genotype-malformed"),
        ("", "blank-line"),
        ("##late=1", "header-malformed"),
    ],
)
def test_bad_variants(tmp_path: Path, line: str, code: str) -> None:
    report = variants(tmp_path, vcf("chr1 1 . A C 5 PASS . GT 0/1 0/1", line))
    assert codes(report) == {code: 1}
    assert report.findings[0].row == VCF_HEAD.count("\n") + 2


def test_what_only_makes_work_is_a_warning(tmp_path: Path) -> None:
    report = variants(
        tmp_path,
        vcf("chr1 9 . A C 5 low AF=1;X GT:Q 0/1 0/1", "chr1 8 . A C 5 low AF=1 GT 0/1 0/1",
            "chr3 1 . A C 5 . . GT 0 0", LINE)[:-1],
    )  # fmt: skip
    assert report.valid
    assert codes(report) == {"not-declared": 5, "not-sorted": 1, "last-line-open": 1}
    assert report.facts["sorted"] is False


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {"file-empty": 1}),
        (b"chr1\t1\t.\tA\tC\t.\t.\t.\n", {"header-missing": 1}),
        (b"##fileformat=VCFv4.3\n##a=1\n", {"header-missing": 1}),
        (vcf(LINE, head=VCF_HEAD.replace("VCFv4.3", "BCF")), {"version-missing": 1}),
        (vcf(head=VCF_HEAD.replace("S2", "S1")), {"sample-doubled": 1}),
        (vcf(head=VCF_HEAD.replace("REF\tALT", "ALT\tREF")), {"columns-wrong": 1}),
        (vcf(head=VCF_HEAD.replace("ID=chr2", "ID=chr1")), {"header-doubled": 1}),
        (vcf(head=VCF_HEAD.replace("ID=chr2", "length=5")), {"header-malformed": 1}),
        (vcf(head=VCF_HEAD.replace('Type=Integer,Description="x"', "Type=Flag")), {"header-malformed": 1}),
        (vcf(head=VCF_HEAD.replace("##contig=<ID=chr2>", "##???")), {"header-malformed": 1}),
        (bgzf(vcf(LINE))[:-28], {"bgzf-end-missing": 1}),
        (gzip.compress(vcf(LINE))[:-9], {"gzip-truncated": 1, "not-bgzf": 1}),
    ],
)
def test_bad_vcf_files(tmp_path: Path, content: bytes, expected: dict[str, int]) -> None:
    assert codes(variants(tmp_path, content)) == expected


RECORD = st.tuples(
    st.sampled_from(["chr1", "chr1", "chr2", "#x"]), st.integers(0, 1005), st.sampled_from(["A", "AT", "x"]),
    st.sampled_from(["C", "C,G", "<DEL>", "?"]), st.sampled_from([".", "5", "1e3", "five"]),
    st.sampled_from(["PASS", ".", "q10", "low;q10"]), st.sampled_from([".", "DP=1", "DP=1;X=2"]),
    st.sampled_from(["GT", "GT:DP", "DP", "GT:GT"]), st.sampled_from(["0/1", "0|2:5", "5", "./.:1:2", "ab"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORD, max_size=12), ordered=st.booleans(), again=st.sampled_from([1, 1, 300]))
def test_thousands_at_once_say_what_single_lines_do(
    tmp_path: Path, records: list[tuple[object, ...]], ordered: bool, again: int
) -> None:
    if ordered:
        records.sort(key=lambda record: (str(record[0]), int(str(record[1]))))
    lines = ["{} {} . {} {} {} {} {} {} {} 0/0".format(*record) for record in records for _ in range(again)]
    together = variants(tmp_path, vcf(*lines))
    singly = Variants(Collected("x.vcf"))
    for line in vcf(*lines).splitlines():
        _take(line, singly)
    assert together.counts == singly.found.report().counts
    assert together.findings == singly.found.report().findings
    assert together.facts["records"] == singly.records
    assert together.facts["sorted"] is not singly.unsorted


@pytest.mark.parametrize(
    ("good", "bad", "code"),
    [
        ("10/11:5 0|12:7", "10/13:5 0/1:7", "genotype-malformed"),
        ("0:123 1/2/3:5", "0:123 1/2/3:5:6", "sample-malformed"),
        (".:. ./.", "./. 1//2", "genotype-malformed"),
    ],
)
def test_a_bad_value_among_thousands_of_good_ones_is_found(tmp_path: Path, good: str, bad: str, code: str) -> None:
    alleles = "C,G,T,CC,CG,CT,GC,GG,GT,TC,TG,TT"
    line = "chr1 {} . A {} {} PASS DP={};X=a:b:c:d GT:DP {}"
    lines = [line.format(at // 9, alleles, at / 8, at, good) for at in range(1, 9001)]
    report = variants(tmp_path, vcf(*lines))
    assert (report.valid, report.facts["records"]) == (True, 9000)
    lines[7000] = line.format(7000 // 9, alleles, 1, 2, bad)
    report = variants(tmp_path, vcf(*lines))
    assert (codes(report)[code], report.facts["records"]) == (1, 9000)
    assert next(each.row for each in report.findings if each.code == code) == VCF_HEAD.count("\n") + 7001


@pytest.mark.parametrize(("format_", "content"), [("bam", bgzf(bam_content(GOOD))), ("vcf", vcf(LINE))])
def test_file_types_name_them(tmp_path: Path, format_: str, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    kind = FileType.model_validate({"type": "t", "recognise": {"name": "*"}, "format": format_})
    assert check(kind, {"x": path}).valid
    path.unlink()
    assert codes(check(kind, {"x": path})) == {"file-unreadable": 1}
