"""Step 2, once for each part: smooth the spectra, take off their baseline, and pick the peaks above the noise.

Centroided spectra have been through that in the instrument; all their points above 0 are peaks. Writes
<measurement>/<part>/ with picked.json and the peaks of all its spectra, one after the other: spectrum.npy (its number
within the whole measurement), mz.npy, intensity.npy.
"""

import argparse
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from exact import exact_sum, to_text
from folders import one_folder_with, read_array, read_document, write_arrays, write_document
from spectrum import baseline, find_peaks, noise_of, smooth, smoothing_weights


@dataclass(frozen=True)
class Settings:
    """How peaks are picked.

    `weights` of the smoothing filter; half the baseline's window in points; the lowest peak, as a multiple of the noise
    above its level and in percent of the highest peak.
    """

    weights: tuple[float, ...]
    baseline_window: int
    noise_factor: float
    min_height: float


def main() -> None:
    """Read the arguments and do the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=Path, required=True, help="folder of one part")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--smoothing-half-window", type=int, default=2)
    parser.add_argument("--smoothing-order", type=int, default=2)
    parser.add_argument("--baseline-window", type=int, default=40)
    parser.add_argument("--noise-factor", type=float, default=5.0)
    parser.add_argument("--min-height", type=float, default=1.0, help="percent of the spectrum's highest peak")
    arguments = parser.parse_args()
    settings = Settings(
        smoothing_weights(arguments.smoothing_half_window, arguments.smoothing_order),
        arguments.baseline_window,
        arguments.noise_factor,
        arguments.min_height,
    )
    peaks = pick(arguments.spectra, arguments.out, settings)
    print(f"{peaks} peaks")


def pick(spectra: Path, out: Path, settings: Settings) -> int:
    """Pick the peaks of a part and give their number."""
    source = one_folder_with(spectra, "part.json")
    part = read_document(source, "part.json")
    mz, intensity = read_array(source, "mz"), read_array(source, "intensity")
    centroid = part["whole"]["kind"] == "centroid"
    tics: list[Fraction] = []
    numbers: list[np.ndarray] = []
    places: list[np.ndarray] = []
    heights: list[np.ndarray] = []
    noises: list[float] = []
    start = 0
    for index, length in enumerate(part["lengths"]):
        raw = intensity[start : start + length]
        axis = mz if part["shared_axis"] else mz[start : start + length]
        start += length
        tics.append(exact_sum(raw))
        if centroid:
            found_mz, found, noise = _all_points(axis.astype(np.float64), raw.astype(np.float64))
        else:
            found_mz, found, noise = _pick_profile(axis.astype(np.float64), raw.astype(np.float64), settings)
        numbers.append(np.full(len(found), part["first"] + index, np.int32))
        places.append(found_mz)
        heights.append(found)
        noises.append(noise)
    if start != len(intensity):
        sys.exit(f"{part['part']} holds {len(intensity)} intensities where its document says {start}: split again")
    folder = out / part["whole"]["measurement"] / part["part"]
    write_arrays(
        folder, spectrum=np.concatenate(numbers), mz=np.concatenate(places), intensity=np.concatenate(heights)
    )  # fmt: skip
    write_document(folder, "picked.json", {
        "whole": part["whole"],
        "part": part["part"],
        "first": part["first"],
        "x": part["x"],
        "y": part["y"],
        "tic": [to_text(tic) for tic in tics],
        "noise": noises,
        "peaks": [len(each) for each in heights],
    })  # fmt: skip
    return sum(len(each) for each in heights)


def _all_points(mz: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    return mz[values > 0], values[values > 0], 0.0


def _pick_profile(mz: np.ndarray, raw: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray, float]:
    """Give m/z and height of the peaks of a profile spectrum, and its noise."""
    smoothed = smooth(np.maximum(raw, 0.0), settings.weights)
    window = settings.baseline_window
    corrected = np.maximum(smoothed - baseline(smoothed, window), 0.0) if window else smoothed
    level, noise = noise_of(corrected)
    lowest = max(level + settings.noise_factor * noise, settings.min_height / 100 * corrected.max(initial=0.0))
    return (*find_peaks(mz, corrected, lowest), noise)


if __name__ == "__main__":
    main()
