"""Count a billing file: its rows and the exact sum of its amounts, to hold against the sender's control totals.

Usage: control.py FILE OUT
"""

import csv
import hashlib
import sys
from pathlib import Path

from billing import dollars, place, read, run

COLUMNS = ["file", "kind", "facility_id", "post_month", "rows", "amount_cents", "amount", "sha256"]


def main() -> None:
    file, out = Path(sys.argv[1]), Path(sys.argv[2])
    inside = place(file, "file")
    kind, rows = read(file)
    count = total = 0
    facilities: set[str] = set()
    months: set[str] = set()
    for row in rows:
        count += 1
        total += row.amount_cents
        facilities.add(row.values["facility_id"])
        months.add(f"{row.post_date:%Y-%m}")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    target = out / inside
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        several = " ".join
        writer.writerow([inside.as_posix(), kind, several(sorted(facilities)), several(sorted(months)), count, total,
                         dollars(total), digest])  # fmt: skip
    print(f"{inside}: {count} rows, {dollars(total)}")


if __name__ == "__main__":
    run(main)
