"""The check of imaging pairs: every fault that a copy, an export or an attacker can make has its case."""

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliquot.formats.imzml import Imzml, check_imzml
from aliquot.model.finding import Report, Severity

IDENTITY = UUID("554a27fa-79d2-4766-9a2c-862e6d78b1f3")
POINTS = 5


def term(accession: str, value: object = "") -> str:
    return f'<cvParam cvRef="X" accession="{accession}" name="x" value="{value}"/>'


@dataclass
class Pair:
    """A pair of 2 by 2 pixels that is right, until a test changes a part of it."""

    mode: str = "continuous"
    uuid: str | None = IDENTITY.hex
    checksums: dict[str, str] | None = None
    declared: int | None = None
    grid: dict[str, object] = field(default_factory=lambda: {"IMS:1000042": 2, "IMS:1000043": 2})
    positions: list[tuple[object, ...]] = field(default_factory=lambda: [(1, 1), (2, 1), (1, 2), (2, 2)])
    type_term: str = "MS:1000521"
    compression: str = "MS:1000576"
    prolog: str = '<?xml version="1.0" encoding="ISO-8859-1"?>'
    root: str = "mzML"
    group: str = "mz"
    modes: list[str] | None = None

    def __post_init__(self) -> None:
        width = 8 if self.type_term == "MS:1000523" else 4
        code = "d" if width == 8 else "f"
        mz = struct.pack(f"<{POINTS}{code}", *(100.5 + i for i in range(POINTS)))
        ibd = IDENTITY.bytes
        self.arrays: list[list[dict[str, object]]] = []
        shared = len(ibd)
        if self.mode == "continuous":
            ibd += mz
        for number in range(len(self.positions)):
            at = shared
            if self.mode == "processed":
                at, ibd = len(ibd), ibd + mz
            both = [{"offset": at, "length": POINTS, "encoded": len(mz)}]
            both.append({"offset": len(ibd), "length": POINTS, "encoded": len(mz)})
            ibd += struct.pack(f"<{POINTS}{code}", *(float(number + i) for i in range(POINTS)))
            self.arrays.append(both)
        self.ibd = ibd

    def xml(self) -> str:
        accessions = {"md5": "IMS:1000090", "sha1": "IMS:1000091", "sha256": "IMS:1000092"}
        sums = {"sha1": hashlib.sha1(self.ibd).hexdigest()} if self.checksums is None else self.checksums
        modes = {"continuous": "IMS:1000030", "processed": "IMS:1000031"}
        content = [term(modes[mode]) for mode in ([self.mode] if self.modes is None else self.modes)]
        content += [term(accessions[kind], value) for kind, value in sums.items()]
        content += [term("IMS:1000080", self.uuid)] if self.uuid is not None else []
        groups = "".join(
            f'<referenceableParamGroup id="{name}">{term(kind)}{term(self.compression)}{term(self.type_term)}'
            "</referenceableParamGroup>"
            for name, kind in (("mz", "MS:1000514"), ("intensity", "MS:1000515"))
        )
        spectra = "".join(map(self._spectrum, self.positions, self.arrays))
        count = len(self.positions) if self.declared is None else self.declared
        return (
            f'{self.prolog}<{self.root} xmlns="http://psi.hupo.org/ms/mzml"><fileDescription><fileContent>'
            f"{''.join(content)}</fileContent><contact>{term('MS:1000590', 'Gießen')}</contact></fileDescription>"
            f"<referenceableParamGroupList>{groups}</referenceableParamGroupList><scanSettingsList><scanSettings>"
            f"{''.join(term(*each) for each in self.grid.items())}</scanSettings></scanSettingsList>"
            f'<run><spectrumList count="{count}">{spectra}</spectrumList></run></{self.root}>'
        )

    def _spectrum(self, position: tuple[object, ...], arrays: list[dict[str, object]]) -> str:
        places = {"offset": "IMS:1000102", "length": "IMS:1000103", "encoded": "IMS:1000104"}
        binaries = "".join(
            f'<binaryDataArray encodedLength="0"><referenceableParamGroupRef ref="{group}"/>'
            f"{''.join(term(places[name], value) for name, value in array.items())}<binary/></binaryDataArray>"
            for group, array in zip((self.group, "intensity"), arrays, strict=False)
        )
        x, y, *z = position
        place = term("IMS:1000050", x) + term("IMS:1000051", y) + "".join(term("IMS:1000052", each) for each in z)
        return (
            f'<spectrum id="s"><scanList><scan>{place}</scan></scanList>'
            f"<binaryDataArrayList>{binaries}</binaryDataArrayList></spectrum>"
        )

    def check(self, folder: Path, encoding: str = "iso-8859-1") -> Report:
        (folder / "a").write_text(self.xml(), encoding=encoding)
        (folder / "b").write_bytes(self.ibd)
        return check_imzml({"Brain 1.imzML": folder / "a", "Brain 1.ibd": folder / "b"})


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("mode", ["continuous", "processed"])
@pytest.mark.parametrize("type_term", ["MS:1000521", "MS:1000523"])
def test_a_good_pair_passes(tmp_path: Path, mode: str, type_term: str) -> None:
    report = Pair(mode, type_term=type_term).check(tmp_path)
    assert report.findings == ()
    assert report.facts == {
        "uuid": IDENTITY.hex, "mode": mode, "checksum": "sha1", "spectra": 4, "pixels": 4, "width": 2, "height": 2,
        "mz_min": 100.5, "mz_max": 104.5,
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    pair = Pair(prolog=f'<?xml version="1.0" encoding="{encoding}"?>')
    assert pair.check(tmp_path, encoding).findings == ()


@pytest.mark.parametrize("shown", [str(IDENTITY), "{" + str(IDENTITY).upper() + "}"])
def test_an_identifier_may_be_written_in_any_way(tmp_path: Path, shown: str) -> None:
    assert Pair(uuid=shown).check(tmp_path).findings == ()


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_each_kind_of_checksum_is_compared(tmp_path: Path, kind: str) -> None:
    pair = Pair()
    pair.checksums = {kind: hashlib.new(kind, pair.ibd).hexdigest().upper()}
    report = pair.check(tmp_path)
    assert report.findings == ()
    assert report.facts["checksum"] == kind
    pair.ibd = pair.ibd[:-1] + b"\xff"
    assert codes(pair.check(tmp_path)) == ["checksum-mismatch"]


def test_a_pair_without_a_checksum_passes_with_a_warning(tmp_path: Path) -> None:
    report = Pair(checksums={}).check(tmp_path)
    assert report.valid
    assert codes(report) == ["checksum-missing"]


def test_a_stale_second_checksum_is_a_warning(tmp_path: Path) -> None:
    pair = Pair()
    pair.checksums = {"md5": "0" * 32, "sha1": hashlib.sha1(pair.ibd).hexdigest()}
    report = pair.check(tmp_path)
    assert report.valid
    assert codes(report) == ["checksum-stale"]


def test_a_right_weak_checksum_does_not_save_a_wrong_strong_one(tmp_path: Path) -> None:
    pair = Pair()
    pair.checksums = {"md5": hashlib.md5(pair.ibd).hexdigest(), "sha1": "0" * 40}
    assert codes(pair.check(tmp_path)) == ["checksum-mismatch"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_shortened_ibd_is_named_with_its_missing_bytes(tmp_path: Path, declared: bool) -> None:
    pair = Pair()
    pair.checksums = {"sha1": hashlib.sha1(pair.ibd).hexdigest()} if declared else {}
    pair.ibd = pair.ibd[:-12]
    found = pair.check(tmp_path).findings[0]
    assert found.code == "ibd-too-short"
    assert found.file == "Brain 1.ibd"
    assert found.text.startswith("The .ibd file is 12 bytes shorter than the .imzML says: it was probably cut off")


@pytest.mark.parametrize("left", [0, 7])
def test_an_ibd_without_even_its_identifier_is_too_short(tmp_path: Path, left: int) -> None:
    pair = Pair()
    pair.ibd = pair.ibd[:left]
    assert "ibd-too-short" in codes(pair.check(tmp_path))


def test_bytes_that_belong_to_nothing_are_a_warning(tmp_path: Path) -> None:
    pair = Pair(checksums={})
    pair.ibd += b"123"
    report = pair.check(tmp_path)
    assert report.valid
    assert "ibd-unused-bytes" in codes(report)


def test_halves_of_two_measurements_do_not_belong_together(tmp_path: Path) -> None:
    pair = Pair()
    pair.ibd = bytes(16) + pair.ibd[16:]
    assert codes(pair.check(tmp_path)) == ["uuid-mismatch"]


def test_the_windows_byte_order_of_an_identifier_is_a_warning(tmp_path: Path) -> None:
    pair = Pair()
    pair.ibd = IDENTITY.bytes_le + pair.ibd[16:]
    report = pair.check(tmp_path)
    assert report.valid
    assert codes(report) == ["uuid-byte-order"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"uuid": None}, "uuid-missing"),
        ({"uuid": "not-a-uuid"}, "uuid-malformed"),
        ({"modes": []}, "mode-unclear"),
        ({"modes": ["continuous", "processed"]}, "mode-unclear"),
        ({"declared": 5}, "spectrum-count"),
        ({"declared": 3}, "spectrum-count"),
        ({"positions": []}, "spectra-missing"),
        ({"positions": [(1, 1), (1, 1)]}, "position-twice"),
        ({"positions": [(1, 1), (3, 1)]}, "position-outside"),
        ({"positions": [(1, 0)]}, "position-outside"),
        ({"positions": [(-1, 1)]}, "position-outside"),
        ({"positions": [("left", 1)]}, "position-missing"),
        ({"positions": [("9" * 5000, 1)]}, "position-missing"),
        ({"type_term": "MS:0"}, "data-type-missing"),
        ({"group": "gone"}, "group-missing"),
        ({"group": "intensity"}, "arrays-missing"),
        ({"root": "html"}, "imzml-root"),
        ({"prolog": '<!DOCTYPE mzML SYSTEM "file:///etc/passwd">'}, "xml-refused"),
        ({"prolog": '<!DOCTYPE mzML [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'}, "xml-refused"),
        ({"prolog": "<wrong>"}, "imzml-root"),
        ({"prolog": "no xml at all"}, "xml-malformed"),
        ({"prolog": '<?xml version="1.0" encoding="klingon"?>'}, "xml-malformed"),
        ({"prolog": f"<!--{'x' * 2**24}{'y' * 2**22}-->"}, "xml-refused"),
    ],
)
def test_a_fault_in_the_xml_is_found(tmp_path: Path, change: dict[str, object], code: str) -> None:
    report = Pair(**change).check(tmp_path)  # type: ignore[arg-type]
    assert not report.valid
    assert code in codes(report)


@pytest.mark.parametrize(
    ("which", "change", "code"),
    [
        (0, {"offset": 4}, "array-outside"),
        (0, {"offset": -4}, "array-place-missing"),
        (0, {"offset": "here"}, "array-place-missing"),
        (0, {"offset": 10**15}, "array-outside"),
        (1, {"encoded": POINTS * 4 - 1}, "array-length"),
        (1, {"length": POINTS - 1}, "arrays-differ"),
        (1, {"length": 10**12, "encoded": 4 * 10**12}, "array-outside"),
        (0, {"offset": 20}, "mz-not-shared"),
    ],
)
def test_a_misplaced_array_is_found(tmp_path: Path, which: int, change: dict[str, object], code: str) -> None:
    pair = Pair()
    pair.arrays[2][which] |= change
    report = pair.check(tmp_path)
    assert code in codes(report)
    text = next(finding.text for finding in report.findings if finding.code == code)
    assert text.startswith("Spectrum 3 (pixel x 1, y 2)")


def test_a_missing_array_is_found(tmp_path: Path) -> None:
    pair = Pair()
    pair.arrays[0].pop()
    assert codes(pair.check(tmp_path)) == ["arrays-missing"]


def test_an_array_that_lies_nowhere_is_found(tmp_path: Path) -> None:
    pair = Pair()
    del pair.arrays[0][1]["offset"]
    assert "array-place-missing" in codes(pair.check(tmp_path))


def test_an_encoded_length_may_be_left_out(tmp_path: Path) -> None:
    pair = Pair()
    for arrays in pair.arrays:
        del arrays[1]["encoded"]
    assert pair.check(tmp_path).findings == ()


def test_compressed_arrays_may_be_of_any_encoded_length(tmp_path: Path) -> None:
    pair = Pair("processed", compression="MS:1000574")
    pair.arrays[0][1]["encoded"] = 7
    report = pair.check(tmp_path)
    assert report.findings == ()
    assert "mz_min" not in report.facts


def test_a_count_that_a_cut_out_region_left_behind_is_a_warning(tmp_path: Path) -> None:
    area = {"IMS:1000042": 2, "IMS:1000043": 2, "IMS:1000044": 700, "IMS:1000045": 500, "IMS:1000046": 100,
            "IMS:1000047": 100}  # fmt: skip
    report = Pair(grid=area, positions=[(1, 1), (7, 5)]).check(tmp_path)
    assert report.valid
    assert codes(report) == ["grid-count"]
    assert (report.facts["width"], report.facts["height"], report.facts["pixels"]) == (7, 5, 2)
    assert codes(Pair(grid=area, positions=[(1, 1), (8, 5)]).check(tmp_path)) == ["position-outside"]


def test_pixels_of_several_layers_are_not_the_same(tmp_path: Path) -> None:
    report = Pair(positions=[(1, 1, 1), (1, 1, 2), (2, 1, 1)]).check(tmp_path)
    assert report.findings == ()
    assert report.facts["pixels"] == 3
    assert codes(Pair(positions=[(1, 1, 2), (1, 1, 2)]).check(tmp_path)) == ["position-twice"]


def test_an_image_of_unknown_size_is_a_warning(tmp_path: Path) -> None:
    report = Pair(grid={"IMS:1000042": "many"}).check(tmp_path)
    assert report.valid
    assert codes(report) == ["grid-missing"]


def test_a_thousand_faults_are_counted_and_a_few_are_shown(tmp_path: Path) -> None:
    report = Pair(positions=[(1, 1)] * 1001).check(tmp_path)
    assert report.counts == {"position-twice": 1000}
    assert len(report.findings) == 20


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_cut_off_xml_is_found(tmp_path: Path, share: float) -> None:
    pair = Pair()
    text = pair.xml()
    (tmp_path / "a").write_text(text[: int(len(text) * share)], encoding="iso-8859-1")
    (tmp_path / "b").write_bytes(pair.ibd)
    report = check_imzml({"a.imzML": tmp_path / "a", "a.ibd": tmp_path / "b"})
    assert [(each.code, each.file) for each in report.findings] == [("xml-malformed", "a.imzML")]
    assert "cut off" in report.findings[0].text


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("<mzML>" + "<a>" * 100_000)
    (tmp_path / "b").write_bytes(b"x" * 16)
    assert codes(check_imzml({"a.imzML": tmp_path / "a", "a.ibd": tmp_path / "b"})) == ["xml-refused"]


def test_halves_that_are_missing_are_named(tmp_path: Path) -> None:
    assert codes(check_imzml({})) == ["imzml-missing", "ibd-missing"]
    assert codes(check_imzml({"a.imzML": tmp_path / "a"})) == ["ibd-missing"]
    assert codes(check_imzml({"a.ibd": tmp_path / "a"})) == ["imzml-missing"]
    assert "pair-ambiguous" in codes(check_imzml({f"{n}.ibd": tmp_path for n in "ab"} | {"a.imzML": tmp_path}))
    assert codes(check_imzml({"a.imzML": tmp_path / "gone", "a.ibd": tmp_path / "gone"})) == ["file-unreadable"]


def test_halves_are_told_apart_by_content_when_their_names_do_not_say(tmp_path: Path) -> None:
    pair = Pair()
    (tmp_path / "a").write_text(pair.xml(), encoding="iso-8859-1")
    (tmp_path / "b").write_bytes(pair.ibd)
    report = Imzml().check({"one": tmp_path / "b", "two": tmp_path / "a"}, {})
    assert report.findings == ()
    assert report.facts["pixels"] == 4


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_no_changed_byte_of_the_xml_raises(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int) -> None:
    folder = tmp_path_factory.mktemp("pair")
    pair = Pair()
    text = bytearray(pair.xml().encode("iso-8859-1"))
    text[at % len(text)] = byte
    (folder / "a").write_bytes(text)
    (folder / "b").write_bytes(pair.ibd)
    report = check_imzml({"a.imzML": folder / "a", "a.ibd": folder / "b"})
    assert sum(report.counts.values()) >= len(report.findings)


@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_every_changed_byte_of_the_ibd_is_found(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    folder = tmp_path_factory.mktemp("pair")
    pair = Pair()
    pair.checksums = {"sha1": hashlib.sha1(pair.ibd).hexdigest()}
    changed = bytearray(pair.ibd)
    changed[at % len(changed)] ^= change
    pair.ibd = bytes(changed)
    assert not pair.check(folder).valid


@pytest.mark.parametrize(
    ("name", "mode", "spectra", "size", "warnings"),
    [
        ("Example_Continuous", "continuous", 9, (3, 3), []),
        ("Example_Processed", "processed", 9, (3, 3), []),
        ("galaxyp/Combat_40pixel", "continuous", 40, (74, 56), ["grid-count", "checksum-stale"]),
    ],
)
def test_real_images_pass(
    shared_data: Path, name: str, mode: str, spectra: int, size: tuple[int, int], warnings: list[str]
) -> None:
    stem = shared_data / "imaging-ms" / name
    report = check_imzml({f"x.{kind}": stem.parent / f"{stem.name}.{kind}" for kind in ("imzML", "ibd")})
    assert report.valid
    assert codes(report) == warnings
    assert all(finding.severity is Severity.WARNING for finding in report.findings)
    facts = report.facts
    assert (facts["mode"], facts["spectra"], facts["pixels"]) == (mode, spectra, spectra)
    assert (facts["width"], facts["height"]) == size
    if spectra == 9:
        assert facts["mz_min"] == pytest.approx(100.083, abs=1e-3)
        assert facts["mz_max"] == pytest.approx(799.917, abs=1e-3)
