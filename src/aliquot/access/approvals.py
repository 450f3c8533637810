"""Approvals: what one person asks for and a second one signs, with a reason, before it is done."""

import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from aliquot.access import audit
from aliquot.access.by import By, require_may
from aliquot.access.people import Person
from aliquot.db.access_tables import approval
from aliquot.model.digest import digest_document
from aliquot.model.errors import Conflict, Denied, Invalid, Missing


@dataclass(frozen=True, slots=True)
class Approval:
    """What was asked for. `document` says it in full; a signature holds for that document alone, by its digest."""

    id: int
    action: str
    subject: str
    project: str
    document: Mapping[str, Any]
    digest: str
    asked_by: str
    asked_at: float
    because: str
    state: str
    decided_by: str | None
    decided_at: float | None
    reason: str | None
    signature: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Give the approval as the values that `--json` and the API print."""
        return asdict(self)


def ask(
    connection: Connection, by: By, action: str, subject: str, document: Mapping[str, Any], because: str, project: str
) -> Approval:
    """Ask for a second person; the same thing is asked for once at a time: `Conflict` otherwise."""
    require_may(by, action, project, subject)
    _require_reason(because)
    waiting = (approval.c.action == action) & (approval.c.subject == subject) & (approval.c.state == "WAITING")
    there = connection.execute(select(approval.c.id).where(waiting)).scalar()
    if there is not None:
        words = f"Approval {there} for the same waits already; `aliquot approval show {there}` says for what."
        raise Conflict("approval-waiting", words, approval=there)
    row = {
        "action": action, "subject": subject, "project": project, "document": dict(document),
        "digest": digest_document(document), "asked_by": by.name, "asked_at": time.time(), "because": because,
        "state": "WAITING",
    }  # fmt: skip
    id_: int = connection.execute(insert(approval).values(row)).inserted_primary_key[0]  # pyright: ignore[reportOptionalSubscript]
    after = {"approval": id_, "digest": row["digest"], "because": because}
    audit.append(connection, by, "approval.ask", subject, project=project, after=after)
    return find(connection, id_)


def require_second(asked: Approval, second: Person, by: By) -> None:
    """Refuse who may not sign: whoever asked, and whoever could not do it either."""
    if asked.state != "WAITING":
        raise Conflict("approval-decided", f"Approval {asked.id} is {asked.state} already.", approval=asked.id)
    if second.name == asked.asked_by:
        raise Denied("approval-own", "A second person has to sign: who asked cannot.", approval=asked.id)
    require_may(by, "approval.give", asked.project, asked.subject)
    require_may(by, asked.action, asked.project, asked.subject)


def sign(connection: Connection, by: By, asked: Approval, second: Person, reason: str, *, approve: bool) -> None:
    """Write a second person's decision, whose password has been checked; `Conflict` when it is decided already."""
    _require_reason(reason)
    now = time.time()
    signature = {
        "name": second.name, "title": second.title, "at": now, "meaning": "approved" if approve else "refused",
        "for": asked.digest, "by": "password",
    }  # fmt: skip
    _decide(connection, asked, {
        "state": "APPROVED" if approve else "REFUSED", "decided_by": second.name, "decided_at": now, "reason": reason,
        "signature": signature,
    })  # fmt: skip
    after = {"approval": asked.id, "reason": reason, "signature": signature}
    audit.append(connection, by, "approval.give", asked.subject, project=asked.project, after=after)


def withdraw(connection: Connection, by: By, id_: int) -> Approval:
    """Take back what was asked for: by whoever asked, or an administrator."""
    asked = find(connection, id_)
    if by.name != asked.asked_by:
        require_may(by, "people.manage", subject=asked.subject)
    _decide(connection, asked, {"state": "WITHDRAWN", "decided_by": by.name, "decided_at": time.time()})
    after = {"approval": id_, "withdrawn": True}
    audit.append(connection, by, "approval.ask", asked.subject, project=asked.project, after=after)
    return find(connection, id_)


def find(connection: Connection, id_: int) -> Approval:
    """Give what was asked for under a number, or `Missing`."""
    row = connection.execute(select(approval).where(approval.c.id == id_)).first()
    if row is None:
        raise Missing("approval-missing", f"There is no approval {id_}; `aliquot approval list` shows them.", id=id_)
    return Approval(*row)


def approvals(
    connection: Connection, *, waiting: bool = True, limit: int = 100, before: int | None = None,
    projects: Collection[str] | None = None,
) -> list[Approval]:  # fmt: skip
    """List what was asked for, newest first; only what waits, or all; of some projects, None: of all.

    `before` keeps to lower numbers.
    """
    query = select(approval).order_by(approval.c.id.desc()).limit(limit)
    if waiting:
        query = query.where(approval.c.state == "WAITING")
    if before is not None:
        query = query.where(approval.c.id < before)
    if projects is not None:
        query = query.where(approval.c.project.in_(projects))
    return [Approval(*row) for row in connection.execute(query)]


def _decide(connection: Connection, asked: Approval, values: Mapping[str, Any]) -> None:
    here = (approval.c.id == asked.id) & (approval.c.state == "WAITING") & (approval.c.digest == asked.digest)
    if connection.execute(update(approval).where(here).values(dict(values))).rowcount != 1:
        raise Conflict("approval-decided", f"Approval {asked.id} is decided already.", approval=asked.id)


def _require_reason(because: str) -> None:
    if not because.strip():
        raise Invalid("because-absent", "Say why: the reason is kept with the decision.")
