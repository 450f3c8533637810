"""Read a billing file, of charges or of transactions, with amounts in whole cents."""

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

KINDS = {"charge_id": "charge", "transaction_id": "transaction"}
AMOUNTS = {"charge": "charge_amount", "transaction": "amount"}


class Unreadable(Exception):
    """The file can't be counted; the sentence says where and why."""


@dataclass(frozen=True)
class Row:
    """A row of a billing file; `amount_cents` is positive where the account owes more because of it."""

    kind: str
    values: dict[str, str]
    amount_cents: int
    post_date: date


def cents(text: str) -> int:
    """Give an amount such as `-7.50` in whole cents, exactly, or raise ValueError."""
    try:
        amount = Decimal(text.strip())
        exact = amount * 100
        whole = int(exact)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"{text!r} is not an amount") from None
    if exact != whole:
        raise ValueError(f"{text!r} has a fraction of a cent")
    return whole


def dollars(amount_cents: int) -> str:
    """Write whole cents as an amount with two decimals, exactly."""
    sign, amount = "-" if amount_cents < 0 else "", abs(amount_cents)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def read(path: Path) -> tuple[str, Iterator[Row]]:
    """Give the kind of a billing file, told by its columns, and its rows."""
    handle = path.open(encoding=encoding_of(path), newline="")
    first = handle.readline()
    handle.seek(0)
    delimiter = max(",;\t|", key=first.count)
    reader = csv.DictReader(handle, strict=True, delimiter=delimiter)
    kind = next((KINDS[name] for name in reader.fieldnames or [] if name in KINDS), None)
    if kind is None:
        handle.close()
        raise Unreadable(f"{path.name} has neither a column charge_id nor transaction_id: is it a billing file?")

    def rows() -> Iterator[Row]:
        with handle:
            for values in reader:
                try:
                    posted = date.fromisoformat(values["post_date"])
                    yield Row(kind, values, cents(values[AMOUNTS[kind]]), posted)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise Unreadable(f"{path.name}, line {reader.line_num}: {error}") from None

    return kind, rows()


def encoding_of(path: Path) -> str:
    """Tell how a file writes its letters: by the mark at its beginning, else UTF-8, else as Windows does."""
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def place(file: Path, name: str) -> Path:
    """Give a file's path inside its dataset: what follows `in/<input>/`."""
    _, found, inside = file.as_posix().rpartition(f"/in/{name}/")
    return Path(inside if found else file.name)


def names(path: Path) -> dict[str, str]:
    """Read a reference table of two columns, code and name."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return {row[0]: row[1] for row in csv.reader(handle) if len(row) == 2}


def run(main: Callable[[], None]) -> None:
    """Run a step; what can't be read ends it with a sentence instead of a traceback."""
    try:
        main()
    except Unreadable as error:
        sys.exit(str(error))
