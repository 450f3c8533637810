"""Taking the audit out of the lab: its rows as lines of JSON in a new file."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from aliquot.access.anchors import anchor
from aliquot.access.audit_read import all_entries, line_of
from aliquot.lab.held_export import drafted_file
from aliquot.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows, the digest of the last one, and the row for which the store vouched when it began."""

    rows: int
    digest: str
    head: int


def export_audit(lab: Lab, to: Path) -> Exported:
    """Write all rows to a new file, compressed where its name ends with .gz; all of them, or no file."""
    newest = anchor(lab.catalogue, lab.store)
    with lab.catalogue.read() as connection:
        rows, last = write_lines(to, ((line_of(each), each.digest) for each in all_entries(connection)))
    return Exported(rows, last, newest.number)


def write_lines(to: Path, lines: Iterable[tuple[str, str]]) -> tuple[int, str]:
    """Write lines with their digests to a new file; gives how many, and the last digest."""
    rows, last = 0, ""
    with drafted_file(to) as draft, opened(draft, "xt", compressed=is_compressed(to)) as file:
        for line, digest in lines:
            file.write(line + "\n")
            rows, last = rows + 1, digest
    return rows, last


def is_compressed(path: Path) -> bool:
    """Say whether an export of this name is compressed."""
    return path.suffix == ".gz"


def opened(path: Path, mode: str, *, compressed: bool) -> TextIO:
    """Open an export, as text."""
    opener: Any = gzip.open if compressed else open
    return opener(path, mode, encoding="utf-8")
