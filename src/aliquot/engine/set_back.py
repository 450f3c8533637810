"""Living with a clock that was set back: no lease is for ever, and no pause."""

from sqlalchemy import Connection, text, update

from aliquot.db.tables import run, task
from aliquot.engine.lease import LEASE
from aliquot.engine.shares import IS_UNDER_WAY
from aliquot.model.retry import LONGEST_PAUSE
from aliquot.model.state import ACTIVE

FAR = 600.0
"""Seconds by which the clocks of two machines may differ; a lease that ends later than that is of another time."""
_IS_QUEUED = text("task.state = 'QUEUED'")
_LONGEST_WAIT = 1.25 * LONGEST_PAUSE


def mend_times(connection: Connection, now: float) -> int:
    """Bring back what lies too far ahead of `now` to have been written by this clock; gives how many rows it was.

    Leases then last as long as a new one: who lives renews them, and those of the dead lapse. A pause is over.
    """
    ahead = now + LEASE + FAR
    runs = update(run).where(run.c.state.in_(list(ACTIVE)), run.c.lease_until > ahead)
    leases = update(task).where(IS_UNDER_WAY, task.c.lease_until > ahead)
    waits = update(task).where(_IS_QUEUED, task.c.not_before > now + _LONGEST_WAIT)
    return (
        connection.execute(runs.values(lease_until=now + LEASE)).rowcount
        + connection.execute(leases.values(lease_until=now + LEASE)).rowcount
        + connection.execute(waits.values(not_before=now)).rowcount
    )
