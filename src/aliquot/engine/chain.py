"""The chain of tasks that made files, back to what arrived."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from aliquot.datasets.read import entries, live_at, missing_file, resolve
from aliquot.db.rows import among, chunks
from aliquot.db.tables import attempt, dataset, entry, key_input, output, result, run, task
from aliquot.engine.pipelines import Applied, by_id
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid, Missing
from aliquot.model.reference import Reference
from aliquot.model.state import State

TaskRow = Row[*tuple[Any, ...]]

_AT_ONCE = 5_000


class Taken(NamedTuple):
    """A file that a task took: under which input and path, its digest, and the key of the task that made it, if one."""

    input: str
    path: str
    digest: Digest
    maker: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """A task of a chain: its row and its run's, the files that it took, and the digests of those that it gave.

    `asked` is what the attempt might use that gave them: processors, bytes of memory, seconds.
    """

    task: TaskRow
    run: TaskRow
    takes: tuple[Taken, ...]
    gave: Mapping[str, Digest]
    asked: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name the task for a person, as `run/step/ordinal`."""
        return f"{self.task.run_id}/{self.task.step}/{self.task.ordinal}"


@dataclass(frozen=True, slots=True)
class Chain:
    """All tasks that files depend on, by key; `wanted` maps the files' paths to digest and key of the maker."""

    wanted: Mapping[str, tuple[Digest, str]]
    links: Mapping[str, Link]


def chain_of(connection: Connection, reference: Reference) -> Chain:
    """Follow the files of a reference back to what arrived; `Invalid` when none of them was made by a task."""
    of = resolve(connection, reference)
    listed = list(entries(connection, of, below=reference.path))
    if not listed and reference.path:
        raise missing_file(connection, of, reference.path)
    made = {each.path: (each.digest, each.task_id) for each in listed if each.task_id is not None}
    if not made:
        raise Invalid(
            "not-made-here",
            f"Nothing in {reference} was made by a task: it arrived as it is. `aliquot lineage {reference}` says how.",
            reference=str(reference),
        )
    following = _Following(connection)
    following.follow({task_id for _, task_id in made.values()})
    keys = following.keys
    return Chain({path: (digest, keys[task_id]) for path, (digest, task_id) in made.items()}, following.links)


class _Following:
    """Goes back from tasks to the tasks whose files they took, all tasks of one distance together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._applied: dict[int, Applied] = {}
        self._runs: dict[int, TaskRow] = {}
        self.keys: dict[int, str] = {}
        self.links: dict[str, Link] = {}

    def follow(self, wanted: Iterable[int]) -> None:
        waiting = set(wanted)
        taken: dict[str, tuple[TaskRow, list[tuple[str, str, Digest, int | None]]]] = {}
        while waiting:
            rows = self._tasks(waiting)
            fresh = [row for row in {row.key: row for row in rows}.values() if row.key not in taken]
            taken |= {row.key: (row, []) for row in fresh}
            for row, name, path, digest in self._inputs(fresh):
                taken[row.key][1].append((name, path, digest, None))
            waiting = set()
            for group in _grouped(fresh):
                waiting |= self._find_makers(group, taken)
            waiting -= self.keys.keys()
        gave, asked = self._outputs(list(taken)), self._asked(list(taken))
        for key, (row, files) in taken.items():
            takes = tuple(Taken(i, p, d, self.keys[maker] if maker else None) for i, p, d, maker in files)
            self.links[key] = Link(row, self._run(row.run_id), takes, gave.get(key, {}), asked.get(key, {}))

    def _tasks(self, ids: Iterable[int]) -> list[TaskRow]:
        found: list[TaskRow] = []
        for part in chunks(sorted(ids)):
            found += self._connection.execute(select(task).where(task.c.id.in_(part))).all()
        self.keys |= {row.id: row.key for row in found}
        gone = set(ids) - self.keys.keys()
        if gone:
            raise Missing(
                "task-gone",
                f"The tasks {sorted(gone)[:5]} that made files are gone from the catalogue.",
                tasks=len(gone),
            )
        return found

    def _inputs(self, rows: Sequence[TaskRow]) -> list[tuple[TaskRow, str, str, Digest]]:
        by_key = {row.key: row for row in rows}
        found: list[tuple[TaskRow, str, str, Digest]] = []
        for part in chunks(list(by_key), _AT_ONCE):
            query = select(key_input).where(among(self._connection, key_input.c.key, part))
            found += [(by_key[e.key], e.input, e.path, Digest(e.digest)) for e in self._connection.execute(query)]
        return found

    def _find_makers(
        self, rows: Sequence[TaskRow], taken: Mapping[str, tuple[TaskRow, list[tuple[str, str, Digest, int | None]]]]
    ) -> set[int]:
        """Fill in who made the files that tasks of one run and step took; gives the makers."""
        the_run = self._run(rows[0].run_id)
        pipeline = self._definition(the_run.definition_id).pipeline
        makers: set[int] = set()
        for name, given in pipeline.steps[rows[0].step].inputs.items():
            paths = sorted({path for row in rows for i, path, _, _ in taken[row.key][1] if i == name})
            if given.from_ in pipeline.inputs:
                of, number = the_run.inputs[given.from_]
                found = self._makers_of_version(of, number, paths)
            else:
                found = self._makers_in_run(the_run.id, given.from_, paths)
            for row in rows:
                files = taken[row.key][1]
                for at, (i, path, digest, _) in enumerate(files):
                    if i == name and (maker := found.get((path, digest))):
                        files[at] = (i, path, digest, maker)
                        makers.add(maker)
        return makers

    def _makers_of_version(self, name: str, number: int, paths: Sequence[str]) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for part in chunks(paths, _AT_ONCE):
            query = (
                select(entry.c.path, entry.c.digest, entry.c.task_id)
                .join(dataset, dataset.c.id == entry.c.dataset_id)
                .where(dataset.c.name == name, among(self._connection, entry.c.path, part))
                .where(entry.c.task_id.is_not(None), *live_at(number))
            )
            found |= {(row.path, row.digest): row.task_id for row in self._connection.execute(query)}
        return found

    def _makers_in_run(self, number: int, step: str, paths: Sequence[str]) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for part in chunks(paths, _AT_ONCE):
            query = (
                select(output.c.path, output.c.digest, task.c.id)
                .join(task, task.c.key == output.c.key)
                .where(task.c.run_id == number, task.c.step == step, task.c.state == State.COMPLETE)
                .where(among(self._connection, output.c.path, part))
            )
            found |= {(row.path, row.digest): row.id for row in self._connection.execute(query)}
        return found

    def _outputs(self, keys: Sequence[str]) -> dict[str, dict[str, Digest]]:
        found: dict[str, dict[str, Digest]] = {}
        for part in chunks(keys, _AT_ONCE):
            query = select(output.c.key, output.c.path, output.c.digest).where(
                among(self._connection, output.c.key, part)
            )
            for key, path, digest in self._connection.execute(query):
                found.setdefault(key, {})[path] = Digest(digest)
        return found

    def _asked(self, keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for part in chunks(keys, _AT_ONCE):
            query = (
                select(result.c.key, attempt.c.asked)
                .join(attempt, attempt.c.task_id == result.c.task_id)
                .where(among(self._connection, result.c.key, part), attempt.c.state == State.COMPLETE)
            )
            found |= {row.key: row.asked for row in self._connection.execute(query) if row.asked}
        return found

    def _run(self, number: int) -> TaskRow:
        if number not in self._runs:
            self._runs[number] = self._connection.execute(select(run).where(run.c.id == number)).one()
        return self._runs[number]

    def _definition(self, number: int) -> Applied:
        if number not in self._applied:
            self._applied[number] = by_id(self._connection, number)
        return self._applied[number]


def _grouped(rows: Iterable[TaskRow]) -> list[list[TaskRow]]:
    groups: dict[tuple[int, str], list[TaskRow]] = {}
    for row in rows:
        groups.setdefault((row.run_id, row.step), []).append(row)
    return list(groups.values())
