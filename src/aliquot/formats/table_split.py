"""A table cut in two: rows that are good go on, refused rows wait for a person."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from aliquot.formats.dialect import Dialect, detect
from aliquot.formats.table_rows import read_rows
from aliquot.formats.table_survey import Shape, survey
from aliquot.model.finding import Report, Severity

_BATCH = 4096


def split_table(path: Path, report: Report, valid_to: Path, refused_to: Path) -> tuple[int, int]:
    """Write a table's good and refused rows to two files, each with the header, and give how many rows each has.

    Every row keeps its bytes: quotes, encoding, order and line ends. A finding about the whole file or its header
    refuses every row. `report` is what `check_table` said of this very file.
    """
    dialect = detect(path)
    with path.open("rb") as file, valid_to.open("wb") as valid, refused_to.open("wb") as refused:
        mark = file.read(dialect.mark)
        rows = _raw_rows(path, dialect)
        head = next(rows, b"")
        if _broken_wide(dialect, report):
            # Rewriting its rows would lose the damaged bytes, which a person may want to see.
            file.seek(0)
            shutil.copyfileobj(file, refused)
            valid.write(mark + head)
            return 0, sum(1 for _ in rows)
        for target in (valid, refused):
            target.write(mark + head)
        counts = [0, 0]
        batches: tuple[list[bytes], list[bytes]] = [], []
        all_refused = _refuses_all(report)
        rows_told = int(str(report.facts["rows"]))
        refusals = iter(report.refused_rows)
        refusal = next(refusals, -1)
        for number, raw in enumerate(rows):
            side = 1 if all_refused or number == refusal else 0
            if number == refusal:
                refusal = next(refusals, -1)
            # Blank rows at the end go with the good ones, but are none.
            if side or number < rows_told:
                counts[side] += 1
            batches[side].append(raw)
            if len(batches[side]) >= _BATCH:
                (valid, refused)[side].writelines(batches[side])
                batches[side].clear()
        valid.writelines(batches[0])
        refused.writelines(batches[1])
    return counts[0], counts[1]


def _refuses_all(report: Report) -> bool:
    return any(one.severity is Severity.ERROR and one.row in {None, 1} for one in report.findings)


def _broken_wide(dialect: Dialect, report: Report) -> bool:
    return dialect.wide and any(one.code == "encoding-error" and one.row is None for one in report.findings)


def _raw_rows(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """Give the bytes of each row, the header first."""
    if not dialect.wide:
        first = next(read_rows(path, dialect), None)
        if first is None:
            return
        if survey(path, dialect, len(first.cells)).shape is Shape.PLAIN:
            with path.open("rb") as file:
                file.seek(dialect.mark)
                yield from file
            return
    for row in read_rows(path, dialect):
        yield row.raw
