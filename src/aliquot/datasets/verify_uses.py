"""What a blob belongs to: files, deltas, quarantine, outputs and logs of runs, definitions, arrivals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from aliquot.db.access_tables import approval
from aliquot.db.tables import attempt, dataset, definition, entry, held_file, output, receipt, result, task, version

_NAMED = 20

_Query = tuple[Select[*tuple[Any, ...]], Callable[[Any], str]]
"""What names a digest, and how a row of it is written."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a blob belongs to: the first twenty names, and how many there are.

    `arrived` says that a file brought these very bytes, so that it may be there to be taken in again.
    """

    names: tuple[str, ...]
    touched: int
    arrived: bool


def uses_of(connection: Connection, digest: str, dataset_id: int | None) -> Uses:
    """Name what has these bytes: all of it, or the files and deltas of one dataset alone."""
    names: list[str] = []
    touched = 0
    queries = _in_datasets(digest, dataset_id)
    if dataset_id is None:
        queries += [_held(digest), _output(digest), _log(attempt.c.stdout, digest), _log(attempt.c.stderr, digest)]
    for query, written in queries:
        touched += connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
        names += [written(row) for row in connection.execute(query.limit(_NAMED - len(names)))]
    bundled = [] if dataset_id is not None else [name for name, found in bundled_files(connection) if found == digest]
    arrivals = select(receipt.c.id, receipt.c.path).where(receipt.c.digest == digest).order_by(receipt.c.id)
    came = [f"receipt {row.id}: {row.path} as it came" for row in connection.execute(arrivals.limit(_NAMED))]
    if not touched and not bundled and dataset_id is None:
        # Of a table that was split, the file as it came belongs to its receipt alone.
        return Uses(tuple(came), len(came), bool(came))
    return Uses(tuple([*names, *bundled][:_NAMED]), touched + len(bundled), bool(came))


def bundled_files(connection: Connection) -> Iterator[tuple[str, str]]:
    """Give the name and digest of each file that a definition bundles or has bundled, once.

    Definitions that were sent and wait for a second person are among them.
    """
    waits = select(approval.c.id, approval.c.document).where(approval.c.state == "WAITING")
    for row in connection.execute(waits.order_by(approval.c.id)):
        if sent := row.document.get("sent"):
            yield f"approval {row.id}: definitions", str(sent)
    query = select(definition.c.kind, definition.c.name, definition.c.bundle).order_by(definition.c.id)
    seen: set[tuple[str, str]] = set()
    for row in connection.execute(query):
        for path, digest in row.bundle.items():
            found = (f"{row.kind} {row.name}: {path}", str(digest))
            if found not in seen:
                seen.add(found)
                yield found


def _in_datasets(digest: str, dataset_id: int | None) -> list[_Query]:
    deltas = select(dataset.c.name, version.c.number).join(dataset, dataset.c.id == version.c.dataset_id)
    deltas = deltas.where(version.c.delta == digest).order_by(dataset.c.name, version.c.number)
    files = select(dataset.c.name, entry.c.added, entry.c.path).join(dataset, dataset.c.id == entry.c.dataset_id)
    files = files.where(entry.c.digest == digest).order_by(dataset.c.name, entry.c.added, entry.c.path)
    if dataset_id is not None:
        deltas, files = deltas.where(dataset.c.id == dataset_id), files.where(dataset.c.id == dataset_id)
    return [
        (deltas, lambda row: f"{row.name}@{row.number}"),
        (files, lambda row: f"{row.name}@{row.added}:{row.path}"),
    ]


def _held(digest: str) -> _Query:
    query = select(held_file.c.quarantine_id, held_file.c.path).where(held_file.c.digest == digest)
    query = query.order_by(held_file.c.quarantine_id, held_file.c.path)
    return query, lambda row: f"quarantine {row.quarantine_id}: {row.path}"


def _output(digest: str) -> _Query:
    query = (
        select(output.c.key, output.c.path, task.c.run_id, task.c.step, task.c.ordinal)
        .outerjoin(result, result.c.key == output.c.key)
        .outerjoin(task, task.c.id == result.c.task_id)
        .where(output.c.digest == digest)
        .order_by(task.c.run_id, task.c.id, output.c.path)
    )
    return query, lambda row: (f"{_task(row)}" if row.run_id else f"key {row.key}") + f": output {row.path}"


def _log(column: ColumnElement[str | None], digest: str) -> _Query:
    query = select(task.c.run_id, task.c.step, task.c.ordinal).join(attempt, attempt.c.task_id == task.c.id)
    query = query.where(column == digest).order_by(task.c.id, attempt.c.fence)
    return query, lambda row: f"{_task(row)}: {column.key}"


def _task(row: Any) -> str:
    return f"run {row.run_id}, {row.step}/{row.ordinal}"
