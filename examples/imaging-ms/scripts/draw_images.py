"""Step 4c, once for each measurement: a picture of the total ion current and of each chosen ion.

Chosen are the ions of a list, or where it is empty the strongest ones.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
from folders import one_folder_with, read_array, read_document
from ion_picture import Grid, draw


def main() -> None:
    """Read the arguments and do the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merged", type=Path, required=True, help="folder of one merged measurement")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ions", default="", help="m/z values, separated by blanks or commas")
    parser.add_argument("--top-ions", type=int, default=6)
    parser.add_argument("--brightest", type=float, default=99.0, help="percentile at which the colours end")
    arguments = parser.parse_args()
    wanted = [float(word) for word in re.split(r"[\s,;]+", arguments.ions) if word]
    pictures = draw_images(arguments.merged, arguments.out, wanted, arguments.top_ions, arguments.brightest)
    print("\n".join(pictures))


def draw_images(merged: Path, out: Path, wanted: list[float], top_ions: int, brightest: float) -> list[str]:
    """Write <measurement>/tic.png and <measurement>/mz-….png; give the names of the pictures."""
    source = one_folder_with(merged, "merged.json")
    document = read_document(source, "merged.json")
    pixel, ion, intensity = (read_array(source, name) for name in ("pixel", "ion", "intensity"))
    whole = document["whole"]
    grid = Grid.of(document["x"], document["y"], whole["width"], whole["height"], whole["pixel_size"])
    folder = out / whole["measurement"]
    folder.mkdir(parents=True, exist_ok=True)
    tic = np.array(document["pixel_tic"])
    draw(grid, tic, "Total ion current", whole["measurement"], brightest).save(folder / "tic.png")
    names = ["tic.png"]
    totals = np.bincount(ion, weights=intensity, minlength=len(document["ions"]))
    for title, number in _chosen(document, totals, wanted, top_ions):
        values = np.zeros(whole["spectra"])
        if number is not None:
            values[pixel[ion == number]] = intensity[ion == number]
        note = whole["measurement"] if number is not None else f"{whole['measurement']}: no peak within the tolerance"
        names.append(f"mz-{title}.png")
        draw(grid, values, f"m/z {title}", note, brightest).save(folder / names[-1])
    return names


def _chosen(
    document: dict[str, Any], totals: np.ndarray, wanted: list[float], top_ions: int
) -> list[tuple[str, int | None]]:
    """Give title and number of the ions to draw; the number is None where a wanted ion was not found."""
    ions = np.array(document["ions"])
    if not wanted:
        strongest = np.argsort(-totals, kind="stable")[:top_ions]
        return [(f"{ions[number]:.4f}", int(number)) for number in sorted(strongest)]
    chosen: list[tuple[str, int | None]] = []
    for mz in sorted(set(wanted)):
        reach = document["tolerance"] * (mz * 1e-6 if document["tolerance_unit"] == "ppm" else 1.0)
        nearest = int(np.argmin(np.abs(ions - mz))) if len(ions) else None
        found = nearest is not None and abs(ions[nearest] - mz) <= reach
        chosen.append((f"{mz:.4f}", nearest if found else None))
    return chosen


if __name__ == "__main__":
    main()
