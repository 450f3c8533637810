"""`/api/v1/receipts`: what arrived, for programs."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from aliquot.intake.receipts import Receipt
from aliquot.intake.wanted import Wanted
from aliquot.server.cursor import read_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit
from aliquot.server.web.receipts import one_receipt, page_of_receipts, project_of_receipt

routes = Routes("/api/v1")

Number = Annotated[int, Query(ge=1, lt=2**63)]


class ReceiptList(BaseModel):
    """Receipts, newest first; `next` is the cursor of what follows, null at the end."""

    receipts: list[Receipt]
    next: str | None = Field(examples=["djE6MTI"])


@routes.api("GET", "/receipts", action="receipt.read")
def list_receipts(
    visit: AVisit, q: str = "", dataset: str = "", source: str = "", name: str = "", digest: str = "",
    before: Number | None = None,
    cursor: str = "", limit: Limit = PAGE,
) -> ReceiptList:  # fmt: skip
    """List what arrived; `q` is a digest, eight of its first digits or more, or part of a file's path.

    `name` is a file's name or whole path, `digest` a digest or its first digits. `before` keeps to receipts with lower
    numbers.
    """
    wanted = Wanted(
        digest=digest or None, name=name or None, dataset=dataset or None, source=source or None,
        before=read_cursor(cursor) or before,
    )  # fmt: skip
    found, following = page_of_receipts(visit, q, wanted, limit)
    return ReceiptList(receipts=found, next=following)


@routes.api("GET", "/receipts/{number}", action="receipt.read", project=project_of_receipt)
def show_receipt(visit: AVisit, number: int) -> Receipt:
    """Show the record of one arrival."""
    with visit.read() as connection:
        return one_receipt(connection, number)
