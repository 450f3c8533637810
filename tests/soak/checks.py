"""What must hold of a lab after its troubles: by itself, and compared with an undisturbed one."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import attempt, event, published, result, run, task
from aliquot.engine.parked import FAILED
from aliquot.model.reference import Reference
from aliquot.model.state import CHANGES, ENDED, State
from soak import processes
from soak.lab import SoakLab

_FRESH = {"run": State.QUEUED, "task": State.QUEUED}


def outcome_of(catalogue: Catalogue, number: int) -> dict[str, Any]:
    """Tell all of a run that troubles may not change: its end, its parked datums, and what it published."""
    with catalogue.read() as connection:
        row = connection.execute(select(run).where(run.c.id == number)).one()
        tasks = connection.execute(select(task).where(task.c.run_id == number)).all()
        versions = connection.execute(
            select(published).where(published.c.run_id == number).order_by(published.c.output)
        ).all()
        return {
            "state": row.state,
            "parked": sorted(
                (each.step, _label(each), each.state, each.cause) for each in tasks if each.state in FAILED
            ),
            "causes": row.causes,
            "tasks": dict(Counter(f"{each.step} {each.state}" for each in tasks)),
            "versions": {each.output: _files(connection, each.dataset, each.number) for each in versions},
            "numbers": {each.output: each.number for each in versions},
        }


def faults_of(catalogue: Catalogue) -> list[str]:
    """List what a catalogue holds that it may not hold, whatever has happened."""
    with catalogue.read() as connection:
        return [
            *_wrong_changes(connection),
            *_doubled(connection),
            *[f"run {number} has not ended" for number in _open_runs(connection)],
        ]


def leftovers_of(lab: SoakLab) -> list[str]:
    """List the processes and temporary files that a lab without supervisors still has."""
    found = [f"process {pid}: {line}" for pid, line in processes.every(lab.folder).items()]
    work = lab.folder / ".aliquot" / "work"
    found += [f"in the work folder: {each.name}" for each in sorted(work.iterdir())]
    # What writers that were killed have left goes a day later: it is made to be a day old.
    for draft in (lab.folder / ".aliquot" / "store" / "drafts").iterdir():
        os.utime(draft, (0, 0))
    lab.run("sweep", "--yes")
    found += [f"a draft: {each.name}" for each in (lab.folder / ".aliquot" / "store" / "drafts").iterdir()]
    return found


def hub_rows(lab: SoakLab) -> list[Any]:
    """Give the rows of the lab's table."""
    return lab.json("hub", "query", "SELECT name, n FROM squares ORDER BY name", "--limit", "100000")["rows"]


def _label(row: Any) -> str:
    return "+".join(part[0] for part in row.datum["parts"].values())


def _files(connection: Connection, dataset: str, number: int) -> list[tuple[str, str, int]]:
    found = entries(connection, resolve(connection, Reference(dataset, str(number))))
    return sorted((each.path, str(each.digest), each.size) for each in found)


def _open_runs(connection: Connection) -> Sequence[int]:
    return connection.execute(select(run.c.id).where(run.c.state.not_in(ENDED))).scalars().all()


def _wrong_changes(connection: Connection) -> list[str]:
    """Follow every run and task through its events: each begins where the one before has ended, as the table lists."""
    faults: list[str] = []
    now: dict[tuple[str, int], State] = {}
    completed: Counter[tuple[str, int]] = Counter()
    query = select(event).where(event.c.kind.in_(list(_FRESH))).order_by(event.c.id)
    for each in connection.execute(query):
        subject = (each.kind, each.subject)
        before, after = State(each.before), State(each.after)
        if after not in CHANGES[each.kind].get(before, ()):
            faults.append(f"{each.kind} {each.subject} went from {before} to {after}")
        if now.get(subject, _FRESH[each.kind]) is not before:
            faults.append(f"{each.kind} {each.subject} was {now.get(subject)}, and then went from {before}")
        now[subject] = after
        completed[subject] += after is State.COMPLETE
    faults += [f"{kind} {number} was completed {times} times"
               for (kind, number), times in completed.items() if times > 1]  # fmt: skip
    for kind, table in (("run", run), ("task", task)):
        for number, state in connection.execute(select(table.c.id, table.c.state)):
            if (kind, number) in now and now[kind, number] != state:
                faults.append(f"{kind} {number} is {state}, its events say {now[kind, number]}")
    return faults


def _doubled(connection: Connection) -> list[str]:
    """Look for work that was taken in twice, or not at all."""
    faults: list[str] = []
    done = connection.execute(select(task.c.key, task.c.id, task.c.fence).where(task.c.state == State.COMPLETE)).all()
    results = {row.key: row.task_id for row in connection.execute(select(result.c.key, result.c.task_id))}
    keys = {row.key for row in done}
    faults += [f"the task {row.id} is complete and its key has no result" for row in done if row.key not in results]
    faults += [f"the key {key} has a result and no complete task" for key in results if key not in keys]
    fences = {row.id: row.fence for row in done}
    good = connection.execute(select(attempt.c.task_id, attempt.c.fence).where(attempt.c.state == State.COMPLETE)).all()
    for number, times in Counter(row.task_id for row in good).items():
        if times > 1:
            faults.append(f"{times} attempts at task {number} were taken in")
    faults += [f"attempt {row.task_id}-{row.fence} was taken in under a fence that was not the last"
               for row in good if fences.get(row.task_id) != row.fence]  # fmt: skip
    still = connection.execute(select(func.count()).where(attempt.c.ended_at.is_(None))).scalar_one()
    if still:
        faults.append(f"{still} attempts have not ended")
    return faults
