"""What waits in quarantine as a page shows it: its findings in the rows of the file, and what can be done about it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from aliquot.access import approvals
from aliquot.access.approvals import Approval
from aliquot.datasets import places
from aliquot.db.tables import dataset
from aliquot.formats.table_page import MOST_COLUMNS
from aliquot.intake import quarantine
from aliquot.intake.quarantine import Held, HeldFile
from aliquot.lab.lab import Lab
from aliquot.lab.previews import Previews, Shown
from aliquot.model.blob import Blob, Location
from aliquot.model.errors import Missing, Unavailable
from aliquot.model.finding import Finding, Severity

_ROWS = 40
"""Rows with findings that an excerpt shows."""
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class ExcerptRow:
    """A row of the file: its number as a person counts it, and for each cell what is wrong with it, or nothing.

    `texts` are findings about the row as a whole; `gap` says that rows before it are left out.
    """

    row: int
    cells: list[str]
    faults: list[str]
    texts: list[str]
    gap: bool

    @property
    def faulty(self) -> bool:
        """Say whether a finding is about this row, rather than one beside it."""
        return bool(self.texts) or any(self.faults)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The rows around findings, under the names of their columns; `left_out` counts rows with findings beyond them."""

    columns: list[str]
    rows: list[ExcerptRow]
    left_out: int


def held_file(held: Held, path: str = "") -> HeldFile:
    """Give the file of a path in what is held, or the one that a preview is made of; `Missing` where there is none."""
    if path:
        wanted = "/" + path.lstrip("/")
        for each in held.files:
            if "/" + each.path.lstrip("/") == wanted:
                return each
        raise Missing("file-missing", f"Quarantine {held.id} holds no file {path}.", id=held.id, path=path)
    if not held.files:
        raise Missing("file-missing", f"Quarantine {held.id} holds no file.", id=held.id)
    return next((each for each in held.files if each.path.lower().endswith(".imzml")), held.files[0])


def shown_held(held: Held, file: HeldFile) -> Shown:
    """Give what a preview of a held file is made from; an .imzML goes with the .ibd that came with it."""
    beside = next((each for each in held.files if each is not file and each.path.lower().endswith(".ibd")), None)
    if not file.path.lower().endswith(".imzml"):
        beside = None
    return Shown(
        file.path, Blob(file.digest, file.size), Blob(beside.digest, beside.size) if beside is not None else None
    )


def excerpt(previews: Previews, held: Held, file: HeldFile, summary: dict[str, Any]) -> Excerpt | None:
    """Give the rows of a table around the findings; None for a file in which no finding has a row."""
    found = [each for each in held.findings if each.row is not None and _is_of(each, held, file)]
    if not found:
        return None
    place = _places(held, file, found, int(summary["first_row"]))
    faulty = sorted({each.row for each in found if each.row is not None and place(each.row) is not None})
    shown = faulty[:_ROWS]
    around = sorted({row + step for row in shown for step in (-1, 0, 1)})
    names = [str(each["name"]) for each in summary["columns"]]
    wide = [names.index(each.field) for each in found if each.field in names]
    first = max(0, min(wide) - 3) if wide and max(wide) >= MOST_COLUMNS else 0
    numbers = {at: row for row in around if (at := place(row)) is not None}
    try:
        rows = previews.table(shown_held(held, file), lambda table: table.rows(sorted(numbers), first))
    except (Missing, Unavailable):
        return None
    kept: list[ExcerptRow] = []
    for each in rows:
        row = numbers[each["row"]]
        gap = bool(kept) and row != kept[-1].row + 1
        kept.append(_marked(row, each["cells"], names[first:], [one for one in found if one.row == row], gap=gap))
    if not kept:
        return None
    width = max(len(each.cells) for each in kept)
    return Excerpt(names[first : first + width], kept, len(faulty) - len(shown))


def _is_of(finding: Finding, held: Held, file: HeldFile) -> bool:
    # The refused rows of a table have a name of their own, and are all that is held then.
    return len(held.files) == 1 or finding.file is None or file.path.endswith(finding.file)


def _places(held: Held, file: HeldFile, found: Sequence[Finding], first: int) -> Callable[[int], int | None]:
    """Give a function that says where a row of the file that arrived lies in what is held; None: it is not there.

    Of a table that was split only the refused rows are held, in their order.
    """
    if len(held.files) != 1 or file.path == held.path:
        return lambda row: row if row >= first else None
    rows = {each.row for each in found if each.row is not None and each.severity is Severity.ERROR}
    at = {row: first + place for place, row in enumerate(sorted(row for row in rows if row >= first))}
    return at.get


def _marked(row: int, cells: list[str], names: Sequence[str], found: Sequence[Finding], *, gap: bool) -> ExcerptRow:
    faults = [" ".join(each.text for each in found if each.field == name) for name in names[: len(cells)]]
    faults += [""] * (len(cells) - len(faults))
    texts = [each.text for each in found if each.field is None or each.field not in names[: len(cells)]]
    return ExcerptRow(row, cells, faults, texts, gap)


def targets(lab: Lab, connection: Connection, projects: Collection[str] | None) -> list[str]:
    """Give the datasets into which something may be let in: those that are there, and those that sources fill."""
    query = select(dataset.c.name)
    if projects is not None:
        query = query.where(dataset.c.project.in_(projects))
    there = set(connection.execute(query).scalars())
    filled = {
        rule.into
        for source in lab.config.sources.values()
        for rule in source.accept
        if projects is None or source.project in projects
    }
    return sorted(there | filled)


def require_target(lab: Lab, connection: Connection, name: str) -> None:
    """Refuse a dataset that neither is there nor receives anything: it is more likely a slip than a wish."""
    if name not in targets(lab, connection, None):
        words = f"There is no dataset {name!r}; choose one that is there, or that a source fills."
        raise Missing("dataset-unknown", words, dataset=name)


def asked_for(connection: Connection, id_: int) -> Approval | None:
    """Give what was asked of a second person about it and still waits."""
    found = approvals.approvals(connection, waiting=True)
    return next((each for each in found if each.subject == f"quarantine {id_}"), None)


def content(lab: Lab, connection: Connection, id_: int, path: str) -> tuple[HeldFile, Iterator[bytes]]:
    """Give a held file with its bytes in pieces."""
    file = held_file(quarantine.show(connection, id_), path)
    location = places.require(connection, [file.digest]).get(file.digest)
    return file, _pieces(lab, location, file.size) if location is not None else iter(())


def _pieces(lab: Lab, location: Location, size: int) -> Iterator[bytes]:
    for start in range(0, size, _PIECE):
        yield lab.store.read_range(location, start, min(_PIECE, size - start))
