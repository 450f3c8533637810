"""Write billing files of made-up hospitals: monthly charges and transactions, bad rows, a file that is none.

Everything comes from one seed: the same call writes the same bytes, on any machine.

    python generate.py inbox/billing                       # 3 hospitals, 3 months, and a charge file with 7 bad rows
    python generate.py inbox/billing --first 2024-02 --months 1 --bad-rows 0      # one more month
    python generate.py inbox/billing --months 0 --bad-rows 0 --wrong   # only a file that is wrong altogether
    python generate.py inbox/billing --totals totals.csv   # what the control totals must be
"""

import argparse
import csv
import io
import random
from datetime import date, timedelta
from pathlib import Path

CHARGE = ["facility_id", "charge_id", "account_number", "medical_record_number", "service_date", "post_date",
          "department", "procedure_code", "units", "unit_amount", "charge_amount", "payer_code",
          "provider_id"]  # fmt: skip
TRANSACTION = ["facility_id", "transaction_id", "account_number", "transaction_type", "payment_method", "post_date",
               "amount", "payer_code"]  # fmt: skip
PAYERS = [f"P{n:02d}" for n in range(1, 11)]
SPOILS = 7
"""Ways of spoiling a row: see `spoil`."""

Row = dict[str, str]


def money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def code(chance: random.Random, letter: str, length: int) -> str:
    return f"{letter}{chance.randrange(16**length):0{length}X}"


def month_of(first: date, offset: int) -> date:
    years, month = divmod(first.month - 1 + offset, 12)
    return date(first.year + years, month + 1, 1)


def hospital_month(seed: str, facility: str, month: date, accounts: int) -> tuple[list[Row], list[Row]]:
    """Make up a hospital's month: each account is charged, paid by its payer, and what is left goes to the patient."""
    chance = random.Random(f"{seed} {facility} {month}")
    length = (month_of(month, 1) - month).days
    charges: list[Row] = []
    transactions: list[Row] = []
    for _ in range(accounts):
        account, patient, payer = code(chance, "A", 10), code(chance, "M", 7), chance.choice(PAYERS)
        owed = 0
        day = month + timedelta(days=chance.randrange(length - 8))
        for _ in range(chance.randint(1, 4)):
            units, unit = chance.randint(1, 3), chance.randint(250, 250_000)
            owed += units * unit
            service = day - timedelta(days=chance.randrange(5))
            charges.append(dict(zip(CHARGE, [
                facility, code(chance, "C", 12), account, patient, service.isoformat(), day.isoformat(),
                f"D{chance.randrange(1, 40):03d}", str(chance.randrange(10**6, 10**9)), str(units), money(unit),
                money(units * unit), payer, code(chance, "N", 8)], strict=True)))  # fmt: skip

        def book(kind: str, method: str, amount: int, who: str, day: date = day, account: str = account) -> None:
            later = day + timedelta(days=chance.randrange(1, 7))
            transactions.append(dict(zip(TRANSACTION, [
                facility, code(chance, "T", 12), account, kind, method, later.isoformat(), money(amount), who],
                strict=True)))  # fmt: skip

        share = owed * chance.choice([100, 80, 80, 60]) // 100
        book("PAYMENT", "ECHECK", -share, payer)
        rest = owed - share
        if rest:
            book("TRANSFEROUT", "", -rest, payer)
            book("TRANSFERIN", "", rest, "SELF")
            if chance.randrange(3):
                book("PAYMENT", chance.choice(["CASH", "CHECK", "CC", "COPAY"]), -rest, "SELF")
            elif chance.randrange(2):
                book("ADJUSTMENT", "", -(rest // 2), "SELF")
    return charges, transactions


def spoil(row: Row, way: int, first: Row) -> Row:
    """Make a charge a bad one, in one of `SPOILS` ways."""
    return (
        row
        | (
            {"post_date": "31.02.2024"},
            {"charge_amount": "-12.00"},
            {"payer_code": "P99"},
            {"charge_id": ""},
            {"charge_id": first["charge_id"]},
            {"units": "0"},
            {"charge_amount": "twelve"},
        )[way % SPOILS]
    )


def write(path: Path, columns: list[str], rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode())


def total(file: str, kind: str, facility: str, month: date, rows: list[Row]) -> list[str]:
    name = "charge_amount" if kind == "charge" else "amount"
    amount = sum(int(row[name].replace(".", "")) for row in rows)
    return [file, kind, facility, f"{month:%Y-%m}", str(len(rows)), str(amount), money(amount)]


def generate(out: Path, options: argparse.Namespace) -> list[list[str]]:
    """Write the files and give the control total of each, of its good rows alone."""
    out.mkdir(parents=True, exist_ok=True)
    totals: list[list[str]] = []
    first = date.fromisoformat(f"{options.first}-01")
    for number in range(1, options.hospitals + 1):
        facility = f"HSP{number}"
        for offset in range(options.months):
            month = month_of(first, offset)
            made = hospital_month(options.seed, facility, month, options.accounts)
            for kind, columns, rows in zip(("charge", "transaction"), (CHARGE, TRANSACTION), made, strict=True):
                name = f"{facility}_{kind}_{month:%Y%m}.csv"
                write(out / name, columns, rows)
                totals.append(total(name, kind, facility, month, rows))
    if options.bad_rows:
        month = month_of(first, options.months)
        # The same month again without bad rows is the corrected file that a hospital would send.
        rows, _ = hospital_month(options.seed, "HSP1", month, options.accounts)
        # Every second row, so that a check which stops at the first bad one would be noticed.
        spoiled = {2 * n + 1: n for n in range(options.bad_rows) if 2 * n + 1 < len(rows)}
        mixed = [spoil(row, spoiled[at], rows[0]) if at in spoiled else row for at, row in enumerate(rows)]
        good = [row for at, row in enumerate(rows) if at not in spoiled]
        name = f"HSP1_charge_{month:%Y%m}.csv"
        write(out / name, CHARGE, mixed)
        totals.append(total(name, "charge", "HSP1", month, good))
    if options.wrong:
        (out / "HSP1_charge_corrected.csv").write_bytes(b"Shopping list;Price\nGloves, size M;12,50\nCoffee;8,90\n")
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--hospitals", type=int, default=3)
    parser.add_argument("--months", type=int, default=3)
    parser.add_argument("--first", default="2023-11", help="the first month, such as 2023-11")
    parser.add_argument("--accounts", type=int, default=12, help="accounts of a hospital in a month")
    parser.add_argument(
        "--bad-rows", type=int, default=SPOILS, help="bad rows in one more charge file; 0 for no such file"
    )
    parser.add_argument("--wrong", action="store_true", help="also write a file that is no billing file")
    parser.add_argument("--totals", type=Path, help="write here what the control totals must be")
    parser.add_argument("--seed", default="claims")
    options = parser.parse_args()
    totals = generate(options.out, options)
    if options.totals:
        columns = ["file", "kind", "facility_id", "post_month", "rows", "amount_cents", "amount"]
        write(options.totals, columns, [dict(zip(columns, line, strict=True)) for line in totals])
    also = " and one that is none" if options.wrong else ""
    print(f"{len(totals)} billing files{also} in {options.out}")


if __name__ == "__main__":
    main()
