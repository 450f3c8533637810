"""Previews of imaging pairs: the same numbers whichever way they are read, and words instead of failures."""

import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aliquot.formats.png import heat_png
from aliquot.formats.preview import Made, kind_of_preview, make_preview
from aliquot.formats.preview_imzml import ImagingPair
from aliquot.model.errors import Invalid, Missing
from imzml_pair import write_pair

RNG = np.random.default_rng(7)


def image(tmp_path: Path, made: Made, ibd: Path) -> ImagingPair:
    return ImagingPair(made.summary, made.parts, ibd)


def keep(kind: str, xml: Path, ibd: Path, tmp_path: Path) -> Made:
    folder = tmp_path / f"kept-{kind}"
    folder.mkdir()
    return make_preview(kind, [xml, ibd], folder)


def spectra(mode: str, pixels: int, points: int) -> list[tuple[np.ndarray, np.ndarray]]:
    shared = np.sort(RNG.uniform(100, 1000, points))
    found = []
    for _ in range(pixels):
        mz = shared if mode == "continuous" else np.sort(RNG.uniform(100, 1000, points))
        found.append((mz, RNG.random(points).astype(np.float32)))
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mode", ["continuous", "processed"])
def test_an_ion_image_is_the_sum_of_its_window_in_each_pixel(tmp_path: Path, mode: str, packed: bool) -> None:
    given = spectra(mode, 12, 300)
    positions = [(x, y) for y in (1, 2, 3) for x in (1, 2, 3, 5)]
    xml, ibd = write_pair(tmp_path, mode, given, positions, packed=packed)
    whole = keep("imzml", xml, ibd, tmp_path)
    first = keep("imzml-places", xml, ibd, tmp_path)
    assert whole.summary["missing"] == 3
    assert "shape" not in first.summary
    for mz, tolerance, unit in [(500.0, 100.0, "da"), (given[0][0][7], 5.0, "ppm"), (100.0, 20_000.0, "ppm")]:
        width = mz * tolerance * 1e-6 if unit == "ppm" else tolerance
        wanted = [float(y[(x >= mz - width) & (x <= mz + width)].sum()) for x, y in given]
        for made in (whole, first):
            shown = image(tmp_path, made, ibd).ion_image(float(mz), tolerance, unit)
            got = [float(shown.values[y - 1, x - 1]) for x, y in positions]
            assert got == pytest.approx(wanted, rel=1e-5)
            assert np.isnan(shown.values[:, 3]).all()


@pytest.mark.parametrize("mode", ["continuous", "processed"])
def test_the_mean_spectrum_keeps_the_total_ion_current(tmp_path: Path, mode: str) -> None:
    given = spectra(mode, 6, 500)
    xml, ibd = write_pair(tmp_path, mode, given, [(x, 1) for x in range(1, 7)])
    made = keep("imzml", xml, ibd, tmp_path)
    pair = image(tmp_path, made, ibd)
    total = sum(float(y.sum(dtype=float)) for _, y in given)
    assert made.summary["total"]["sum"] == pytest.approx(total)
    spectrum = pair.mean_spectrum(None, None, 4_000)
    assert spectrum["whole"]
    assert sum(spectrum["y"]) * 6 == pytest.approx(total, rel=1e-6)
    # In bins, every m/z is within their width of one that was measured.
    measured = np.concatenate([x for x, _ in given])
    assert all(np.abs(measured / each - 1).min() < 5e-6 for each in spectrum["x"])


def test_a_zoom_keeps_the_highest_point_and_asks_for_no_more_than_the_screen_shows(tmp_path: Path) -> None:
    mz = np.linspace(100, 1000, 50_000)
    intensity = RNG.random(50_000).astype(np.float32)
    intensity[31_234] = 99.0
    xml, ibd = write_pair(tmp_path, "continuous", [(mz, intensity)], [(1, 1)])
    pair = image(tmp_path, keep("imzml", xml, ibd, tmp_path), ibd)
    far = pair.mean_spectrum(None, None, 800)
    assert len(far["x"]) <= 900
    assert not far["whole"]
    assert max(far["y"]) == 99.0
    assert far["x"] == sorted(far["x"])
    assert (far["x"][0], far["x"][-1]) == (100.0, 1000.0)
    near = pair.mean_spectrum(float(mz[31_200]), float(mz[31_300]), 800)
    assert near["whole"]
    assert max(near["y"]) == 99.0
    assert 101 <= len(near["x"]) <= 103


def test_the_spectrum_of_a_pixel_is_the_one_that_was_measured_there(tmp_path: Path) -> None:
    given = spectra("processed", 4, 50)
    xml, ibd = write_pair(tmp_path, "processed", given, [(1, 1), (2, 1), (1, 2), (2, 2)])
    pair = image(tmp_path, keep("imzml-places", xml, ibd, tmp_path), ibd)
    assert pair.spectrum_at(1, 2, None, None, 1000)["y"] == pytest.approx(given[2][1].tolist())
    with pytest.raises(Missing, match="x 3, y 1"):
        pair.spectrum_at(3, 1, None, None, 1000)
    with pytest.raises(Invalid, match="above 0"):
        pair.ion_image(-5.0, 10.0, "ppm")


def test_what_is_no_number_counts_nothing(tmp_path: Path) -> None:
    mz = np.array([100.0, 200.0, 300.0])
    broken = np.array([1.0, np.nan, np.inf], dtype=np.float32)
    for mode in ("continuous", "processed"):
        xml, ibd = write_pair(tmp_path, mode, [(mz, broken), (mz, broken[:1].repeat(3))], [(1, 1), (2, 1)])
        folder = tmp_path / mode
        folder.mkdir()
        made = make_preview("imzml", [xml, ibd], folder)
        assert made.summary["total"]["sum"] == 4.0
        json.dumps(made.summary, allow_nan=False)


def test_a_pair_that_is_broken_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    xml, ibd = write_pair(tmp_path, "continuous", spectra("continuous", 2, 10), [(1, 1), (2, 1)])
    ibd.write_bytes(ibd.read_bytes()[:20])
    made = keep("imzml", xml, ibd, tmp_path)
    assert made.summary["findings"][0]["code"] == "spectra-missing"
    assert not made.parts
    xml.write_text(xml.read_text()[:400])
    folder = tmp_path / "cut"
    folder.mkdir()
    assert make_preview("imzml", [xml, ibd], folder).summary["findings"][0]["code"] == "xml-malformed"


def test_spectra_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    positions: list[tuple[Any, Any]] = [(1, 1), (2**30, 1), ("left", 1)]
    xml, ibd = write_pair(tmp_path, "continuous", spectra("continuous", 3, 10), positions)
    made = keep("imzml", xml, ibd, tmp_path)
    assert (made.summary["spectra"], made.summary["left_out"], made.summary["width"]) == (1, 2, 1)


def test_the_reference_pair_gives_its_total_ion_current(shared_data: Path, tmp_path: Path) -> None:
    for name in ("Example_Continuous", "Example_Processed"):
        xml, ibd = (shared_data / "imaging-ms" / f"{name}{end}" for end in (".imzML", ".ibd"))
        folder = tmp_path / name
        folder.mkdir()
        made = make_preview(kind_of_preview(xml.name, xml.read_bytes()[:65536]), [xml, ibd], folder)
        assert made.summary["total"]["sum"] == pytest.approx(1450.2994112, rel=1e-6)
        assert (made.summary["width"], made.summary["height"], made.summary["missing"]) == (3, 3, 0)


def test_the_picture_has_a_pixel_for_each_and_lets_missing_ones_through() -> None:
    values = np.array([[0.0, 1.0, 2.0], [math.nan, 4.0, 8.0]], dtype=np.float32)
    png = heat_png(values, 4.0)
    assert png[16:24] == (3).to_bytes(4, "big") + (2).to_bytes(4, "big")
    raw = zlib.decompress(png[png.index(b"IDAT") + 4 : png.index(b"IEND") - 8])
    assert raw == bytes([0, 1, 65, 128, 0, 0, 255, 255])
    palette = png[png.index(b"PLTE") + 4 :][:768]
    assert hashlib.sha256(palette).hexdigest() != hashlib.sha256(bytes(768)).hexdigest()
    assert (palette[3:6], palette[-3:]) == (bytes.fromhex("440154"), bytes.fromhex("fde725"))
    assert heat_png(np.zeros((2, 2), dtype=np.float32), 0.0)
