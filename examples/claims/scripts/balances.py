"""Strike the balance of each account of a facility, and say how old what is still owed is.

Usage: balances.py POSTINGS OUT, with AS_OF, BUCKET_DAYS, BUCKETS and AGE_FROM in the environment.

Only postings of AS_OF and before count. Credits (payments, and transfers and adjustments below zero) settle the
oldest charges first; an account is as old as the oldest charge that is not settled in full.
"""

import csv
import os
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path

from billing import Unreadable, dollars, names, run

KINDS = ["charge", "payment", "adjustment", "transfer"]
COLUMNS = ["facility_id", "facility_name", "account_number", "postings", "later_postings", "charges_cents",
           "payments_cents", "adjustments_cents", "transfers_cents", "balance_cents", "charges", "payments",
           "adjustments", "transfers", "balance", "age_days", "age_bucket", "as_of"]  # fmt: skip

Posting = dict[str, str]


def postings_of(folder: Path) -> list[Posting]:
    """Read all postings once: one that was sent twice counts once, two that differ under one name stop the step."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.csv"))
    seen: dict[tuple[str, str], Posting] = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                key = (row["facility_id"], row["posting_id"])
                before = seen.setdefault(key, row)
                if before is row:
                    continue
                if {**before, "file": ""} != {**row, "file": ""}:
                    raise Unreadable(
                        f"{row['posting_id']} of {row['facility_id']} stands in {before['file']} and in {row['file']}, "
                        "and the two differ: ask the hospital which one holds, and take the other out of the dataset"
                    )
                print(f"{row['posting_id']} stands in {before['file']} and again in {row['file']}: counted once")
    return list(seen.values())


def oldest_open(postings: list[Posting], age_from: str) -> date | None:
    """Give the date of the oldest charge that the account's credits do not settle; None where nothing is open."""
    credit = -sum(int(each["amount_cents"]) for each in postings if each["kind"] != "charge")
    charges = sorted((date.fromisoformat(each[age_from]), int(each["amount_cents"]))
                     for each in postings if each["kind"] == "charge")  # fmt: skip
    for day, amount in charges:
        credit -= amount
        if credit < 0:
            return day
    return None


def bucket(age: int | None, balance: int, days: int, count: int) -> str:
    """Name the bucket of an age: `000-029`, … and `120+` for the last; `credit` and `settled` where nothing is owed."""
    if balance <= 0:
        return "credit" if balance else "settled"
    if age is None:
        return "no charge"
    index = min(max(age, 0) // days, count - 1)
    return f"{index * days:03d}+" if index == count - 1 else f"{index * days:03d}-{(index + 1) * days - 1:03d}"


def account(postings: list[Posting], as_of: date, facilities: dict[str, str]) -> dict[str, object]:
    """Give an account's line."""
    counted = [each for each in postings if date.fromisoformat(each["post_date"]) <= as_of]
    sums = dict.fromkeys(KINDS, 0)
    for each in counted:
        sums[each["kind"]] += int(each["amount_cents"])
    balance = sum(sums.values())
    opened = oldest_open(counted, os.environ["AGE_FROM"]) if balance > 0 else None
    age = (as_of - opened).days if opened else None
    line: dict[str, object] = {
        "facility_id": postings[0]["facility_id"],
        "facility_name": facilities.get(postings[0]["facility_id"], ""),
        "account_number": postings[0]["account_number"],
        "postings": len(counted),
        "later_postings": len(postings) - len(counted),
        "balance_cents": balance,
        "balance": dollars(balance),
        "age_days": "" if age is None else age,
        "age_bucket": bucket(age, balance, int(os.environ["BUCKET_DAYS"]), int(os.environ["BUCKETS"])),
        "as_of": as_of.isoformat(),
    }
    for kind, amount in sums.items():
        line[f"{kind}s_cents"], line[f"{kind}s"] = amount, dollars(amount)
    return line


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        as_of = date.fromisoformat(os.environ["AS_OF"])
    except ValueError:
        raise Unreadable(f"as_of is {os.environ['AS_OF']!r}, which is not a date: write it like 2024-02-29") from None
    facilities = names(Path(__file__).parent.parent / "reference" / "facilities.csv")
    accounts: dict[tuple[str, str], list[Posting]] = defaultdict(list)
    for each in postings_of(folder):
        accounts[each["facility_id"], each["account_number"]].append(each)
    lines = [account(postings, as_of, facilities) for _, postings in sorted(accounts.items())]
    out.mkdir(parents=True, exist_ok=True)
    for facility in sorted({str(line["facility_id"]) for line in lines}):
        with (out / f"{facility}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(line for line in lines if line["facility_id"] == facility)
    later = sum(int(str(line["later_postings"])) for line in lines)
    if later:
        print(f"{later} postings are later than {as_of} and do not count: set as_of to a later day to count them")


if __name__ == "__main__":
    run(main)
