"""The rows that tell where a file came from and what came of it, one step at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, func, select

from aliquot.datasets.read import live_at
from aliquot.db.tables import (
    attempt,
    dataset,
    definition,
    entry,
    key_input,
    load,
    output,
    published,
    receipt,
    result,
    run,
    task,
    version,
)
from aliquot.model.state import State

_NEVER = float("inf")

Reference = tuple[Literal["task"], int] | tuple[Literal["file"], str, int, str]
"""What a thing is found by, before it is known to be shown."""

Step = tuple[list["Thing"], int]
"""The first things that a step leads to, and how many there are in all."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a lineage; `row` holds what the next step is found by."""

    kind: str
    name: str
    facts: Mapping[str, Any]
    row: Mapping[str, Any] = field(default_factory=dict[str, Any])


def file_at(connection: Connection, name: str, number: int, path: str) -> Thing | None:
    """Give a file of a version, if it is there."""
    row = connection.execute(
        select(entry, version.c.provenance)
        .join(dataset, dataset.c.id == entry.c.dataset_id)
        .outerjoin(version, and_(version.c.dataset_id == entry.c.dataset_id, version.c.number == entry.c.added))
        .where(dataset.c.name == name, entry.c.path == path, *live_at(number))
    ).first()
    if row is None:
        return None
    facts: dict[str, Any] = {"digest": row.digest, "size": row.size, "added": row.added, "removed": row.removed}
    if row.receipt_id is None and row.task_id is None:
        facts["provenance"] = row.provenance
    there = {
        "dataset": name,
        "path": path,
        "digest": row.digest,
        "size": row.size,
        "added": row.added,
        "removed": row.removed,
        "receipt_id": row.receipt_id,
        "task_id": row.task_id,
    }
    return Thing("file", f"{name}@{number}:{path}", facts, there)


class Neighbours:
    """Finds what is one step back or forward. Remembers the definitions of runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._documents: dict[int, Mapping[str, Any]] = {}

    def back(self, thing: Thing, most: int) -> Step:
        """Give what a thing came from, `most` at most, and how many that is in all."""
        if thing.kind == "file":
            found = [each for each in (self._arrival(thing), self._task(thing.row["task_id"])) if each]
            return found, len(found)
        if thing.kind == "output":
            maker = self._maker(thing.row["run_id"], thing.row["step"], thing.row["path"], thing.row["digest"])
            return ([maker], 1) if maker else ([], 0)
        return self._inputs(thing, most) if thing.kind == "task" else ([], 0)

    def forward(self, thing: Thing, most: int) -> Step:
        """Give what came of a thing, `most` at most, and how many that is in all."""
        if thing.kind == "file":
            return self._some(self._readers(thing), most)
        if thing.kind == "output":
            return self._some(self._uses(thing), most)
        return self._outputs(thing, most) if thing.kind == "task" else ([], 0)

    # --- back ---------------------------------------------------------------------------------------------------------

    def _arrival(self, thing: Thing) -> Thing | None:
        if thing.row["receipt_id"] is None:
            return None
        row = self._connection.execute(select(receipt).where(receipt.c.id == thing.row["receipt_id"])).one()
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

    def _task(self, task_id: int | None) -> Thing | None:
        if task_id is None:
            return None
        row = self._connection.execute(
            select(task, run.c.pipeline, run.c.inputs, run.c.definition_id, definition.c.digest.label("definition"))
            .join(run, run.c.id == task.c.run_id)
            .join(definition, definition.c.id == run.c.definition_id)
            .where(task.c.id == task_id)
        ).one()
        made = self._connection.execute(
            select(result.c.parts, result.c.task_id, task.c.run_id)
            .outerjoin(task, task.c.id == result.c.task_id)
            .where(result.c.key == row.key)
        ).first()
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
            "attempt": self._attempt(made.task_id if made and made.task_id else row.id),
        }
        there = {"run_id": row.run_id, "step": row.step, "key": row.key, "inputs": row.inputs, "of": row.definition_id}
        return Thing("task", f"run {row.run_id} {row.step}/{row.ordinal}", facts, there)

    def _attempt(self, task_id: int) -> dict[str, Any] | None:
        names = ("executor", "handle", "state", "image_digest", "started_at", "ended_at", "wall", "cpu", "peak_memory")
        row = (
            self._connection.execute(
                select(*(attempt.c[name] for name in names))
                .where(attempt.c.task_id == task_id)
                .order_by(attempt.c.fence.desc())
                .limit(1)
            )
            .mappings()
            .first()
        )
        return dict(row) if row else None

    def _inputs(self, thing: Thing, most: int) -> Step:
        there = key_input.c.key == thing.row["key"]
        count = self._connection.execute(select(func.count()).select_from(key_input).where(there)).scalar_one()
        query = select(key_input).where(there).order_by(key_input.c.input, key_input.c.path).limit(most)
        return [self._input(thing, row) for row in self._connection.execute(query).all()], count

    def _input(self, thing: Thing, row: Row[*tuple[Any, ...]]) -> Thing:
        source = self._source(thing.row["of"], thing.row["step"], row.input)
        bound = thing.row["inputs"].get(source)
        if bound:
            found = file_at(self._connection, bound[0], bound[1], row.path)
            if found and found.row["digest"] == row.digest:
                return Thing("file", found.name, {**found.facts, "input": row.input}, found.row)
        return self._output(thing.row["run_id"], source or "?", row.path, row.digest, {"input": row.input})

    def _maker(self, run_id: int, step: str, path: str, digest: str) -> Thing | None:
        query = (
            select(task.c.id)
            .join(output, output.c.key == task.c.key)
            .where(task.c.run_id == run_id, task.c.step == step, output.c.path == path, output.c.digest == digest)
            .order_by(task.c.ordinal)
            .limit(1)
        )
        return self._task(self._connection.execute(query).scalar())

    # --- forward ------------------------------------------------------------------------------------------------------

    def _readers(self, thing: Thing) -> list[Reference]:
        """Find the tasks that read a file of a dataset: in runs over a version in which it is."""
        there = thing.row
        found: list[Reference] = []
        for row in self._tasks_with(there["path"], there["digest"]):
            bound = row.inputs.get(self._source(row.definition_id, row.step, row.input))
            if bound and bound[0] == there["dataset"] and there["added"] <= bound[1] < (there["removed"] or _NEVER):
                found.append(("task", row.id))
        return found

    def _uses(self, thing: Thing) -> list[Reference]:
        """Find what came of a file that stays with its run: files of versions, and tasks of later steps."""
        there = thing.row
        query = (
            select(published.c.dataset, published.c.number)
            .where(published.c.run_id == there["run_id"], published.c.step == there["step"])
            .order_by(published.c.output)
        )
        found: list[Reference] = []
        for row in self._connection.execute(query).all():
            now = file_at(self._connection, row.dataset, row.number, there["path"])
            if now and now.row["digest"] == there["digest"]:
                found.append(("file", row.dataset, row.number, there["path"]))
        for row in self._tasks_with(there["path"], there["digest"], there["run_id"]):
            if self._source(row.definition_id, row.step, row.input) == there["step"]:
                found.append(("task", row.id))  # noqa: PERF401 - the two kinds of reference are one list
        return found

    def _tasks_with(self, path: str, digest: str, run_id: int | None = None) -> Iterator[Row[*tuple[Any, ...]]]:
        """Give the tasks whose key covers a file, with the input by which it does."""
        query = (
            select(task.c.id, task.c.step, key_input.c.input, run.c.inputs, run.c.definition_id)
            .join(task, task.c.key == key_input.c.key)
            .join(run, run.c.id == task.c.run_id)
            .where(key_input.c.digest == digest, key_input.c.path == path)
            .order_by(task.c.id)
        )
        yield from self._connection.execute(query if run_id is None else query.where(task.c.run_id == run_id))

    def _outputs(self, thing: Thing, most: int) -> Step:
        there = thing.row
        tables = [
            Thing(
                "table",
                row.table_name,
                {
                    "load": row.id,
                    "run": row.run_id,
                    "state": row.state,
                    "rows": row.rows,
                    "dataset": row.dataset,
                    "version": row.number,
                    "ended_at": row.ended_at,
                },
            )
            for row in self._connection.execute(
                select(load)
                .where(load.c.run_id == there["run_id"], load.c.step == there["step"])
                .order_by(load.c.table_name)
            )
        ]
        of = output.c.key == there["key"]
        if thing.facts["state"] != State.COMPLETE:
            return [], 0
        count = self._connection.execute(select(func.count()).select_from(output).where(of)).scalar_one()
        query = select(output).where(of).order_by(output.c.path).limit(most)
        files = [
            self._output(there["run_id"], there["step"], row.path, row.digest, {"size": row.size})
            for row in self._connection.execute(query)
        ]
        return [*tables, *files], len(tables) + count

    # --- both ---------------------------------------------------------------------------------------------------------

    def _some(self, references: list[Reference], most: int) -> Step:
        distinct = list(dict.fromkeys(references))
        found = [self._thing(each) for each in distinct[:most]]
        return [each for each in found if each], len(distinct)

    def _thing(self, reference: Reference) -> Thing | None:
        if reference[0] == "task":
            return self._task(reference[1])
        return file_at(self._connection, *reference[1:])

    def _output(self, run_id: int, step: str, path: str, digest: str, facts: Mapping[str, Any]) -> Thing:
        there = {"run_id": run_id, "step": step, "path": path, "digest": digest}
        return Thing("output", f"run {run_id} {step}:{path}", {"digest": digest, **facts}, there)

    def _source(self, definition_id: int, step: str, name: str) -> str:
        """Say which pipeline input or step a step's input takes its files from; empty when the definition lacks it."""
        if definition_id not in self._documents:
            query = select(definition.c.document).where(definition.c.id == definition_id)
            self._documents[definition_id] = self._connection.execute(query).scalar_one()
        given = self._documents[definition_id].get("steps", {}).get(step, {}).get("inputs", {}).get(name, {})
        return str(given.get("from", ""))
