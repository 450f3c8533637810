"""Step 3, once for each measurement: put the parts together and bring the peaks of all spectra into line.

Nothing may be lost on the way: the parts must be complete, and their exact total ion current must equal that of the
measurement before it was split. Writes <measurement>/ with merged.json and one entry for each ion in each spectrum:
pixel.npy, ion.npy, intensity.npy.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from alignment import ion_ranges
from exact import from_text, to_text
from folders import folders_with, read_array, read_document, write_arrays, write_document


def main() -> None:
    """Read the arguments and do the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=Path, required=True, help="folder with all parts of one measurement")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tolerance", type=float, default=0.2)
    parser.add_argument("--tolerance-unit", choices=["Da", "ppm"], default="Da")
    parser.add_argument("--min-share", type=float, default=1.0, help="percent of the spectra")
    arguments = parser.parse_args()
    ions = merge(
        arguments.parts, arguments.out, arguments.tolerance, arguments.tolerance_unit, arguments.min_share
    )  # fmt: skip
    print(f"{ions} ions")


def merge(parts: Path, out: Path, tolerance: float, unit: str, min_share: float) -> int:
    """Merge the parts of a measurement and give the number of ions that its spectra share."""
    found = [(read_document(folder, "picked.json"), folder) for folder in folders_with(parts, "picked.json")]
    found.sort(key=lambda pair: pair[0]["first"])
    documents, folders = [document for document, _ in found], [folder for _, folder in found]
    whole = _require_complete(documents)
    spectrum = np.concatenate([read_array(folder, "spectrum") for folder in folders])
    mz = np.concatenate([read_array(folder, "mz") for folder in folders])
    intensity = np.concatenate([read_array(folder, "intensity") for folder in folders])
    order = np.lexsort((spectrum, mz))
    spectrum, mz, intensity = spectrum[order], mz[order], intensity[order]
    ions: list[float] = []
    pixel: list[np.ndarray] = []
    ion: list[np.ndarray] = []
    height: list[np.ndarray] = []
    for start, stop in ion_ranges(mz, tolerance, unit):
        pixels, highest = _highest(spectrum[start:stop], intensity[start:stop])
        if 100 * len(pixels) < min_share * whole["spectra"]:
            continue
        pixel.append(pixels)
        ion.append(np.full(len(pixels), len(ions), np.int32))
        height.append(highest)
        weights = intensity[start:stop]
        centre = round(float((mz[start:stop] * weights).sum() / weights.sum()), 4)
        # Tables know an ion by its rounded m/z, so no two may round to the same.
        ions.append(centre if not ions or centre > ions[-1] else round(ions[-1] + 0.0001, 4))
    folder = out / whole["measurement"]
    write_arrays(
        folder,
        pixel=np.concatenate([np.empty(0, np.int32), *pixel]),
        ion=np.concatenate([np.empty(0, np.int32), *ion]),
        intensity=np.concatenate([np.empty(0), *height]),
    )
    tics = [from_text(tic) for document in documents for tic in document["tic"]]
    write_document(folder, "merged.json", {
        "whole": whole,
        "tic": to_text(sum(tics, Fraction(0))),
        "pixel_tic": [float(tic) for tic in tics],
        "x": [x for document in documents for x in document["x"]],
        "y": [y for document in documents for y in document["y"]],
        "noise": [noise for document in documents for noise in document["noise"]],
        "peaks": [peaks for document in documents for peaks in document["peaks"]],
        "ions": ions,
        "tolerance": tolerance,
        "tolerance_unit": unit,
    })  # fmt: skip
    return len(ions)


def _highest(spectrum: np.ndarray, intensity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the spectra that occur, in order, and the highest intensity in each."""
    spectra, places = np.unique(spectrum, return_inverse=True)
    highest = np.zeros(len(spectra))
    np.maximum.at(highest, places, intensity)
    return spectra.astype(np.int32), highest


def _require_complete(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Give what all parts say of the whole; end the program where anything was lost or added on the way."""
    if not documents:
        sys.exit("there are no parts to merge")
    whole = documents[0]["whole"]
    if any(document["whole"] != whole for document in documents):
        sys.exit("the parts are not of one and the same measurement")
    expected = 0
    for document in documents:
        if document["first"] != expected:
            sys.exit(f"{whole['measurement']}: spectra are missing or come twice, from number {expected + 1} on")
        expected += len(document["tic"])
    if len(documents) != whole["parts"] or expected != whole["spectra"]:
        sys.exit(
            f"{whole['measurement']}: {len(documents)} of {whole['parts']} parts and {expected} of "
            f"{whole['spectra']} spectra have come back"
        )
    total = sum((from_text(tic) for document in documents for tic in document["tic"]), Fraction(0))
    if total != from_text(whole["tic"]):
        sys.exit(
            f"{whole['measurement']}: the total ion current of the parts, {float(total)!r}, is not that of the whole, "
            f"{float(from_text(whole['tic']))!r}"
        )
    return whole


if __name__ == "__main__":
    main()
