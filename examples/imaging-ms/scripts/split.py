"""Step 1: cut one measurement into parts of so many spectra, each a folder that can be worked on alone.

Writes <measurement>/part-0001/ and so on, with part.json, intensity.npy and mz.npy. Every part carries the facts of the
whole measurement, its exact total ion current among them, so that the merge can tell whether anything was lost.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from exact import exact_sum, to_text
from folders import write_arrays, write_document
from imzml_file import Measurement, NotReadable, find_pair, read_array, read_measurement, require_same_uuid


def main() -> None:
    """Read the arguments and do the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, required=True, help="folder with one .imzML and its .ibd")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--spectra-per-part", type=int, default=64)
    arguments = parser.parse_args()
    try:
        parts = split(arguments.files, arguments.out, arguments.spectra_per_part)
    except (NotReadable, ValueError) as error:
        sys.exit(f"cannot split the measurement: {error}")
    print(f"{parts} parts")


def split(files: Path, out: Path, spectra_per_part: int) -> int:
    """Cut the measurement in `files` and give the number of parts."""
    xml, ibd = find_pair(files)
    measurement = read_measurement(xml)
    folder = out / xml.stem
    total = Fraction(0)
    points: list[int] = []
    mz_range: list[float] = []
    parts: list[tuple[str, dict[str, Any]]] = []
    with ibd.open("rb") as binary:
        require_same_uuid(measurement, binary)
        for first in range(0, len(measurement.spectra), spectra_per_part):
            spectra = measurement.spectra[first : first + spectra_per_part]
            mz = [read_array(binary, spectrum.mz) for spectrum in spectra]
            intensity = [read_array(binary, spectrum.intensity) for spectrum in spectra]
            for spectrum_mz, spectrum_intensity in zip(mz, intensity, strict=True):
                if len(spectrum_mz) != len(spectrum_intensity):
                    raise NotReadable(f"spectrum {len(points) + 1} has more m/z values than intensities, or fewer")
                total += exact_sum(spectrum_intensity)
                points.append(len(spectrum_mz))
                if len(spectrum_mz):
                    mz_range += [float(spectrum_mz.min()), float(spectrum_mz.max())]
            name = f"part-{len(parts) + 1:04d}"
            shared = all(spectrum.mz == spectra[0].mz for spectrum in spectra)
            write_arrays(
                folder / name,
                mz=mz[0] if shared else np.concatenate(mz),
                intensity=np.concatenate(intensity),
            )
            parts.append((name, {
                "first": first,
                "lengths": [len(each) for each in intensity],
                "shared_axis": shared,
                "x": [spectrum.x for spectrum in spectra],
                "y": [spectrum.y for spectrum in spectra],
            }))  # fmt: skip
    whole = _whole(xml.stem, measurement) | {
        "parts": len(parts),
        "tic": to_text(total),
        "points_min": min(points),
        "points_max": max(points),
        "mz_min": min(mz_range, default=None),
        "mz_max": max(mz_range, default=None),
    }
    for name, part in parts:
        write_document(folder / name, "part.json", part | {"part": name, "whole": whole})
    return len(parts)


def _whole(name: str, measurement: Measurement) -> dict[str, Any]:
    return {
        "measurement": name,
        "uuid": measurement.uuid,
        "mode": measurement.mode,
        "kind": measurement.kind,
        "width": measurement.width,
        "height": measurement.height,
        "pixel_size": measurement.pixel_size,
        "spectra": len(measurement.spectra),
    }


if __name__ == "__main__":
    main()
