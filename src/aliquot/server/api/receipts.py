"""`/api/v1/receipts`: what arrived, for programs."""

from pydantic import BaseModel, Field

from aliquot.intake.receipts import Receipt
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit
from aliquot.server.web.receipts import one_receipt, page_of_receipts, project_of_receipt

routes = Routes("/api/v1")


class ReceiptList(BaseModel):
    """Receipts, newest first; `next` is the cursor of what follows, null at the end."""

    receipts: list[Receipt]
    next: str | None = Field(examples=["djE6MTI"])


@routes.api("GET", "/receipts", action="receipt.read")
def list_receipts(
    visit: AVisit, q: str = "", dataset: str = "", source: str = "", cursor: str = "", limit: Limit = PAGE
) -> ReceiptList:
    """List what arrived; `q` is a digest, eight of its first digits or more, or part of a file's path."""
    found, following = page_of_receipts(visit, q, dataset, source, cursor, limit)
    return ReceiptList(receipts=found, next=following)


@routes.api("GET", "/receipts/{number}", action="receipt.read", project=project_of_receipt)
def show_receipt(visit: AVisit, number: int) -> Receipt:
    """Show the record of one arrival."""
    with visit.read() as connection:
        return one_receipt(connection, number)
