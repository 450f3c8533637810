"""What is refused to those who have not signed in: kept in the audit, but so that nobody can fill it.

Rows of the audit are never removed, and each takes its turn with everybody's changes. Of one kind, the first try from
an address in an hour is a row; those that follow are in the server's log alone.
"""

from typing import Any

import structlog
from sqlalchemy import Connection

from aliquot.access import audit, throttle
from aliquot.access.by import By
from aliquot.db import Catalogue

log: Any = structlog.get_logger()

_KIND = "refused"


def note_refused(catalogue: Catalogue, by: By, action: str, subject: str) -> None:
    """Keep in the audit that something was refused to somebody who has not signed in."""
    log.warning("refused", action=action, place=by.place, request=by.request)
    what = f"{action} {by.place}"
    with catalogue.read() as connection:
        if throttle.was_there(connection, _KIND, what):
            return

    def work(connection: Connection) -> None:
        if throttle.is_first(connection, _KIND, what):
            audit.append(connection, by, action, subject, outcome="denied")

    catalogue.repeat(work)
