"""The audit: who did what, and what was refused, in rows that are chained by their digests and never change."""

import math
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import Connection, insert, select, text

from aliquot.access.by import By, refusal
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.db import Catalogue
from aliquot.db.access_tables import audit
from aliquot.model.digest import Digest, digest_document

Outcome = Literal["done", "denied", "failed"]

_LOCK = 0x0A11_0A0D
_LONGEST = 4_000
"""Characters of one text: what is longer is a document of its own, and has a digest."""

CHAINED = ("number", "at", "who", "how", "place", "request", "action", "subject", "project", "outcome", "before",
           "after", "parent")  # fmt: skip
"""What a row's digest is taken over."""


class Head(NamedTuple):
    """The newest row: its number, 0 for none, and its digest."""

    number: int
    digest: str


def append(
    connection: Connection,
    by: By,
    action: str,
    subject: str,
    *,
    project: str = DEFAULT_PROJECT,
    outcome: Outcome = "done",
    before: Any = None,
    after: Any = None,
) -> int:
    """Add a row in the transaction of the change itself, and give its number.

    Do it last: on a server, other appends wait from here until the transaction ends. `before` and `after` are JSON
    values; secrets must not be in them.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    last = head(connection)
    row: dict[str, Any] = {
        "number": last.number + 1, "at": time.time(), "who": _kept(by.name), "how": by.how, "place": _kept(by.place),
        "request": _kept(by.request), "action": _kept(action), "subject": _kept(subject), "project": _kept(project),
        "outcome": outcome, "before": _kept(before), "after": _kept(after), "parent": last.digest,
    }  # fmt: skip
    connection.execute(insert(audit).values(**row, digest=row_digest(row)))
    return last.number + 1


def head(connection: Connection) -> Head:
    """Give the newest row's number and digest."""
    row = connection.execute(select(audit.c.number, audit.c.digest).order_by(audit.c.number.desc()).limit(1)).first()
    return Head(row.number, row.digest) if row else Head(0, "")


def row_digest(row: Mapping[str, Any]) -> Digest:
    """Digest what a row says, its parent's digest included."""
    return digest_document({name: row[name] for name in CHAINED})


def require(catalogue: Catalogue, by: By, action: str, project: str = DEFAULT_PROJECT, subject: str = "") -> None:
    """Refuse what somebody may not do, with `Denied` or `NotSignedIn`, and keep the try in the audit."""
    if not by.may(action, project):
        deny(catalogue, by, action, project, subject)


def deny(catalogue: Catalogue, by: By, action: str, project: str = DEFAULT_PROJECT, subject: str = "") -> None:
    """Keep in the audit that something was refused, and raise `Denied` or `NotSignedIn`."""
    catalogue.repeat(
        lambda connection: append(connection, by, action, subject, project=project, outcome="denied")
    )  # fmt: skip
    raise refusal(by, action, project, subject)


def _kept(value: Any) -> Any:
    """Give a JSON value as both databases can keep it, unchanged for ever."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(str(key)): _kept(each) for key, each in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_kept(each) for each in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _text(value: str) -> str:
    # No database keeps NUL, and no UTF-8 half a surrogate pair: names that somebody tries may hold either.
    plain = value.replace("\0", "\\0").encode(errors="backslashreplace").decode()
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}… ({len(plain):,} characters)"
