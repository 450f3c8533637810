"""Going on with attempts whose supervisor is gone, under a fence of our own."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from aliquot.db.rows import chunks
from aliquot.db.tables import attempt, run, task
from aliquot.engine.claim import UNDER_WAY
from aliquot.engine.lease import LEASE
from aliquot.engine.owner import surely_dead
from aliquot.engine.taken import TAKEN, Taken, taken
from aliquot.model.seams import Leftover
from aliquot.model.state import State


def claim_left(connection: Connection, owner: str, left: Sequence[Leftover]) -> list[Taken]:
    """Claim the tasks of attempts that were left behind, as far as nobody else has taken them up; gives their rows.

    The attempts go on: their rows move to the new fence. A task counts as ours to take when its row is still at the
    attempt's fence, and its lease has lapsed or its owner is gone for sure. What runs in a paused run
    goes on to its end, too.
    """
    wanted = {each.task: each for each in left}
    now = time.time()
    ours: list[int] = []
    for part in chunks(list(wanted)):
        rows = connection.execute(
            select(task.c.id, task.c.fence, task.c.key, task.c.owner, task.c.lease_until)
            .join(run, run.c.id == task.c.run_id)
            .where(task.c.id.in_(part), task.c.state.in_(UNDER_WAY))
            .where(run.c.state.in_([State.RUNNING, State.PAUSED]), ~run.c.cancel_asked, ~run.c.stop_asked)
            .with_for_update(of=task)
        )
        for row in rows:
            same = (row.fence, row.key) == (wanted[row.id].fence, wanted[row.id].key)
            if same and (row.lease_until < now or surely_dead(row.owner)):
                ours.append(row.id)
    claimed: list[Taken] = []
    for part in chunks(ours):
        # Before the tasks, which say under which fence their attempts are.
        fence = select(task.c.fence).where(task.c.id == attempt.c.task_id).scalar_subquery()
        connection.execute(
            update(attempt)
            .where(attempt.c.task_id.in_(part), attempt.c.fence == fence, attempt.c.ended_at.is_(None))
            .values(fence=attempt.c.fence + 1)
        )
        rows = connection.execute(
            update(task)
            .where(task.c.id.in_(part))
            .values(owner=owner, fence=task.c.fence + 1, lease_until=now + LEASE, takeovers=task.c.takeovers + 1)
            .returning(*TAKEN)
        )
        claimed += taken(rows.all())
    return claimed
