"""What people do with runs that are there: the same checks and the same audit, whether a page, a program or a command
asks.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from aliquot.access import audit
from aliquot.access.by import By, require_may, unseen
from aliquot.access.projects import project_of_dataset
from aliquot.access.rights import EVERYWHERE
from aliquot.engine import control, recall
from aliquot.engine.start import Order
from aliquot.engine.start import start as engine_start
from aliquot.model.reference import parse_reference
from aliquot.model.task import Cause

RunRow = Row[*tuple[Any, ...]]


def start(connection: Connection, by: By, order: Order) -> int:
    """Queue a run that a person asks for, and give its number."""
    pipeline = order.applied.pipeline
    project, subject = pipeline.project, f"pipeline {pipeline.pipeline}"
    require_may(by, "run.start", project, subject)
    if order.publish:
        require_may(by, "run.publish", project, subject)
        for each in pipeline.outputs.values():
            of = project_of_dataset(connection, each.publish) if each.publish else None
            require_may(by, "run.publish", of or project, f"dataset {each.publish}")
    if order.priority is not None:
        require_may(by, "run.prioritise", project, subject)
    for name, given in pipeline.inputs.items():
        require_readable(connection, by, order.inputs.get(name, given.dataset))
    number = engine_start(connection, order)
    assert number is not None  # only an order with a signature can find its run there already
    after = {
        "pipeline": pipeline.pipeline, "definition": order.applied.digest, "parameters": dict(order.parameters),
        "inputs": dict(order.inputs), "publish": order.publish,
    }  # fmt: skip
    audit.append(connection, by, "run.start", f"run {number}", project=project, after=after)
    return number


def require_readable(connection: Connection, by: By, reference: str) -> None:
    """Refuse an input that somebody may not read: what a run gives would show it to them."""
    name = parse_reference(reference).dataset
    of = project_of_dataset(connection, name)
    if of is not None:
        require_may(by, "dataset.read", of, f"dataset {name}")
    elif not by.rights.sees(EVERYWHERE):
        raise unseen()


def cancel(connection: Connection, by: By, number: int) -> RunRow:
    """Ask for the end of a run, and give its row."""
    return _steer(connection, by, "run.cancel", number, lambda: control.cancel(connection, number), "cancel")


def pause(connection: Connection, by: By, number: int) -> RunRow:
    """Let no new task of a run start, and give its row."""
    return _steer(connection, by, "run.cancel", number, lambda: control.pause(connection, number), "pause")


def resume(connection: Connection, by: By, number: int) -> RunRow:
    """Let a paused run go on, and give its row."""
    return _steer(connection, by, "run.cancel", number, lambda: control.resume(connection, number), "resume")


def prioritise(connection: Connection, by: By, number: int, priority: int) -> RunRow:
    """Let the tasks of a run start before those of runs with a lower number, and give its row."""
    work = lambda: control.prioritise(connection, number, priority)  # noqa: E731  # as its neighbours
    return _steer(connection, by, "run.prioritise", number, work, "prioritise")


def retry(
    connection: Connection, by: By, number: int, names: Sequence[str] = (), causes: Sequence[Cause] = ()
) -> tuple[int, int]:
    """Try again what is parked in a run; gives the run that does it and how many were chosen, as `control.retry`."""
    project = _permit(connection, by, "run.retry", number)
    new, chosen = control.retry(connection, number, by.name, names, causes)
    after = {"run": new, "parked": chosen, "tasks": list(names)[:100], "causes": [str(each) for each in causes]}
    audit.append(connection, by, "run.retry", f"run {number}", project=project, after=after)
    return new, chosen


def recompute(connection: Connection, by: By, number: int) -> list[int]:
    """Make the outputs of a run again that were swept; gives the runs that do it."""
    project = _permit(connection, by, "run.start", number)
    started = list(recall.recompute(connection, number, by.name))
    audit.append(connection, by, "run.start", f"run {number}", project=project, after={"recomputed by": started})
    return started


def _permit(connection: Connection, by: By, action: str, number: int) -> str:
    row = control.find_run(connection, number)
    require_may(by, action, row.project, f"run {number}")
    return row.project


def _steer(
    connection: Connection, by: By, action: str, number: int, work: Callable[[], RunRow], word: str
) -> RunRow:  # fmt: skip
    project = _permit(connection, by, action, number)
    before = control.find_run(connection, number)
    row = work()
    audit.append(
        connection, by, action, f"run {number}", project=project, before=_said(before), after={**_said(row), "by": word}
    )
    return row


def _said(row: RunRow) -> dict[str, Any]:
    return {"state": row.state, "cancel_asked": row.cancel_asked, "priority": row.priority}
