"""The files that a run gave, a page at a time, and one of them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from aliquot.db.tables import output, published, task
from aliquot.engine.control import find_run, find_task
from aliquot.engine.pipelines import by_id
from aliquot.model.digest import Digest
from aliquot.model.errors import Missing
from aliquot.model.state import State

_TASK = 10**6
"""Files of one task at most, where a list goes on by task and file."""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """An output of a run: the step that gives it, and the version that it became, if it was published."""

    name: str
    step: str
    dataset: str
    version: int | None


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file of an output, with its digest, its size in bytes and the task that gave it."""

    path: str
    digest: Digest
    size: int
    task: str


@dataclass(frozen=True, slots=True)
class OutputPage:
    """A run's outputs, and files of one of them in the order of its tasks; `next` is where the list goes on."""

    run: int
    pipeline: str
    outputs: list[OutputLine]
    output: str
    files: list[GivenFile]
    next: int | None


def output_page(connection: Connection, number: int, name: str, after: int | None, limit: int) -> OutputPage:
    """List the outputs of a run and files of one of them, the first one by default; `Missing` for no such output."""
    row = find_run(connection, number)
    outputs = output_lines(connection, row)
    if not outputs:
        return OutputPage(number, row.pipeline, [], "", [], None)
    chosen = next((each for each in outputs if each.name == name), None) if name else outputs[0]
    if chosen is None:
        raise _missing(number, name)
    ordinal, skip = divmod(after or 0, _TASK)
    query = (
        select(output.c.path, output.c.digest, output.c.size, task.c.ordinal)
        .join_from(task, output, task.c.key == output.c.key)
        .where(task.c.run_id == number, task.c.step == chosen.step, task.c.state == State.COMPLETE,
               task.c.ordinal >= ordinal)
        .order_by(task.c.ordinal, output.c.path)
        .offset(skip)
        .limit(limit + 1)
    )  # fmt: skip
    rows = connection.execute(query).all()
    files = [
        GivenFile(each.path, Digest(each.digest), each.size, f"{chosen.step}/{each.ordinal}") for each in rows[:limit]
    ]
    following = None
    if len(rows) > limit:
        last = rows[limit - 1].ordinal
        shown = sum(each.ordinal == last for each in rows[:limit])
        following = last * _TASK + shown + (skip if last == ordinal else 0)
    return OutputPage(number, row.pipeline, outputs, chosen.name, files, following)


def output_lines(connection: Connection, row: Row[*tuple[Any, ...]]) -> list[OutputLine]:
    """List the outputs of a run's row."""
    became = {each.output: each for each in connection.execute(select(published).where(published.c.run_id == row.id))}
    lines: list[OutputLine] = []
    for name, each in by_id(connection, row.definition_id).pipeline.outputs.items():
        at = became.get(name)
        lines.append(OutputLine(name, each.from_, at.dataset if at else "", at.number if at else None))
    return lines


def given_file(connection: Connection, number: int, name: str, path: str) -> GivenFile:
    """Find a file that a task, named `step/ordinal`, gave, or say that it is `Missing`."""
    row = find_task(connection, number, name)
    found = None
    if row.state == State.COMPLETE:
        found = connection.execute(select(output).where(output.c.key == row.key, output.c.path == path)).first()
    if found is None:
        words = f"Task {name} of run {number} gave no file {path}; its page lists those that it gave."
        raise Missing("output-file-missing", words, run=number, task=name, path=path)
    return GivenFile(found.path, Digest(found.digest), found.size, f"{row.step}/{row.ordinal}")


def _missing(number: int, name: str) -> Missing:
    return Missing("output-unknown", f"Run {number} has no output {name!r}; its page lists them.", run=number)
