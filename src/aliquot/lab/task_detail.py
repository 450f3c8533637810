"""One task as pages and API show it: its attempts with their output, its files, and what it prints right now."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from aliquot.access.by import By
from aliquot.datasets import places
from aliquot.db.tables import attempt, key_input, output
from aliquot.engine import control
from aliquot.engine.explain import Reason, why
from aliquot.executors.peek import printed_so_far
from aliquot.lab.lab import Lab
from aliquot.lab.runs import AttemptLine, TaskLine, attempts, task_lines
from aliquot.model.cause import CAUSES
from aliquot.model.digest import Digest
from aliquot.model.errors import Missing
from aliquot.model.state import State
from aliquot.model.task import Cause

STREAMS = ("stdout", "stderr")
_FILES = 100
_END = 16 * 1024
_UNDER_WAY = (State.INITIALIZING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class TaskFileLine:
    """A file that a task took or gave: the input that it came by, or nothing; its path, digest and size in bytes."""

    input: str
    path: str
    digest: str
    size: int | None


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """An attempt with the end of what it wrote; `cut` says of which stream there is more than that."""

    attempt: AttemptLine
    stdout: str
    stderr: str
    cut: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task whole. `takes` and `gives` are the first of so many files; `happened` and `advice` are for its cause.

    `live` says that a command works on it now; `printed` is what that has printed so far, None where it runs elsewhere.
    """

    run: int
    pipeline: str
    project: str
    task: TaskLine
    key: str
    step: str
    ordinal: int
    happened: str
    advice: str
    tried: list[AttemptLog]
    takes: list[TaskFileLine]
    takes_total: int
    gives: list[TaskFileLine]
    gives_total: int
    live: bool
    printed: dict[str, str] | None


def task_detail(lab: Lab, number: int, name: str) -> TaskDetail:
    """Look at a task by run and `step/ordinal`, or say that it is `Missing`."""
    with lab.catalogue.read() as connection:
        run = control.find_run(connection, number)
        row = control.find_task(connection, number, name)
        (line,) = task_lines(connection, [row])
        tried = attempts(connection, row)
        takes, takes_total = _takes(connection, row.key)
        gives, gives_total = _gives(connection, row)
        fence = _under_way(connection, row)
    words = CAUSES[Cause(row.cause)] if row.cause else None
    return TaskDetail(
        run=number, pipeline=run.pipeline, project=run.project, task=line, key=row.key, step=row.step,
        ordinal=row.ordinal, happened=words.happened if words else "", advice=words.advice if words else "",
        tried=[_with_end(lab, each) for each in tried], takes=takes, takes_total=takes_total, gives=gives,
        gives_total=gives_total, live=fence is not None,
        printed=printed_so_far(lab.work, row.id, fence) if fence is not None else None,
    )  # fmt: skip


def task_reason(connection: Connection, by: By, number: int, name: str) -> Reason:
    """Say why a task ran or was skipped, naming other tasks as far as `by` may see them."""
    return why(connection, number, name, by.projects("run.read"))


def whole_log(lab: Lab, number: int, name: str, position: int, stream: str) -> Iterator[bytes]:
    """Give all that was kept of what an attempt wrote to stdout or stderr, in pieces; `Missing` without it."""
    with lab.catalogue.read() as connection:
        tried = attempts(connection, control.find_task(connection, number, name))
        if not 1 <= position <= len(tried) or stream not in STREAMS:
            words = f"Task {name} of run {number} has no such output; its page lists its attempts."
            raise Missing("output-missing", words, run=number, task=name)
        digest = getattr(tried[position - 1], stream)
        if not digest:
            return iter(())
        location = places.require(connection, [Digest(digest)])[Digest(digest)]
    return lab.store.stream(location)


def _with_end(lab: Lab, each: AttemptLine) -> AttemptLog:
    ends: dict[str, str] = {}
    cut: list[str] = []
    for stream in STREAMS:
        text, more = _end(lab, getattr(each, stream))
        ends[stream] = text
        cut += [stream] if more else []
    return AttemptLog(each, ends["stdout"], ends["stderr"], tuple(cut))


def _end(lab: Lab, digest: str | None) -> tuple[str, bool]:
    """Give the end of an output, and whether there is more of it."""
    if not digest:
        return "", False
    with lab.catalogue.read() as connection:
        found = places.find(connection, [Digest(digest)]).get(Digest(digest))
    if found is None:
        return "[its bytes were swept to free space]", False
    start = max(0, found.size - _END)
    text = lab.store.read_range(found, start, _END).decode(errors="replace")
    # From the beginning of a line, where there is one.
    return (text.partition("\n")[2] or text if start else text), start > 0


def _takes(connection: Connection, key: str) -> tuple[list[TaskFileLine], int]:
    of = key_input.c.key == key
    total = connection.execute(select(func.count()).select_from(key_input).where(of)).scalar_one()
    query = select(key_input).where(of).order_by(key_input.c.input, key_input.c.path).limit(_FILES)
    return [TaskFileLine(row.input, row.path, row.digest, None) for row in connection.execute(query)], total


def _gives(connection: Connection, row: Row[*tuple[Any, ...]]) -> tuple[list[TaskFileLine], int]:
    if row.state != State.COMPLETE:
        return [], 0
    of = output.c.key == row.key
    total = connection.execute(select(func.count()).select_from(output).where(of)).scalar_one()
    query = select(output).where(of).order_by(output.c.path).limit(_FILES)
    return [TaskFileLine("", each.path, each.digest, each.size) for each in connection.execute(query)], total


def _under_way(connection: Connection, row: Row[*tuple[Any, ...]]) -> int | None:
    if row.state not in _UNDER_WAY:
        return None
    query = select(attempt.c.fence).where(attempt.c.task_id == row.id, attempt.c.state.in_(_UNDER_WAY))
    return connection.execute(query.order_by(attempt.c.fence.desc()).limit(1)).scalar() or row.fence
