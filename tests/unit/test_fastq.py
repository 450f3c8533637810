"""The check of sequencing reads, plain and gzip, against a plain reading of them and fault by fault."""

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliquot.formats.fastq import Fastq, check_fastq
from aliquot.formats.gzipped import BLOCK, blocks
from aliquot.model.errors import Invalid
from aliquot.model.finding import Report

Read = tuple[str, str]


def written(reads: list[Read], end: str = "\n", last: bool = True) -> bytes:
    lines = [line for number, (bases, scores) in enumerate(reads) for line in (f"@r{number}", bases, "+", scores)]
    return (end.join(lines) + (end if last and lines else "")).encode()


def many(count: int, length: int = 50) -> list[Read]:
    return [("ACGTN"[number % 5] * length, "I" * length) for number in range(count)]


def check(folder: Path, content: bytes) -> Report:
    (folder / "x").write_bytes(content)
    return check_fastq(folder / "x", "MV01_R1.fastq.gz")


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("packed", [False, True])
def test_a_good_file_passes_with_its_facts(tmp_path: Path, packed: bool) -> None:
    content = written([("ACGT", "IIII"), ("GG", "!~"), ("ACGTNN", "IIIIII")])
    report = check(tmp_path, gzip.compress(content) if packed else content)
    assert report.findings == ()
    assert report.facts == {
        "compressed": packed, "records": 3, "bases": 12, "min_length": 2, "max_length": 6, "gc": 0.5,
    }  # fmt: skip


def test_the_end_of_the_last_line_may_be_missing(tmp_path: Path) -> None:
    report = check(tmp_path, written(many(3), last=False))
    assert report.findings == ()
    assert report.facts["records"] == 3


@pytest.mark.parametrize("blank", [b"\n", b"\n\n\n", b"\n" * 4, b"\n" * 9])
def test_empty_lines_at_the_end_do_no_harm(tmp_path: Path, blank: bytes) -> None:
    report = check(tmp_path, written(many(2)) + blank)
    assert report.findings == ()
    assert report.facts["records"] == 2


@pytest.mark.parametrize("blank", [b"\n", b"\n\n\n", b"\n" * 4, b"\n" * 9])
def test_empty_lines_between_reads_are_found(tmp_path: Path, blank: bytes) -> None:
    report = check(tmp_path, written(many(2)) + blank + written(many(3)))
    assert [(each.code, each.row) for each in report.findings] == [("blank-line", 9)]
    assert "records" not in report.facts


def test_reads_of_no_length_are_reads(tmp_path: Path) -> None:
    report = check(tmp_path, written([("", ""), ("ACGT", "IIII"), ("", "")]))
    assert report.findings == ()
    assert (report.facts["records"], report.facts["min_length"]) == (3, 0)


def test_names_may_repeat_after_the_plus(tmp_path: Path) -> None:
    assert check(tmp_path, b"@r1\nACGT\n+r1\nIIII\n@r2\nACGT\n+r2\n@III\n").findings == ()


def test_windows_line_ends_are_a_warning(tmp_path: Path) -> None:
    for last in (True, False):
        report = check(tmp_path, written(many(3), end="\r\n", last=last))
        assert report.valid
        assert codes(report) == ["windows-line-ends"]
        assert report.facts["bases"] == 150


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        (b"", "file-empty", None),
        (b"\n\n", "file-empty", None),
        (gzip.compress(b"", mtime=0), "file-empty", None),
        (b">r1\nACGT\n", "record-start-missing", 1),
        (b"hello", "record-start-missing", 1),
        (written(many(2)) + b"r2\nACGT\n+\nIIII\n", "record-start-missing", 9),
        (b"@r1\nACGT\nACGT\nIIII\n", "record-plus-missing", 3),
        (b"@r1\nACGT\n\nIIII\n", "record-plus-missing", 3),
        (written(many(2)) + b"@r2\nACGT\n+\n", "record-incomplete", 9),
        (written(many(2)) + b"@r2\nAC", "record-incomplete", 9),
        (written(many(2)) + b"@r2", "record-incomplete", 9),
        (written([*many(2), ("ACGT", "II")], last=False), "record-incomplete", 9),
        (written([*many(2), ("ACGT", "II")]), "length-mismatch", 9),
        (written([("ACGT", "IIIII"), ("A", "I")]), "length-mismatch", 1),
        (written([("A", "I"), ("AC*T", "IIII")]), "base-unknown", 6),
        (written([("A", "I"), ("AC T", "IIII")]), "base-unknown", 6),
        (written([("A", "I"), ("ACGT", "II I")]), "quality-unknown", 8),
        (written([("ACGT", "IIII\x7f")]), "quality-unknown", 4),
        (b"\x1f\x8b", "gzip-truncated", None),
        (b"\x1f\x8bnonsense", "gzip-damaged", None),
    ],
)
def test_a_fault_is_found_with_its_line(tmp_path: Path, content: bytes, code: str, row: int | None) -> None:
    report = check(tmp_path, content)
    assert not report.valid
    assert (code, row) in [(each.code, each.row) for each in report.findings]
    assert all(each.file == "MV01_R1.fastq.gz" for each in report.findings)


def test_faults_that_leave_the_reads_countable_are_all_counted(tmp_path: Path) -> None:
    report = check(tmp_path, written([("ACGT", "III")] * 500 + [("ACXT", "IIII")] * 5))
    assert report.counts == {"length-mismatch": 500, "base-unknown": 5}
    assert len(report.findings) == 25
    assert report.facts["records"] == 505


def test_several_members_are_one_file(tmp_path: Path) -> None:
    parts = [gzip.compress(written(many(count))) for count in (3, 1, 7)]
    report = check(tmp_path, b"".join(parts) + bytes(600))
    assert report.findings == ()
    assert report.facts["records"] == 11


@pytest.mark.parametrize("left", [1, 8, 9, 30, 500])
def test_a_cut_off_gzip_is_found(tmp_path: Path, left: int) -> None:
    packed = gzip.compress(written(many(2000)))
    for whole in (b"", packed):
        report = check(tmp_path, whole + packed[:-left])
        assert codes(report) == ["gzip-truncated"]
        assert "records" not in report.facts
    assert "cut off" in report.findings[0].text


def test_a_wrong_checksum_is_found(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(written(many(100))))
    packed[-6] ^= 1
    assert codes(check(tmp_path, bytes(packed))) == ["gzip-damaged"]


@pytest.mark.parametrize("after", [b"x", b"\0\0x", b"rubbish" * 100_000, b"\x1f"])
def test_bytes_after_the_gzip_are_found(tmp_path: Path, after: bytes) -> None:
    assert codes(check(tmp_path, gzip.compress(written(many(100))) + after)) == ["gzip-trailing-bytes"]


def test_reads_over_the_borders_of_blocks_are_counted_once(tmp_path: Path) -> None:
    reads = many(60_000, 100)
    content = written(reads)
    assert len(content) > 2 * BLOCK
    for packed in (content, gzip.compress(content, 1)):
        report = check(tmp_path, packed)
        assert report.findings == ()
        assert (report.facts["records"], report.facts["bases"]) == (60_000, 6_000_000)


def test_a_fault_in_a_later_block_has_the_right_line(tmp_path: Path) -> None:
    reads = many(60_000, 100)
    reads[59_000] = ("ACGT", "III")
    reads[59_001] = ("AC_T", "IIII")
    report = check(tmp_path, written(reads))
    assert [(each.code, each.row) for each in report.findings] == [
        ("length-mismatch", 59_000 * 4 + 1),
        ("base-unknown", 59_001 * 4 + 2),
    ]


def test_reads_longer_than_a_block_are_reads(tmp_path: Path) -> None:
    size = 2 * BLOCK + 5
    report = check(tmp_path, gzip.compress(written([("A" * size, "I" * size), ("C", "I")]), 1))
    assert report.findings == ()
    assert (report.facts["records"], report.facts["max_length"]) == (2, size)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(1, wbits=31)
    content = packer.compress(b"@r\n") + b"".join(packer.compress(b"A" * 2**24) for _ in range(17)) + packer.flush()
    assert codes(check(tmp_path, content)) == ["line-too-long"]


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert codes(check_fastq(tmp_path / "gone")) == ["file-unreadable"]
    assert codes(check_fastq(tmp_path)) == ["file-unreadable"]


def test_several_files_keep_their_facts_by_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(written(many(2)))
    (tmp_path / "b").write_bytes(b"nothing")
    report = Fastq().check({"R1": tmp_path / "a", "R2": tmp_path / "b"}, {})
    assert [(each.code, each.file) for each in report.findings] == [("record-start-missing", "R2")]
    assert report.facts["R1"] == check_fastq(tmp_path / "a").facts


reads_in_any_form = st.lists(
    st.lists(st.tuples(st.sampled_from("ACGTNacgtn"), st.sampled_from("!I~@+")), max_size=12).map(
        lambda pairs: ("".join(base for base, _ in pairs), "".join(score for _, score in pairs))
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(reads=reads_in_any_form, end=st.sampled_from(["\n", "\r\n"]), packed=st.booleans())
def test_any_good_reads_are_counted_as_a_plain_reading_does(
    tmp_path_factory: pytest.TempPathFactory, reads: list[Read], end: str, packed: bool
) -> None:
    content = written(reads, end)
    report = check(tmp_path_factory.getbasetemp(), gzip.compress(content) if packed else content)
    assert report.valid
    lengths = [len(bases) for bases, _ in reads]
    strong = sum(bases.upper().count(base) for bases, _ in reads for base in "GC")
    assert report.facts == {
        "compressed": packed, "records": len(reads), "bases": sum(lengths), "min_length": min(lengths),
        "max_length": max(lengths), "gc": round(strong / sum(lengths), 4) if sum(lengths) else 0.0,
    }  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60), packed=st.booleans())
def test_no_content_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes, packed: bool) -> None:
    report = check(tmp_path_factory.getbasetemp(), gzip.compress(content) if packed else b"@" + content)
    assert isinstance(report.counts, dict)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_byte_of_packed_data_is_found(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    content = written(many(50))
    packed = bytearray(gzip.compress(content))
    packed[10 + at % (len(packed) - 10)] ^= change
    if check(tmp_path_factory.getbasetemp(), bytes(packed)).valid:
        # Deflate fills its last byte up with bits that mean nothing.
        assert gzip.decompress(packed) == content


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.binary(max_size=3000), max_size=5), zeros=st.integers(0, 40))
def test_members_unpack_to_what_was_packed(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], zeros: int
) -> None:
    place = tmp_path_factory.getbasetemp() / "members"
    place.write_bytes(b"".join(map(gzip.compress, parts)) + (bytes(zeros) if parts else b""))
    assert b"".join(blocks(place)) == b"".join(parts)


def test_blocks_stay_small_whatever_the_ratio(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(40 * 2**20)))
    assert max(map(len, blocks(tmp_path / "bomb"))) <= BLOCK
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(40 * 2**20))[:-4])
    with pytest.raises(Invalid, match="cut off"):
        list(blocks(tmp_path / "bomb"))


def test_real_lanes_pass(shared_data: Path) -> None:
    lanes = sorted((shared_data / "ebola" / "lanes").glob("*.fastq.gz"))
    reports = {lane.name: check_fastq(lane) for lane in lanes}
    assert len(reports) == 8
    assert all(report.findings == () for report in reports.values())
    first, second = ({n: r.facts["records"] for n, r in reports.items() if kind in n} for kind in ("_R1_", "_R2_"))
    assert list(first.values()) == list(second.values())
    assert sum(int(str(records)) for records in first.values()) == 9_348
    assert {report.facts["max_length"] for report in reports.values()} == {101}
