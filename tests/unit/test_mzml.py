"""mzML: counts, arrays, index and checksum."""

import gzip
import re
from pathlib import Path

import pytest

from aliquot.formats.mzml import check_mzml
from aliquot.model.finding import Report
from lab_files import mzml


def report_on(folder: Path, content: bytes) -> Report:
    path = folder / "x.mzML"
    path.write_bytes(content)
    return check_mzml(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
def test_good_files(tmp_path: Path, packed: bool, indexed: bool) -> None:
    content = mzml(packed=packed, indexed=indexed)
    for given in (content, gzip.compress(content)):
        report = report_on(tmp_path, given)
        assert report.findings == ()
        assert report.facts == {
            "spectra": 3, "chromatograms": 0, "ms_levels": {"1": 2, "2": 1}, "indexed": indexed,
            "checksum": "sha1" if indexed else None,
        }  # fmt: skip


def test_checksums_of_files_of_many_pieces(tmp_path: Path) -> None:
    for points in (70_000, 80_001):
        content = mzml(5, points)
        assert len(content) > 4 * 2**20
        report = report_on(tmp_path, content)
        assert (report.findings, report.facts["checksum"]) == ((), "sha1")


PLAIN = mzml(indexed=False)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'count="3"', b'count="4"', "count-differs"),
        (b'index="1"', b'index="2"', "numbering-broken"),
        (b'defaultArrayLength="10"', b'defaultArrayLength="11"', "array-length"),
        (b'defaultArrayLength="10"', b'defaultArrayLength="9"', "array-length"),
        (b'defaultArrayLength="10"', b"", "array-length-missing"),
        (b"MS:1000515", b"MS:1000514", "arrays-missing"),
        (b'encodedLength="', b'encodedLength="1', "array-damaged"),
        (b"<binary>eJ", b"<binary>aJ", "array-damaged"),
        (b"<binary>eJ", b"<binary>?J", "array-damaged"),
        (b"</spectrum>", b'<referenceableParamGroupRef ref="x"/></spectrum>', "group-missing"),
        (b"<mzML", b"<mzXML", "mzml-root"),
    ],
)
def test_bad_files(tmp_path: Path, old: bytes, new: bytes, code: str) -> None:
    assert old in PLAIN
    content = PLAIN.replace(old, new, 1).replace(b"</mzML>", b"</mzXML>" if b"mzXML" in new else b"</mzML>")
    report = report_on(tmp_path, content)
    assert set(report.counts) == {code}
    assert not report.valid


def test_a_cut_file(tmp_path: Path) -> None:
    report = report_on(tmp_path, mzml()[:2000])
    assert set(report.counts) == {"xml-malformed"}
    assert "cut off" in report.findings[0].text


def test_changed_line_ends_break_the_index_and_the_checksum(tmp_path: Path) -> None:
    report = report_on(tmp_path, mzml().replace(b"\n", b"\r\n"))
    assert report.counts == {"index-differs": 2, "checksum-mismatch": 1}


def test_a_changed_value_breaks_the_checksum(tmp_path: Path) -> None:
    report = report_on(tmp_path, mzml().replace(b'MS:1000511" value="2"', b'MS:1000511" value="3"'))
    assert report.counts == {"checksum-mismatch": 1}


def test_an_index_that_lacks_a_spectrum(tmp_path: Path) -> None:
    content = re.sub(rb'<offset idRef="scan=2">[0-9]+</offset>', b"", mzml())
    assert report_on(tmp_path, content).counts == {"index-differs": 1, "checksum-mismatch": 1}


def test_groups_of_terms_describe_arrays(tmp_path: Path) -> None:
    term = b'<cvParam accession="MS:1000514"/>'
    group = b'<referenceableParamGroup id="g">' + term + b"</referenceableParamGroup>"
    content = PLAIN.replace(term, b'<referenceableParamGroupRef ref="g"/>').replace(b"<run", group + b"<run")
    assert report_on(tmp_path, content).findings == ()


def test_a_packed_array_is_not_unpacked_beyond_its_length(tmp_path: Path) -> None:
    content = mzml(1, 200_000, indexed=False).replace(b'defaultArrayLength="200000"', b'defaultArrayLength="1"')
    report = report_on(tmp_path, content)
    assert report.counts == {"array-length": 2}
    assert "has more" in report.findings[0].text


def test_nothing_in_it(tmp_path: Path) -> None:
    assert report_on(tmp_path, b"<mzML/>").counts == {"spectra-missing": 1}
    assert report_on(tmp_path, b"").counts == {"xml-malformed": 1}
