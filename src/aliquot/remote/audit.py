"""The audit of a lab on a server."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aliquot.access.audit_read import Entry, Question
from aliquot.remote.client import Client, path_of
from aliquot.remote.lists import at_most


@dataclass(frozen=True, slots=True)
class EntryList:
    """A page of the audit."""

    entries: list[Entry]
    next: str | None


def entries(client: Client, asked: Question, limit: int) -> tuple[list[Entry], int]:
    """List the rows that fit, newest first, and say how many there are."""
    pages = client.pages(
        EntryList, "/audit", limit=limit + 1, text=asked.text, who=asked.who, action=asked.action,
        subject=asked.subject, project=asked.project, outcome=asked.outcome, since=_time(asked.since),
        until=_time(asked.until),
    )  # fmt: skip
    return at_most((each for page in pages for each in page.entries), limit)


def entry(client: Client, number: int) -> Entry:
    """Give one row."""
    return client.get(Entry, path_of("audit", number))


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
