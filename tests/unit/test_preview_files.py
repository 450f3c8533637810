"""Previews of reads, runs, pictures, text, JSON and bytes."""

import base64
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aliquot.formats.preview import Made, kind_of_preview, make_preview
from aliquot.formats.preview_fastq import Sampling, keep_fastq
from aliquot.formats.preview_mzml import MassSpectrometryRun
from aliquot.model.errors import Invalid, Missing


def make(folder: Path, content: bytes | str, name: str = "file", kind: str | None = None) -> Made:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    kept = folder / f"kept-{name}"
    kept.mkdir()
    made = make_preview(kind or kind_of_preview(name, path.read_bytes()[:65536]), [path], kept)
    json.dumps(made.summary, allow_nan=False)
    return made


def codes(made: Made) -> list[str]:
    return [finding["code"] for finding in made.summary["findings"]]


# --- reads -----------------------------------------------------------------------------------------------------------


def reads(*scores: str) -> str:
    return "".join(f"@r\n{'ACGT' * 5:.{len(each)}}\n+\n{each}\n" for each in scores)


@pytest.mark.parametrize("packed", [False, True])
def test_qualities_are_counted_by_position(tmp_path: Path, packed: bool) -> None:
    text = reads("!5", "+5I", "5II").encode()
    made = make(tmp_path, gzip.compress(text) if packed else text)
    assert (made.summary["kind"], made.summary["reads"], made.summary["sample"]) == ("fastq", 3, "all")
    first, second, third = made.summary["positions"]
    assert (first["mean"], first["quantiles"]) == (10.0, [0, 0, 10, 20, 20])
    assert (second["mean"], third["mean"]) == (26.67, 40.0)
    assert first["bases"] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert made.summary["lengths"] == {"min": 2, "max": 3, "median": 3}


def test_reads_are_shown_up_to_where_the_file_breaks(tmp_path: Path) -> None:
    made = make(tmp_path, reads("II", "II") + "@r\nAC\n+\nI")
    assert made.summary["reads"] == 2
    cut = gzip.compress(reads(*["IIII"] * 50).encode())[:-10]
    assert codes(make(tmp_path, cut, "cut", "fastq")) == ["gzip-truncated"]
    assert codes(make(tmp_path, "@\n\n", "none", "fastq")) == ["no-reads"]


def test_a_large_file_is_read_at_many_places(tmp_path: Path) -> None:
    path = tmp_path / "reads.fastq"
    # Qualities that begin with @ must not be taken for names.
    path.write_text(reads(*(f"@{'5I'[number > 1500] * 19}" for number in range(3000))))
    found = keep_fastq([path], tmp_path, Sampling(budget=40_000, places=16, length=2_000))
    assert found["sample"] == "places"
    assert 200 < found["reads"] < 1500
    assert 25 < found["positions"][5]["mean"] < 35


def test_long_reads_share_positions(tmp_path: Path) -> None:
    made = make(tmp_path, f"@r\n{'A' * 5000}\n+\n{'I' * 5000}\n")
    positions = made.summary["positions"]
    assert len(positions) <= 111
    assert (positions[-1]["to"], positions[9]["to"]) == (5000, 10)


# --- mass spectrometry runs ------------------------------------------------------------------------------------------


def term(accession: str, value: object = "", unit: str = "") -> str:
    return f'<cvParam accession="{accession}" value="{value}" unitAccession="{unit}"/>'


def scan(number: int, mz: list[float], intensity: list[float], *, said: bool = True, level: int = 1) -> str:
    arrays = "".join(
        f"<binaryDataArray><referenceableParamGroupRef ref='f'/>{term(kind)}{term('MS:1000574')}<binary>"
        f"{base64.b64encode(zlib.compress(np.array(values, '<f8').tobytes())).decode()}</binary></binaryDataArray>"
        for kind, values in (("MS:1000514", mz), ("MS:1000515", intensity))
    )
    total = term("MS:1000285", sum(intensity)) + term("MS:1000505", max(intensity)) if said else ""
    return (
        f'<spectrum index="{number}">{term("MS:1000511", level)}{total}<scanList><scan>'
        f"{term('MS:1000016', number / 2, 'UO:0000031')}</scan></scanList><binaryDataArrayList>{arrays}"
        "</binaryDataArrayList></spectrum>"
    )


def run(*scans: str) -> str:
    group = f'<referenceableParamGroup id="f">{term("MS:1000523")}</referenceableParamGroup>'
    return f'<?xml version="1.0"?><mzML><g>{group}</g><run><spectrumList>{"".join(scans)}</spectrumList></run></mzML>'


@pytest.mark.parametrize("said", [True, False])
def test_a_run_has_chromatograms_and_scans(tmp_path: Path, said: bool) -> None:
    scans = [scan(at, [100.0, 200.0 + at], [5.0, 10.0 * at], said=said, level=1 + at % 2) for at in range(6)]
    made = make(tmp_path, run(*scans), "a.mzML")
    assert (made.summary["scans"], made.summary["levels"], made.summary["time"]) == (6, [[1, 3], [2, 3]], [0.0, 150.0])
    opened = MassSpectrometryRun(made.summary, made.parts, tmp_path / "a.mzML")
    total = opened.chromatogram("tic", None, None, 100)
    assert (total["x"], total["y"]) == ([0.0, 60.0, 120.0], [5.0, 25.0, 45.0])
    assert opened.chromatogram("base", None, None, 100, 2)["y"] == [10.0, 30.0, 50.0]
    assert opened.nearest(70.0) == 2
    assert opened.nearest(70.0, 2) == 3
    spectrum = opened.scan(3, None, None, 100)
    assert (spectrum["x"], spectrum["y"], spectrum["level"]) == ([100.0, 203.0], [5.0, 30.0], 2)
    assert spectrum["peaks"][0] == [203.0, 30.0]
    with pytest.raises(Missing, match="no scan 6"):
        opened.scan(6, None, None, 100)
    with pytest.raises(Missing, match="MS level 3"):
        opened.nearest(0.0, 3)


def test_arrays_that_cannot_be_read_are_said_and_do_no_harm(tmp_path: Path) -> None:
    text = run(scan(0, [1.0], [2.0], said=False).replace("MS:1000574", "MS:1002312"), scan(1, [1.0], [2.0]))
    made = make(tmp_path, text, "a.mzML")
    assert made.summary["left_out"] == 1
    opened = MassSpectrometryRun(made.summary, made.parts, tmp_path / "a.mzML")
    with pytest.raises(Invalid, match="MS-Numpress linear"):
        opened.scan(0, None, None, 100)
    assert codes(make(tmp_path, text[:300], "cut.mzML")) == ["xml-malformed"]
    assert codes(make(tmp_path, run(), "none.mzML")) == ["spectra-missing"]


# --- pictures --------------------------------------------------------------------------------------------------------


def picture(mode: str, size: tuple[int, int], format_: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, format_, **options)
    return out.getvalue()


@pytest.mark.parametrize(("mode", "format_"), [
    ("RGB", "PNG"), ("RGB", "JPEG"), ("CMYK", "JPEG"), ("I;16", "TIFF"), ("F", "TIFF"), ("1", "TIFF"), ("P", "GIF"),
    ("RGBA", "WEBP"),
])  # fmt: skip
def test_pictures_are_drawn_small(tmp_path: Path, mode: str, format_: str) -> None:
    made = make(tmp_path, picture(mode, (3000, 1000), format_))
    assert (made.summary["width"], made.summary["format"]) == (3000, format_)
    with Image.open(made.parts["picture"]) as shown:
        assert (shown.format, shown.size) == ("PNG", (1600, 533))


def test_sixteen_bits_are_stretched_to_what_a_screen_shows(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(np.array([[1000, 1100], [1200, 1255]], dtype=np.uint16)).save(out, "TIFF")
    made = make(tmp_path, out.getvalue())
    with Image.open(made.parts["picture"]) as shown:
        assert list(np.asarray(shown).ravel()) == [0, 100, 200, 255]


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    # The header alone says so; nothing of it is unpacked.
    bomb = bytearray(picture("L", (10, 10)))
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    assert codes(make(tmp_path, bytes(bomb))) == ["picture-too-large"]


@pytest.mark.parametrize("end", [20, 60, 200])
def test_a_picture_that_is_cut_off_is_said_to_be(tmp_path: Path, end: int) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 90, 3), dtype=np.uint8))
    out = io.BytesIO()
    noise.save(out, "PNG")
    assert codes(make(tmp_path, out.getvalue()[:end])) == ["picture-damaged"]


# --- text, JSON, bytes -----------------------------------------------------------------------------------------------


def test_text_is_shown_with_nothing_that_turns_it_around(tmp_path: Path) -> None:
    made = make(tmp_path, "one\r\ntwo \u202egnp.exe\x1b[2J\n" + "x" * 3000, "a.log")
    assert made.summary["lines"][0] == "one"
    assert made.summary["lines"][1] == "two \ufffdgnp.exe\ufffd[2J"
    assert len(made.summary["lines"][2]) == 2001
    many = make(tmp_path, "line\n" * 5000, "b.log").summary
    assert (len(many["lines"]), many["whole"]) == (400, False)


def test_packed_text_is_inflated_no_further_than_it_is_shown(tmp_path: Path) -> None:
    made = make(tmp_path, gzip.compress(b"a" * 50_000_000), "a.txt.gz")
    assert (made.summary["packed"], made.summary["whole"], len(made.summary["lines"])) == (True, False, 1)


def test_json_is_a_tree(tmp_path: Path) -> None:
    made = make(tmp_path, '{"a": [1, null, "x"], "b": {"c": true}}', "a.json")
    tree = made.summary["tree"]
    assert [(each["name"], each["type"], each["size"]) for each in tree["members"]] == [
        ("a", "array", 3),
        ("b", "object", 1),
    ]
    assert tree["members"][0]["members"][1] == {"name": "1", "type": "null", "text": "null"}
    assert made.summary["whole"]
    large = make(tmp_path, json.dumps(list(range(10_000))), "b.json").summary
    assert (large["whole"], large["tree"]["size"]) == (False, 10_000)
    assert len(large["tree"]["members"]) < 3_000
    broken = make(tmp_path, '{"a": ', "c.json").summary
    assert (broken["kind"], broken["lines"]) == ("text", ['{"a": '])
    assert "no JSON" in broken["note"]
    deep = make(tmp_path, "[" * 100_000, "d.json").summary
    assert deep["kind"] == "text"


def test_all_else_is_shown_as_bytes(tmp_path: Path) -> None:
    made = make(tmp_path, b"%PDF-1.7\n" + bytes(1000), "a.pdf")
    assert (made.summary["what"], len(made.summary["lines"])) == ("a PDF document", 32)
    assert made.summary["lines"][0] == {"at": 0, "hex": "25 50 44 46 2d 31 2e 37 0a 00 00 00 00 00 00 00",
                                        "text": "%PDF-1.7········"}  # fmt: skip
    assert make(tmp_path, b"", "empty").summary["kind"] == "text"
