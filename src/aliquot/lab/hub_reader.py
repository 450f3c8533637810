"""Whether people's queries of the hub have a role of their own."""

from typing import Any

import structlog

from aliquot.hub.reader import require_same_database
from aliquot.lab.lab import Lab
from aliquot.model.errors import AliquotError, Unavailable

log: Any = structlog.get_logger()

_ADVICE = (
    "Queries of people have the role that loads the hub's tables: make one that may only read, and name it as "
    "'hub_reader' in aliquot.yaml."
)


def advice(lab: Lab) -> list[str]:
    """Give what an administrator should do about it; nothing where all is well."""
    return [_ADVICE] if lacks_reader(lab) else []


def require_own_reader(lab: Lab) -> None:
    """Refuse a `hub_reader` of another database than the hub's own, before anybody asks it.

    Where the database is out of reach it is looked at with the first query.
    """
    if lab.config.hub_reader is None:
        return
    try:
        require_same_database(lab.hub)
    except Unavailable as error:
        log.warning("the hub cannot be reached; its reader is looked at with the first query", reason=error.message)


def lacks_reader(lab: Lab) -> bool:
    """Say whether queries run with the role that loads tables, on PostgreSQL, for want of one that may only read."""
    try:
        hub = lab.hub
    except AliquotError:
        # A hub that cannot be opened is told to whoever asks it; everything else goes on.
        return False
    return hub.dialect == "postgresql" and not hub.reader
