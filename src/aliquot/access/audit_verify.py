"""Verifying the audit: every row's digest, the chain without gaps, and what the store remembers of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aliquot.access.anchors import anchors
from aliquot.access.audit import CHAINED, head, row_digest
from aliquot.access.audit_read import all_entries
from aliquot.blobs import Store
from aliquot.db import Catalogue

_MOST = 1_000
"""Faults that are told one by one."""


_TOLD = 1_000

Tell = Callable[[int, int], None]
"""Is told how many rows have been read, of how many."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the audit, at which row."""

    number: int
    text: str


@dataclass(slots=True)
class AuditReport:
    """What was looked at, and what is wrong. `anchored` is the highest row that the store vouches for."""

    rows: int = 0
    digest: str = ""
    anchors: int = 0
    anchored: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])

    def document(self) -> dict[str, Any]:
        """Give the report as the values that `--json` prints."""
        return {
            "rows": self.rows, "digest": self.digest, "anchors": self.anchors, "anchored": self.anchored,
            "faults": [{"number": each.number, "text": each.text} for each in self.faults],
        }  # fmt: skip


def verify_audit(catalogue: Catalogue, store: Store, tell: Tell = lambda _done, _of: None) -> AuditReport:
    """Read the whole audit and compare it with itself and with the anchors in the store."""
    vouched = {each.number: each for each in anchors(store)}
    report = AuditReport(anchors=len(vouched))
    seen: dict[int, str] = {}

    def rows() -> Iterator[Mapping[str, Any]]:
        with catalogue.read() as connection:
            newest = head(connection).number
            for each in all_entries(connection):
                if each.number % _TOLD == 0:
                    tell(each.number, newest)
                report.rows, report.digest = each.number, each.digest
                if each.number in vouched:
                    seen[each.number] = each.digest
                yield each.document()

    report.faults += _first(verify_rows(rows()))
    for number, each in sorted(vouched.items()):
        if each.digest is None:
            report.faults.append(Fault(number, f"the anchor {each.key} cannot be read"))
        elif number not in seen:
            report.faults.append(Fault(number, "the store remembers this row, and it is gone"))
        elif seen[number] != each.digest:
            report.faults.append(Fault(number, "the store remembers another digest of this row"))
        else:
            report.anchored = number
    return report


def verify_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[Fault]:
    """Give what is wrong with rows of an audit in their order, from the catalogue or from the lines of an export.

    A tail that was cut off shows only against anchors, or against the number and digest that somebody has noted.
    """
    expected, parent = 1, ""
    for row in rows:
        number = row.get("number")
        if not isinstance(number, int) or not set(row).issuperset({*CHAINED, "digest"}):
            yield Fault(expected, "what stands here is no row of an audit")
            return
        if number != expected:
            missing = f"rows {expected} to {number - 1}" if number - expected > 1 else f"row {expected}"
            yield Fault(expected, f"{missing} missing" if number > expected else "rows are out of order")
        if row["parent"] != parent:
            yield Fault(number, "it does not follow the row before: one of them was replaced")
        if row_digest(row) != row["digest"]:
            yield Fault(number, "it was altered: its digest is not the one of what it says")
        expected, parent = number + 1, row["digest"]


def _first(faults: Iterable[Fault]) -> list[Fault]:
    found: list[Fault] = []
    for each in faults:
        found.append(each)
        if len(found) >= _MOST:
            break
    return found
