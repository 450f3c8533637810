"""Step 4a, once for each measurement: the peak list, one row for each ion."""

import argparse
import csv
from pathlib import Path

import numpy as np
from folders import one_folder_with, read_array, read_document

COLUMNS = [
    "measurement", "mz", "pixels", "share", "mean_intensity", "median_intensity", "max_intensity", "max_x", "max_y",
]  # fmt: skip


def main() -> None:
    """Read the arguments and do the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merged", type=Path, required=True, help="folder of one merged measurement")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = list_peaks(arguments.merged, arguments.out)
    print(f"{rows} ions")


def list_peaks(merged: Path, out: Path) -> int:
    """Write <measurement>.csv and give its number of rows.

    The mean is over all spectra, 0 where the ion was not seen; the median is over those where it was.
    """
    source = one_folder_with(merged, "merged.json")
    document = read_document(source, "merged.json")
    pixel, ion, intensity = (read_array(source, name) for name in ("pixel", "ion", "intensity"))
    measurement, spectra = document["whole"]["measurement"], document["whole"]["spectra"]
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{measurement}.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        starts = np.searchsorted(ion, np.arange(len(document["ions"]) + 1))
        for number, mz in enumerate(document["ions"]):
            chosen = slice(int(starts[number]), int(starts[number + 1]))
            values = intensity[chosen]
            top = int(pixel[chosen][int(np.argmax(values))])
            table.writerow([
                measurement,
                f"{mz:.4f}",
                len(values),
                f"{len(values) / spectra:.4f}",
                f"{values.sum() / spectra:.6g}",
                f"{np.median(values):.6g}",
                f"{values.max():.6g}",
                document["x"][top],
                document["y"][top],
            ])  # fmt: skip
    return len(document["ions"])


if __name__ == "__main__":
    main()
