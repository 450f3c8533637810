"""The audit: searched, proved, and taken out as lines that anybody can prove."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response, StreamingResponse

from aliquot.access.anchors import anchor
from aliquot.access.audit_read import Entry, Question, all_entries, entries, line_of
from aliquot.access.audit_verify import AuditReport, verify_audit
from aliquot.model.errors import Invalid
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

_PAGE = 50


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows of the audit, newest first, and what they were searched by; `next` is the cursor of what follows."""

    entries: list[Entry]
    text: str
    who: str
    action: str
    outcome: str
    since: str
    until: str
    cursor: str
    next: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What reading the whole audit again has shown."""

    report: AuditReport


@routes.page("/administration/audit", template="audit.html", action="audit.read")
def search(
    visit: AVisit, text: str = "", who: str = "", action: str = "", outcome: str = "", since: str = "",
    until: str = "", cursor: str = "",
) -> AuditPage:  # fmt: skip
    """Show who did what, and what was refused."""
    asked = Question(
        who=who or None, action=action or None, outcome=outcome or None, text=text or None, since=moment(since),
        until=moment(until),
    )  # fmt: skip
    with visit.read() as connection:
        found = entries(connection, asked, before=read_cursor(cursor), limit=_PAGE + 1)
    following = write_cursor(found[_PAGE - 1].number) if len(found) > _PAGE else None
    return AuditPage(found[:_PAGE], text, who, action, outcome, since, until, cursor, following)


@routes.page("/administration/audit/verify", template="audit_verified.html", action="audit.read")
def verify(visit: AVisit) -> Verified:
    """Read all rows again and compare them with themselves and with what the store remembers."""
    return Verified(verify_audit(visit.lab.catalogue, visit.lab.store))


@routes.raw("GET", "/administration/audit/export", action="audit.read")
def export(visit: AVisit) -> Response:
    """Give all rows as JSON lines; `aliquot admin audit verify FILE` proves them anywhere."""
    newest = anchor(visit.lab.catalogue, visit.lab.store)
    headers = {
        "content-disposition": 'attachment; filename="audit.jsonl"', "x-aliquot-audit-rows": str(newest.number),
    }  # fmt: skip
    return StreamingResponse(_lines(visit), headers=headers, media_type="application/x-ndjson")


def _lines(visit: Visit) -> Iterator[str]:
    with visit.read() as connection:
        for each in all_entries(connection):
            yield line_of(each) + "\n"


def moment(text: str) -> float | None:
    """Read a day or a time of it as seconds since 1970; None for no text."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise Invalid("time-refused", f"{text!r} is no date like 2026-11-01; correct it.", time=text) from None
