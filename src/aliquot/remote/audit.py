"""The audit of a lab on a server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.access.audit_read import Entry, Question
from aliquot.access.audit_verify import AuditReport, Tell
from aliquot.lab.audit_export import Exported, write_lines
from aliquot.model.errors import Damaged
from aliquot.remote.client import Client, lines_of, path_of
from aliquot.remote.lists import at_most

if TYPE_CHECKING:
    import httpx2


def entries(client: Client, asked: Question, limit: int) -> tuple[list[Entry], int]:
    """List the rows that fit, newest first, and say how many there are."""
    found = client.each(
        Entry, "/audit", "entries", limit=limit + 1, text=asked.text, who=asked.who, action=asked.action,
        subject=asked.subject, project=asked.project, outcome=asked.outcome, since=_time(asked.since),
        until=_time(asked.until),
    )  # fmt: skip
    return at_most(found, limit)


def entry(client: Client, number: int) -> Entry:
    """Give one row."""
    return client.get(Entry, path_of("audit", number))


def verify(client: Client, tell: Tell) -> AuditReport:
    """Prove all rows there; `tell` is told how many are proved, of how many."""
    return client.work(AuditReport, "/audit/verify", lambda done, total, _what: tell(done, total))


def export(client: Client, to: Path) -> Exported:
    """Write all rows to a new file; fewer than the server has said that there are is `Damaged`, and no file."""
    with client.stream("/audit/export") as response:
        said = response.headers.get("x-aliquot-audit-rows", "")
        head = int(said) if said.isdecimal() else 0
        rows, last = write_lines(to, _lines(response, head))
    return Exported(rows, last, head)


def _lines(response: "httpx2.Response", least: int) -> Iterator[tuple[str, str]]:
    rows = 0
    for rows, each in enumerate(lines_of(response), 1):
        try:
            digest = str(json.loads(each)["digest"])
            yield each.decode(), digest
        except (ValueError, KeyError, TypeError) as error:
            words = f"What came as row {rows} of the audit is none; take it out again."
            raise Damaged("transfer-damaged", words, row=rows) from error
    if rows < least:
        words = f"Of {least:,} rows of the audit {rows:,} came; take it out again, or let the lab prove its audit."
        raise Damaged("transfer-damaged", words, rows=rows)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
