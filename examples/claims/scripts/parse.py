"""Bring a billing file into the one form of all postings: a table for each facility in it.

Usage: parse.py FILE OUT
"""

import csv
import re
import sys
from pathlib import Path

from billing import Row, Unreadable, dollars, names, place, read, run

COLUMNS = ["posting_id", "facility_id", "account_number", "kind", "post_date", "service_date", "amount_cents", "amount",
           "payer_code", "payer_name", "payment_method", "department", "procedure_code", "file"]  # fmt: skip
TRANSACTIONS = {"PAYMENT": "payment", "ADJUSTMENT": "adjustment", "TRANSFERIN": "transfer", "TRANSFEROUT": "transfer"}


def posting(row: Row, payers: dict[str, str], file: str) -> dict[str, object]:
    values = row.values
    code = values["payer_code"]
    kind = row.kind if row.kind == "charge" else TRANSACTIONS.get(values["transaction_type"])
    if kind is None:
        raise Unreadable(f"{file}: the transaction type {values['transaction_type']!r} is not known")
    return {
        "posting_id": values[f"{row.kind}_id"],
        "facility_id": values["facility_id"],
        "account_number": values["account_number"],
        "kind": kind,
        "post_date": row.post_date.isoformat(),
        "service_date": values.get("service_date", ""),
        "amount_cents": row.amount_cents,
        "amount": dollars(row.amount_cents),
        "payer_code": code,
        "payer_name": payers.get(code, ""),
        "payment_method": values.get("payment_method", ""),
        "department": values.get("department", ""),
        "procedure_code": values.get("procedure_code", ""),
        "file": file,
    }


def main() -> None:
    file, out = Path(sys.argv[1]), Path(sys.argv[2])
    payers = names(Path(__file__).parent.parent / "reference" / "payers.csv")
    inside = place(file, "file")
    _, rows = read(file)
    facilities: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        facilities.setdefault(row.values["facility_id"], []).append(posting(row, payers, inside.as_posix()))
    for facility, postings in sorted(facilities.items()):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", facility):
            raise Unreadable(f"{inside}: {facility!r} is not the name of a facility")
        target = out / facility / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(postings)


if __name__ == "__main__":
    run(main)
