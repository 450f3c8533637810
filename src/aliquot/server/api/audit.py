"""`/api/v1/audit`: who did what, and whether that record is whole, for programs."""

from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from aliquot.access.audit_read import Entry, Question, entries
from aliquot.access.audit_verify import AuditReport, verify_audit
from aliquot.lab.upkeep import prove_audit
from aliquot.model.errors import Missing
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web import audit
from aliquot.server.web.datasets import PAGE, Limit
from aliquot.server.working import LINES, Progress, told_as_it_goes

routes = Routes("/api/v1")

_PROVED = (
    '{"done": 1000, "total": 1312, "what": ""}\n'
    '{"result": {"rows": 1312, "digest": "blake3:5f1c…", "anchors": 3, "anchored": 1300, "faults": []}}\n'
)


class EntryList(BaseModel):
    """Rows of the audit, newest first; `next` is the cursor of what follows, null at the end."""

    entries: list[Entry]
    next: str | None = Field(examples=["djE6MTI"])


@routes.api("GET", "/audit", action="audit.read")
def search(
    visit: AVisit, text: str = "", who: str = "", action: str = "", subject: str = "", project: str = "",
    outcome: Literal["", "done", "denied", "failed"] = "", since: str = "", until: str = "", cursor: str = "",
    limit: Limit = PAGE,
) -> EntryList:  # fmt: skip
    """Find rows: `text` stands somewhere in them, `subject` may end with `*`, times are like 2026-11-01T08:00."""
    asked = Question(
        who or None, action or None, subject or None, project or None, outcome or None, text or None,
        audit.moment(since), audit.moment(until),
    )  # fmt: skip
    with visit.read() as connection:
        found = entries(connection, asked, before=read_cursor(cursor), limit=limit + 1)
    following = write_cursor(found[limit - 1].number) if len(found) > limit else None
    return EntryList(entries=found[:limit], next=following)


@routes.api("GET", "/audit/verify", action="audit.read")
def verify(visit: AVisit) -> AuditReport:
    """Read all rows again and compare them with themselves and with what the store remembers."""
    return verify_audit(visit.lab.catalogue, visit.lab.store)


@routes.raw("POST", "/audit/verify", action="audit.read", media=LINES, example=_PROVED)
def prove(visit: AVisit) -> Response:
    """Read all rows again, and where they are right let the store vouch for them.

    Lines of JSON as it goes, with `done` and `total` rows, the last with its `result`. It ends when the asker leaves.
    """

    def work(told: Progress) -> AuditReport:
        return prove_audit(visit.lab, visit.by, lambda done, total: told(done, total, ""))

    return told_as_it_goes(work, turn="audit")


@routes.raw("GET", "/audit/export", action="audit.read", media="application/x-ndjson")
def export(visit: AVisit) -> Response:
    """Give all rows as JSON lines; `aliquot admin audit verify FILE` proves them anywhere."""
    return audit.export(visit)


@routes.api("GET", "/audit/{number}", action="audit.read")
def show_entry(visit: AVisit, number: str) -> Entry:
    """Show one row with what was before and after."""
    wanted = whole_number(number)
    with visit.read() as connection:
        found = entries(connection, before=wanted + 1, limit=1)
    if not found or found[0].number != wanted:
        raise Missing("audit-row-missing", f"The audit has no row {wanted}.", number=wanted)
    return found[0]
