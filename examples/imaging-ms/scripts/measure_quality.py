"""Step 4b, once for each measurement: one row of quality metrics."""

import argparse
import csv
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

from exact import from_text
from folders import one_folder_with, read_document


def main() -> None:
    """Read the arguments and do the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merged", type=Path, required=True, help="folder of one merged measurement")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    source = one_folder_with(arguments.merged, "merged.json")
    row = quality(read_document(source, "merged.json"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / f"{row['measurement']}.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(row), lineterminator="\n")
        table.writeheader()
        table.writerow(row)
    print(", ".join(f"{name} {value}" for name, value in row.items()))


def quality(merged: dict[str, Any]) -> dict[str, Any]:
    """Give the metrics of a merged measurement.

    The grid reaches to the declared size or the farthest position, whichever is larger: some writers declare how many
    different positions there are and not how far they reach. A missing pixel is a place of the grid without a spectrum.
    """
    whole = merged["whole"]
    positions = set(zip(merged["x"], merged["y"], strict=True))
    width = max(whole["width"], *merged["x"])
    height = max(whole["height"], *merged["y"])
    tics, peaks = merged["pixel_tic"], merged["peaks"]
    mean = fmean(tics)
    return {
        "measurement": whole["measurement"],
        "uuid": whole["uuid"],
        "mode": whole["mode"],
        "kind": whole["kind"],
        "parts": whole["parts"],
        "pixels": len(positions),
        "width": width,
        "height": height,
        "missing_pixels": width * height - len(positions),
        "points_min": whole["points_min"],
        "points_max": whole["points_max"],
        "mz_min": _rounded(whole["mz_min"], ".4f"),
        "mz_max": _rounded(whole["mz_max"], ".4f"),
        # The float nearest to the exact sum, with all its digits.
        "tic": repr(float(from_text(merged["tic"]))),
        "tic_pixel_median": f"{median(tics):.6g}",
        "tic_pixel_cv": f"{pstdev(tics) / mean:.4f}" if mean else "",
        "ions": len(merged["ions"]),
        "peaks_per_spectrum": f"{fmean(peaks):.2f}",
        "peaks_min": min(peaks),
        "empty_spectra": sum(count == 0 for count in peaks),
        "noise_median": f"{median(merged['noise']):.6g}",
    }


def _rounded(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()
