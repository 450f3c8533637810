"""The rows that tell where files came from and what came of them: one step at a time, for many things at once."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from aliquot.datasets.lineage_readers import Content, Readers, Wanted, count_tasks, first_tasks, readers_of
from aliquot.datasets.lineage_sight import EVERYTHING, Looking, Sight
from aliquot.datasets.lineage_things import (
    FileRef,
    Reference,
    Thing,
    arrival_of,
    output_of,
    receipts_of,
    things_of,
)
from aliquot.db.rows import among, chunks
from aliquot.db.tables import definition, key_input, load, output, published, run, task
from aliquot.model.state import State

_NEVER = float("inf")

Allot = Callable[[int], int]
"""Says how many of so many neighbours of a thing there is room for; asked in the order of the things."""

Step = tuple[list[Thing], int]
"""The first things that a step leads to, and how many there are in all."""

DbRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Input:
    """What a task read: the file of a version, or, where that has another content, what a step has given."""

    file: FileRef | None
    name: str
    run_id: int
    source: str
    path: str
    digest: str


_Found = Thing | Reference | _Input


class Neighbours:
    """Finds what is one step back or forward, as far as it is in sight. Remembers definitions and inputs of runs."""

    def __init__(self, connection: Connection, sight: Sight = EVERYTHING) -> None:
        self._connection = connection
        self._looking = Looking(connection, sight)
        self._documents: dict[int, Mapping[str, Any]] = {}
        self._runs: dict[int, DbRow] = {}

    def back(self, things: Sequence[Thing], allot: Allot) -> list[Step]:
        """Give what each thing came from, as far as there is room, and how many that is in all."""
        receipts = receipts_of(self._connection, _given(things, "file", "receipt_id"))
        makers = self._makers([each for each in things if each.kind == "output"])
        seen = self._looking.tasks(_given(things, "file", "task_id"))
        inputs = self._counts(key_input, things)
        hidden = self._hidden_inputs(things)
        found: list[tuple[list[_Found], int]] = []
        wide: list[tuple[int, int]] = []
        for at, thing in enumerate(things):
            if thing.kind == "task" and at in hidden:
                rows, many = self._inputs_but(thing, hidden[at], allot)
                found.append(([self._input(thing, row) for row in rows], many))
                continue
            if thing.kind == "task":
                many = inputs.get(thing.row["key"], 0)
                wide.append((at, allot(many)))
                found.append(([], many))
                continue
            near: list[_Found] = []
            if thing.kind == "file":
                if thing.row["receipt_id"] is not None:
                    near.append(arrival_of(thing, receipts[thing.row["receipt_id"]]))
                if thing.row["task_id"] in seen:
                    near.append(("task", thing.row["task_id"]))
            elif thing.kind == "output" and (maker := makers.get(_place(thing))):
                near.append(("task", maker))
            found.append((near[: allot(len(near))], len(near)))
        for at, row in self._rows(key_input, things, wide, inputs, key_input.c.input, key_input.c.path):
            found[at][0].append(self._input(things[at], row))
        return self._told(found)

    def forward(self, things: Sequence[Thing], allot: Allot) -> list[Step]:
        """Give what came of each thing, as far as there is room, and how many that is in all."""
        readers = self._readers([each for each in things if each.kind in {"file", "output"}])
        kept = self._published_as([each for each in things if each.kind == "output"])
        outputs = self._counts(output, things)
        tables = self._tables(things)
        found: list[tuple[list[_Found], int]] = []
        wide: list[tuple[int, int]] = []
        wanted: list[Wanted] = []
        for at, thing in enumerate(things):
            if thing.kind == "task":
                loaded = tables.get((thing.row["run_id"], thing.row["step"]), [])
                complete = thing.facts["state"] == State.COMPLETE
                near: list[_Found] = [*loaded] if complete else []
                many = len(near) + (outputs.get(thing.row["key"], 0) if complete else 0)
                room = allot(many)
                found.append((near[:room], many))
                wide.append((at, max(0, room - len(near)) if complete else 0))
                continue
            refs, by = kept.get(_place(thing), []), readers.get(_place(thing), [])
            tasks = count_tasks(self._connection, _content(thing), by) if by else 0
            room = allot(len(refs) + tasks)
            found.append(([*refs[:room]], len(refs) + tasks))
            if by:
                wanted.append(Wanted(at, _content(thing), by, tasks, room - len(refs)))
        for at, number in first_tasks(self._connection, wanted):
            found[at][0].append(("task", number))
        for at, row in self._rows(output, things, wide, outputs, output.c.path):
            there = things[at].row
            found[at][0].append(output_of(there["run_id"], there["step"], row.path, row.digest, {"size": row.size}))
        return self._told(found)

    def _told(self, found: Sequence[tuple[Sequence[_Found], int]]) -> list[Step]:
        """Look up what was only referred to, all of it together."""
        refs: list[Reference] = []
        for near, _ in found:
            for each in near:
                if isinstance(each, _Input):
                    refs.extend([each.file] if each.file else [])
                elif not isinstance(each, Thing):
                    refs.append(each)
        known = things_of(self._connection, refs)
        return [([told for each in near if (told := _resolved(each, known))], many) for near, many in found]

    # --- back ---------------------------------------------------------------------------------------------------------

    def _hidden_inputs(self, things: Sequence[Thing]) -> dict[int, list[str]]:
        """Find the inputs that are out of sight, by the place of the task among the things."""
        if self._looking.at_all:
            return {}
        hidden: dict[int, list[str]] = {}
        for at, thing in enumerate(things):
            if thing.kind != "task":
                continue
            taken = self._run(thing.row["run_id"]).inputs
            unseen = {name for name, bound in taken.items() if not self._looking.dataset(bound[0])}
            given = self._inputs_of(thing.row["of"], thing.row["step"]) if unseen else {}
            if out := [name for name, source in given.items() if source in unseen]:
                hidden[at] = out
        return hidden

    def _inputs_but(self, thing: Thing, hidden: Collection[str], allot: Allot) -> tuple[list[DbRow], int]:
        """Read the files of a task's key without those of some inputs, as far as there is room, and count them."""
        here = (key_input.c.key == thing.row["key"], key_input.c.input.not_in(hidden))
        many = self._connection.execute(select(func.count()).select_from(key_input).where(*here)).scalar_one()
        query = select(key_input).where(*here).order_by(key_input.c.input, key_input.c.path).limit(allot(many))
        return list(self._connection.execute(query)), many

    def _input(self, thing: Thing, row: DbRow) -> _Input:
        source = self._source(thing.row["of"], thing.row["step"], row.input)
        bound = self._run(thing.row["run_id"]).inputs.get(source)
        file: FileRef | None = ("file", bound[0], bound[1], row.path) if bound else None
        return _Input(file, row.input, thing.row["run_id"], source or "?", row.path, row.digest)

    def _makers(self, outputs: Sequence[Thing]) -> dict[tuple[Any, ...], int]:
        """Find the task of its own run that gave each output, the first one where several did."""
        if not outputs:
            return {}
        digests, paths = ({each.row[name] for each in outputs} for name in ("digest", "path"))
        query = (
            select(task.c.id, task.c.run_id, task.c.step, output.c.path, output.c.digest)
            .join(task, task.c.key == output.c.key)
            .where(
                among(self._connection, output.c.digest, digests),
                among(self._connection, output.c.path, paths),
                # Not by the index over runs, which would lead to all tasks of one.
                (task.c.run_id + 0).in_({each.row["run_id"] for each in outputs}),
            )
            .order_by(task.c.ordinal)
        )
        found: dict[tuple[Any, ...], int] = {}
        for row in self._connection.execute(query):
            found.setdefault((row.run_id, row.step, row.path, row.digest), row.id)
        return found

    # --- forward ------------------------------------------------------------------------------------------------------

    def _readers(self, files: Sequence[Thing]) -> dict[tuple[Any, ...], list[Readers]]:
        """Find who read files: of datasets in runs over a version in which the file is, others in the same run."""
        counted = readers_of(self._connection, {_content(each) for each in files})
        self._look_at_runs({each.run for readers in counted.values() for each in readers})
        return {
            _place(thing): [each for each in counted[_content(thing)] if self._has_read(thing, each)] for thing in files
        }

    def _has_read(self, thing: Thing, readers: Readers) -> bool:
        there, of = thing.row, self._run(readers.run)
        source = self._source(of.definition_id, readers.step, readers.input)
        if thing.kind == "output":
            return readers.run == there["run_id"] and source == there["step"]
        bound = of.inputs.get(source)
        if not self._looking.project(of.project) or not bound or bound[0] != there["dataset"]:
            return False
        return there["added"] <= bound[1] < (there["removed"] or _NEVER)

    def _published_as(self, outputs: Sequence[Thing]) -> dict[tuple[Any, ...], list[Reference]]:
        """Find the files of versions that files which stay with their runs became."""
        given = self._published({each.row["run_id"] for each in outputs})
        versions: dict[tuple[Any, ...], list[FileRef]] = {
            _place(each): [
                ("file", row.dataset, row.number, each.row["path"])
                for row in given.get((each.row["run_id"], each.row["step"]), ())
                if self._looking.dataset(row.dataset)
            ]
            for each in outputs
        }
        there = things_of(self._connection, [ref for refs in versions.values() for ref in refs])
        found: dict[tuple[Any, ...], list[Reference]] = {}
        for thing in outputs:
            refs: dict[Reference, None] = {
                ref: None
                for ref in versions[_place(thing)]
                if ref in there and there[ref].row["digest"] == thing.row["digest"]
            }
            found[_place(thing)] = list(refs)
        return found

    def _published(self, runs: Collection[int]) -> dict[tuple[int, str], list[DbRow]]:
        found: dict[tuple[int, str], list[DbRow]] = {}
        for part in chunks(sorted(runs)):
            query = select(published).where(published.c.run_id.in_(part)).order_by(published.c.output)
            for row in self._connection.execute(query):
                found.setdefault((row.run_id, row.step), []).append(row)
        return found

    def _tables(self, things: Iterable[Thing]) -> dict[tuple[int, str], list[Thing]]:
        found: dict[tuple[int, str], list[Thing]] = {}
        for part in chunks(sorted(_given(things, "task", "run_id"))):
            query = select(load).where(load.c.run_id.in_(part)).order_by(load.c.table_name)
            for row in self._connection.execute(query):
                if not self._looking.table(row.table_name):
                    continue
                facts = {
                    "load": row.id,
                    "run": row.run_id,
                    "state": row.state,
                    "rows": row.rows,
                    "dataset": row.dataset,
                    "version": row.number,
                    "ended_at": row.ended_at,
                }
                found.setdefault((row.run_id, row.step), []).append(Thing("table", row.table_name, facts))
        return found

    # --- both ---------------------------------------------------------------------------------------------------------

    def _counts(self, of: Table, things: Iterable[Thing]) -> dict[str, int]:
        """Count the files that the keys of tasks cover, or give."""
        keys = _given(things, "task", "key")
        if not keys:
            return {}
        query = select(of.c.key, func.count().label("n")).where(among(self._connection, of.c.key, keys))
        return {row.key: row.n for row in self._connection.execute(query.group_by(of.c.key))}

    def _rows(
        self, of: Table, things: Sequence[Thing], wanted: Sequence[tuple[int, int]], counts: Mapping[str, int],
        *order: Any,
    ) -> list[tuple[int, DbRow]]:  # fmt: skip
        """Read the first so many files of tasks' keys, with the place of each task among the things.

        Those of which all are wanted are read together; the others, which may have a hundred thousand, one by one.
        """
        whole = {things[at].row["key"] for at, most in wanted if 0 < counts.get(things[at].row["key"], 0) <= most}
        rows: dict[str, list[DbRow]] = {}
        if whole:
            query = select(of).where(among(self._connection, of.c.key, whole)).order_by(of.c.key, *order)
            for row in self._connection.execute(query):
                rows.setdefault(row.key, []).append(row)
        found: list[tuple[int, DbRow]] = []
        for at, most in wanted:
            key = things[at].row["key"]
            if key not in whole and most > 0 and counts.get(key, 0):
                query = select(of).where(of.c.key == key).order_by(*order).limit(most)
                found.extend((at, row) for row in self._connection.execute(query))
            elif most > 0:
                found.extend((at, row) for row in rows.get(key, [])[:most])
        return found

    def _run(self, number: int) -> DbRow:
        if number not in self._runs:
            self._look_at_runs([number])
        return self._runs[number]

    def _look_at_runs(self, numbers: Collection[int]) -> None:
        for part in chunks(sorted(each for each in numbers if each not in self._runs)):
            query = select(run.c.id, run.c.inputs, run.c.definition_id, run.c.project).where(run.c.id.in_(part))
            self._runs |= {row.id: row for row in self._connection.execute(query)}

    def _source(self, definition_id: int, step: str, name: str) -> str:
        """Say which pipeline input or step a step's input takes its files from; empty when the definition lacks it."""
        return self._inputs_of(definition_id, step).get(name, "")

    def _inputs_of(self, definition_id: int, step: str) -> dict[str, str]:
        """Give what each input of a step takes its files from, by the input's name."""
        if definition_id not in self._documents:
            query = select(definition.c.document).where(definition.c.id == definition_id)
            self._documents[definition_id] = self._connection.execute(query).scalar_one()
        given = self._documents[definition_id].get("steps", {}).get(step, {}).get("inputs", {})
        return {name: str(each.get("from", "")) for name, each in given.items() if isinstance(each, dict)}


def _given(things: Iterable[Thing], kind: str, name: str) -> set[Any]:
    return {each.row[name] for each in things if each.kind == kind and each.row[name] is not None}


def _content(thing: Thing) -> Content:
    return thing.row["path"], thing.row["digest"]


def _place(thing: Thing) -> tuple[Any, ...]:
    """Give what tells files of one kind apart."""
    there = thing.row
    if thing.kind == "output":
        return there["run_id"], there["step"], there["path"], there["digest"]
    return tuple(there.get(name) for name in ("dataset", "path", "digest", "added", "removed"))


def _resolved(found: _Found, known: Mapping[Reference, Thing]) -> Thing | None:
    if isinstance(found, Thing):
        return found
    if not isinstance(found, _Input):
        return known.get(found)
    file = known.get(found.file) if found.file else None
    if file and file.row["digest"] == found.digest:
        return Thing("file", file.name, {**file.facts, "input": found.name}, file.row)
    return output_of(found.run_id, found.source, found.path, found.digest, {"input": found.name})
