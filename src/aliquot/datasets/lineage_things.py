"""The things of a lineage, out of the rows of the catalogue: all that are asked for with the same few statements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from aliquot.datasets.read import live_at
from aliquot.db.rows import among, chunks
from aliquot.db.tables import attempt, dataset, definition, entry, receipt, result, run, task, version

TaskRef = tuple[Literal["task"], int]
"""A task by its id."""

FileRef = tuple[Literal["file"], str, int, str]
"""A file by its dataset, the number of a version, and its path."""

Reference = TaskRef | FileRef

_ATTEMPT = ("executor", "handle", "state", "image_digest", "started_at", "ended_at", "wall", "cpu", "peak_memory")


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a lineage; `row` holds what the next step is found by."""

    kind: str
    name: str
    facts: Mapping[str, Any]
    row: Mapping[str, Any] = field(default_factory=dict[str, Any])


def things_of(connection: Connection, wanted: Iterable[Reference]) -> dict[Reference, Thing]:
    """Give what references name; a file that is not there is left out."""
    refs = list(dict.fromkeys(wanted))
    found: dict[Reference, Thing] = {}
    found |= _files(connection, [each for each in refs if each[0] == "file"])
    found |= _tasks(connection, [each[1] for each in refs if each[0] == "task"])
    return found


def receipts_of(connection: Connection, ids: Iterable[int]) -> dict[int, Row[*tuple[Any, ...]]]:
    """Give the rows of receipts by their ids."""
    found: dict[int, Row[*tuple[Any, ...]]] = {}
    for part in chunks(sorted(set(ids))):
        found |= {row.id: row for row in connection.execute(select(receipt).where(receipt.c.id.in_(part)))}
    return found


def arrival_of(thing: Thing, row: Row[*tuple[Any, ...]]) -> Thing:
    """Give the arrival of a file by the row of its receipt."""
    # Many that were delivered together have one receipt, which says nothing of each.
    own = thing.row if row.files else {"path": row.path, "size": row.size, "digest": row.digest}
    facts = {
        "receipt": row.id,
        "source": row.source,
        "path": own["path"],
        "size": own["size"],
        "digest": own["digest"],
        "arrived_at": row.seen_at,
        "taken_at": row.taken_at,
        "decision": row.decision,
        "type": row.type,
        "who": row.who,
        "facts": row.facts,
    }
    return Thing("arrival", f"{row.source}:{own['path']}", facts)


def output_of(run_id: int, step: str, path: str, digest: str, facts: Mapping[str, Any]) -> Thing:
    """Give a file that stays with its run."""
    there = {"run_id": run_id, "step": step, "path": path, "digest": digest}
    return Thing("output", f"run {run_id} {step}:{path}", {"digest": digest, **facts}, there)


def _files(connection: Connection, wanted: Collection[FileRef]) -> dict[Reference, Thing]:
    of: dict[tuple[str, int], list[str]] = {}
    for _, name, number, path in wanted:
        of.setdefault((name, number), []).append(path)
    found: dict[Reference, Thing] = {}
    for (name, number), paths in of.items():
        query = (
            select(entry)
            .join(dataset, dataset.c.id == entry.c.dataset_id)
            .where(dataset.c.name == name, among(connection, entry.c.path, paths), *live_at(number))
        )
        rows = connection.execute(query).all()
        origins = _origins(connection, [row for row in rows if _has_no_origin(row)])
        for row in rows:
            found["file", name, number, row.path] = _file(name, number, row, origins)
    return found


def _has_no_origin(row: Row[*tuple[Any, ...]]) -> bool:
    return row.receipt_id is None and row.task_id is None


def _origins(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, Any]:
    """Tell where versions came from that added these files of one dataset, by their numbers: once for all files."""
    if not rows:
        return {}
    of = version.c.dataset_id == rows[0].dataset_id
    found: dict[int, Any] = {}
    for part in chunks(sorted({row.added for row in rows})):
        query = select(version.c.number, version.c.provenance).where(of, version.c.number.in_(part))
        found |= {row.number: row.provenance for row in connection.execute(query)}
    return found


def _file(name: str, number: int, row: Row[*tuple[Any, ...]], origins: Mapping[int, Any]) -> Thing:
    facts: dict[str, Any] = {"digest": row.digest, "size": row.size, "added": row.added, "removed": row.removed}
    if _has_no_origin(row):
        facts["provenance"] = origins.get(row.added)
    there = {
        "dataset": name,
        "path": row.path,
        "digest": row.digest,
        "size": row.size,
        "added": row.added,
        "removed": row.removed,
        "receipt_id": row.receipt_id,
        "task_id": row.task_id,
    }
    return Thing("file", f"{name}@{number}:{row.path}", facts, there)


def _tasks(connection: Connection, ids: Collection[int]) -> dict[Reference, Thing]:
    rows: list[Row[*tuple[Any, ...]]] = []
    for part in chunks(sorted(ids)):
        query = (
            select(
                task.c.id, task.c.run_id, task.c.step, task.c.ordinal, task.c.key, task.c.state, task.c.reused,
                run.c.pipeline, run.c.definition_id, definition.c.digest.label("definition"),
            )
            .join(run, run.c.id == task.c.run_id)
            .join(definition, definition.c.id == run.c.definition_id)
            .where(task.c.id.in_(part))
        )  # fmt: skip
        rows.extend(connection.execute(query))
    made = _results(connection, {row.key for row in rows})
    # A key that succeeded tells of the attempt that made it, in whatever run that was.
    makers = {row.id: made[row.key].task_id if row.key in made and made[row.key].task_id else row.id for row in rows}
    tried = _attempts(connection, set(makers.values()))
    return {("task", row.id): _task(row, made.get(row.key), tried.get(makers[row.id])) for row in rows}


def _task(
    row: Row[*tuple[Any, ...]], made: Row[*tuple[Any, ...]] | None, tried: dict[str, Any] | None
) -> Thing:  # fmt: skip
    parts: Mapping[str, Any] = made.parts if made else {}
    facts: dict[str, Any] = {
        "run": row.run_id,
        "pipeline": row.pipeline,
        "definition": row.definition,
        "step": row.step,
        "ordinal": row.ordinal,
        "task": row.id,
        "state": row.state,
        "key": row.key,
        **{name: parts.get(name) for name in ("environment", "image", "command", "parameters", "code", "exports")},
        "reused": row.reused,
        "computed_by_run": made.run_id if made else None,
        "attempt": tried,
    }
    there = {"run_id": row.run_id, "step": row.step, "key": row.key, "of": row.definition_id}
    return Thing("task", f"run {row.run_id} {row.step}/{row.ordinal}", facts, there)


def _results(connection: Connection, keys: Collection[str]) -> dict[str, Row[*tuple[Any, ...]]]:
    query = (
        select(result.c.key, result.c.parts, result.c.task_id, task.c.run_id)
        .outerjoin(task, task.c.id == result.c.task_id)
        .where(among(connection, result.c.key, keys))
    )
    return {row.key: row for row in connection.execute(query)} if keys else {}


def _attempts(connection: Connection, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for part in chunks(sorted(ids)):
        query = (
            select(attempt.c.task_id, *(attempt.c[name] for name in _ATTEMPT))
            .where(attempt.c.task_id.in_(part))
            .order_by(attempt.c.task_id, attempt.c.fence)
        )
        for row in connection.execute(query).mappings():
            # The last one wins: the newest attempt.
            found[row["task_id"]] = {name: row[name] for name in _ATTEMPT}
    return found
