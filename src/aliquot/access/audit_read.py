"""Reading the audit: the rows that fit a question, and all of them for export."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, func, or_, select

from aliquot.access.audit import CHAINED
from aliquot.db.access_tables import audit

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit. `at` is in seconds since 1970; `before` and `after` are JSON values."""

    number: int
    at: float
    who: str
    how: str
    place: str
    request: str
    action: str
    subject: str
    project: str
    outcome: str
    before: Any
    after: Any
    parent: str
    digest: str

    def document(self) -> dict[str, Any]:
        """Give the row as the values that `--json`, export and the API print."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows are wanted; what is None is not asked.

    `subject` may end with `*`; `text` is looked for in all texts of a row, whatever its case; times are in seconds
    since 1970, `since` included and `until` not.
    """

    who: str | None = None
    action: str | None = None
    subject: str | None = None
    project: str | None = None
    outcome: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None


def entries(
    connection: Connection, question: Question | None = None, *, before: int | None = None, limit: int = 50
) -> list[Entry]:
    """List rows, newest first: at most `limit`, and with `before` only those with lower numbers."""
    query = select(audit).where(*_wanted(question or Question()))
    if before is not None:
        query = query.where(audit.c.number < before)
    return [_entry(row) for row in connection.execute(query.order_by(audit.c.number.desc()).limit(limit))]


def count_entries(connection: Connection, question: Question | None = None) -> int:
    """Count the rows that fit."""
    query = select(func.count()).select_from(audit).where(*_wanted(question or Question()))
    return connection.execute(query).scalar_one()


def all_entries(connection: Connection, after: int = 0) -> Iterator[Entry]:
    """Go through all rows in their order, those after a number, however many there are."""
    while True:
        query = select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(_PAGE)
        rows = connection.execute(query).all()
        for row in rows:
            yield _entry(row)
        if len(rows) < _PAGE:
            return
        after = rows[-1].number


def line_of(entry: Entry) -> str:
    """Write a row as a line of an export: all that its digest covers, and the digest, so that anybody can prove it."""
    return json.dumps(entry.document(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(**{name: getattr(row, name) for name in (*CHAINED, "digest")})


def _wanted(asked: Question) -> list[Any]:
    columns = audit.c
    wanted: list[Any] = [
        column == value
        for column, value in (
            (columns.who, asked.who), (columns.action, asked.action), (columns.project, asked.project),
            (columns.outcome, asked.outcome),
        )
        if value is not None
    ]  # fmt: skip
    if asked.subject is not None:
        if asked.subject.endswith("*"):
            wanted.append(columns.subject.startswith(asked.subject[:-1], autoescape=True))
        else:
            wanted.append(columns.subject == asked.subject)
    if asked.text is not None:
        texts = (columns.who, columns.place, columns.action, columns.subject, cast(columns.before, Text),
                 cast(columns.after, Text))  # fmt: skip
        wanted.append(or_(*(each.icontains(asked.text, autoescape=True) for each in texts)))
    if asked.since is not None:
        wanted.append(columns.at >= asked.since)
    if asked.until is not None:
        wanted.append(columns.at < asked.until)
    return wanted
