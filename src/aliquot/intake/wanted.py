"""Which receipts are looked for, and how they are found: by their own rows, or by the entries of a delivery."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, null, select, union_all

from aliquot.db.tables import dataset, entry, quarantine, receipt
from aliquot.model.digest import PREFIX

_COLUMNS = [column.name for column in receipt.c]
_OF_ENTRIES = frozenset({"path", "size", "digest"})
_OF_FILES: dict[str, ColumnElement[Any]] = {"entry_path": entry.c.path, "files": null()}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which receipts are looked for; what is None chooses nothing.

    `digest` may be its first digits, `name` a file's name in either case or its whole path, `part` some of its path
    in either case, `before` the id of the last one of the page before, `projects` those of
    the datasets into which something went, or of the quarantine in which it waits.
    """

    digest: str | None = None
    name: str | None = None
    part: str | None = None
    dataset: str | None = None
    source: str | None = None
    quarantine_id: int | None = None
    before: int | None = None
    projects: Collection[str] | None = None
    id: int | None = None

    def query(self) -> Select[Any]:
        """Give the query: of a delivery one row or, where a file is asked for, one for each such file."""
        if self.digest is None and self.name is None and self.part is None:
            return select(receipt).where(*self._of_receipts())
        alone = select(receipt).where(receipt.c.files.is_(None), *self._of_receipts(), *self._of_files(receipt))
        columns = [entry.c[name] if name in _OF_ENTRIES else _OF_FILES.get(name, receipt.c[name]) for name in _COLUMNS]
        within = select(*columns).where(receipt.c.files.isnot(None), *self._of_receipts(), *self._of_files(entry))
        if self.digest is None:
            # Found by dataset and version, which both databases can do without reading every entry.
            of = and_(entry.c.added == receipt.c.version, entry.c.receipt_id == receipt.c.id)
            held = receipt.join(dataset, dataset.c.name == receipt.c.dataset)
            within = within.select_from(held.join(entry, and_(entry.c.dataset_id == dataset.c.id, of)))
        else:
            within = within.select_from(entry.join(receipt, receipt.c.id == entry.c.receipt_id))
        either = union_all(alone, within).subquery()
        return select(*[either.c[column.name].label(column.name) for column in receipt.c])

    def _of_files(self, table: Table) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.digest is not None:
            start = self.digest if self.digest.startswith(PREFIX) else PREFIX + self.digest
            found += [table.c.digest >= start, table.c.digest < start + "g"]
        if self.name is not None and self.name.startswith("/"):
            found.append(table.c.path == self.name)
        elif self.name is not None:
            found.append(table.c.path.iendswith("/" + self.name, autoescape=True))
        if self.part is not None:
            found.append(table.c.path.icontains(self.part, autoescape=True))
        return found

    def _of_receipts(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        for column, value in ((receipt.c.dataset, self.dataset), (receipt.c.source, self.source),
                              (receipt.c.quarantine_id, self.quarantine_id)):  # fmt: skip
            if value is not None:
                found.append(column == value)
        if self.id is not None:
            found.append(receipt.c.id == self.id)
        if self.projects is not None:
            found.append(of_projects(self.projects))
        if self.before is not None:
            found.append(receipt.c.id < self.before)
        return found


def of_projects(projects: Collection[str]) -> ColumnElement[bool]:
    """Give the condition that a receipt is of a dataset, or of quarantine, of some projects."""
    taken = receipt.c.dataset.in_(select(dataset.c.name).where(dataset.c.project.in_(projects)))
    held = receipt.c.quarantine_id.in_(select(quarantine.c.id).where(quarantine.c.project.in_(projects)))
    return taken | held
