"""Receipts: what arrived and what became of it; found by a file's name or digest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from aliquot.access.projects import project_of_dataset, project_of_held
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.intake.receipts import Receipt, Wanted, find
from aliquot.model.digest import PREFIX
from aliquot.model.errors import Missing
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.datasets import PAGE, Limit, plain

routes = Routes()

_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class ReceiptsPage:
    """Receipts, newest first. `next` is the cursor of what follows, None at the end."""

    receipts: list[Receipt]
    q: str
    dataset: str
    source: str
    cursor: str
    next: str | None


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """A receipt, with what people said of the file: value and origin by name."""

    receipt: Receipt
    described: dict[str, Any]


def project_of_receipt(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of what a receipt tells of."""
    found = one_receipt(connection, whole_number(path["number"]))
    project = project_of_dataset(connection, found.dataset) if found.dataset else None
    if project is None and found.quarantine_id is not None:
        project = project_of_held(connection, found.quarantine_id)
    return project or DEFAULT_PROJECT


def one_receipt(connection: Connection, number: int) -> Receipt:
    """Give a receipt by its number; `Missing` when there is none."""
    found = find(connection, Wanted(id=number), 1)
    if not found:
        raise Missing(
            "receipt-missing",
            f"There is no receipt {number}; `aliquot receipts list` shows what has arrived.",
            id=number,
        )
    return found[0]


def page_of_receipts(visit: Visit, q: str, wanted: Wanted, limit: int) -> tuple[list[Receipt], str | None]:
    """Give a page of the receipts that a person may see, and the cursor of the next.

    `q` is a digest, or its first eight digits or more, or else part of a path.
    """
    q = plain(q).strip()
    for each in (wanted.name, wanted.digest, wanted.dataset, wanted.source):
        plain(each or "")
    wanted = replace(wanted, projects=visit.projects("receipt.read"))
    with visit.read() as connection:
        found: list[Receipt] = []
        if _DIGEST.fullmatch(q.lower().removeprefix(PREFIX)):
            found = find(connection, replace(wanted, digest=q.lower()), limit + 1)
        if q and not found:
            found = find(connection, replace(wanted, part=q), limit + 1)
        if not q:
            found = find(connection, wanted, limit + 1)
    return found[:limit], write_cursor(found[limit - 1].id) if len(found) > limit else None


@routes.page("/receipts", template="receipts.html", action="receipt.read")
def list_receipts(
    visit: AVisit, q: str = "", dataset: str = "", source: str = "", cursor: str = "", limit: Limit = PAGE
) -> ReceiptsPage:
    """List what arrived, newest first."""
    wanted = Wanted(dataset=dataset or None, source=source or None, before=read_cursor(cursor))
    found, following = page_of_receipts(visit, q, wanted, limit)
    return ReceiptsPage(found, q, dataset, source, cursor, following)


@routes.page("/receipts/{number}", template="receipt.html", action="receipt.read", project=project_of_receipt)
def show_receipt(visit: AVisit, number: int) -> ReceiptPage:
    """Show the record of one arrival."""
    with visit.read() as connection:
        found = one_receipt(connection, number)
    said: dict[str, Any] = found.facts.get("described", {})
    return ReceiptPage(found, said)
