"""Summarise one plate: the mean absorbance of each sample, with the blank subtracted."""

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean


def rows_of(plate: Path) -> list[dict[str, str]]:
    """Read a plate as its type takes it: with commas, semicolons, tabs or bars; in UTF-8, or as Excel saves it."""
    data = plate.read_bytes()
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = data.decode("cp1252").splitlines()
    return list(csv.DictReader(lines, delimiter=max(",;\t|", key=lines[0].count)))


def main(plate: Path, out: Path, blank: str) -> None:
    """Read a plate's CSV and write `out/<plate>.csv` with a row for each sample."""
    wells: dict[str, list[float]] = defaultdict(list)
    for row in rows_of(plate):
        wells[row["sample"]].append(float(row["absorbance"]))
    background = fmean(wells.get(blank, [0.0]))
    with (out / f"{plate.stem}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["plate", "sample", "wells", "mean"])
        for sample, values in sorted(wells.items()):
            writer.writerow([plate.stem, sample, len(values), round(fmean(values) - background, 6)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
