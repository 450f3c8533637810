"""From task rows to task documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from aliquot.datasets import places
from aliquot.db.rows import all_rows, among_listed, listed
from aliquot.db.tables import blob, key_input, run_step
from aliquot.engine.keys import bundled
from aliquot.engine.parameters import as_text
from aliquot.engine.pipelines import Applied
from aliquot.engine.sizing import UNKNOWN, Sizes
from aliquot.engine.taken import Taken
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest
from aliquot.model.errors import Damaged
from aliquot.model.glob import compile_glob
from aliquot.model.pipeline import AUTO, Step
from aliquot.model.task import Call, Resources, TaskDocument, TaskFile

RunRow = Row[*tuple[Any, ...]]

TaskRow = Taken | Row[*tuple[Any, ...]]
"""A task that was claimed, or one of the past."""


@dataclass(slots=True)
class Command:
    """What the documents of a run's step have in common."""

    step: Step
    code: tuple[TaskFile, ...]
    environment: Mapping[str, str]
    name: str
    parts: Mapping[str, Any]
    variables: Mapping[str, Sequence[str]]
    """What each input gives to the environment where a datum has it: its own name and what its glob captures."""
    values: Mapping[str, Any]
    depth: int
    parts_text: str | None = None
    """The parts as JSON with no exports, once somebody has written them."""
    fixed: Resources | None = None
    """What each task of the step may use, where nothing is left to what similar ones needed."""


def command_of(connection: Connection, applied: Applied, run: RunRow, step: str) -> Command:
    """Gather what the documents of a run's step have in common."""
    definition = applied.pipeline.steps[step]
    code = bundled(definition, applied.bundle)
    where = places.require(connection, [Digest(digest) for digest in code.values()])
    declared = applied.pipeline.parameters if definition.parameters is None else definition.parameters
    values = {name: run.parameters[name] for name in declared if name in run.parameters}
    environment = {name.upper(): as_text(value) for name, value in values.items()}
    files = tuple(TaskFile(f"bundle/{path}", where[Digest(digest)]) for path, digest in code.items())
    kept = connection.execute(
        select(run_step.c.parts, run_step.c.position).where(run_step.c.run_id == run.id, run_step.c.step == step)
    ).one()
    variables = {
        name: [each.upper() for each in (name, *compile_glob(given.glob).captures) if not each.isdigit()]
        for name, given in definition.inputs.items()
    }
    asked = definition.resources
    return Command(
        definition, files, environment, f"{applied.pipeline.pipeline}/{step}", kept.parts, variables, values,
        kept.position, fixed=None if asked.learns else UNKNOWN.resources(asked, 0),
    )  # fmt: skip


Given = Sequence[tuple[str, str, Location]]
"""A task's files as (input, path, location)."""


def input_places(connection: Connection, keys: Sequence[str]) -> dict[str, Given]:
    """Give, for each key, its files; a location of size -1 is not known."""
    found: dict[str, list[tuple[str, str, Location]]] = {key: [] for key in keys}
    query = _places(connection.dialect.name)
    for key, name, path, digest, size, pack, offset in all_rows(connection, query, listed(connection, found)):
        if size is None:
            size = 0 if digest == EMPTY else -1
        found[key].append((name, path, Location(digest, size, pack, offset or 0)))
    for files in found.values():
        if len(files) > 1:
            files.sort()
    return dict(found)


@cache
def _places(dialect: str) -> Select[*tuple[Any, ...]]:
    return (
        select(key_input, blob.c.size, blob.c.pack, blob.c.offset)
        .outerjoin(blob, (blob.c.digest == key_input.c.digest) & blob.c.swept_at.is_(None))
        .where(among_listed(dialect, key_input.c.key))
    )


def document(row: TaskRow, command: Command, files: Given, store: str, sizes: Sizes = UNKNOWN) -> TaskDocument:
    """Make the document of a claimed task; `Damaged` when nobody knows where one of its files lies.

    Memory and time grow with its failures where the step says so.
    """
    for _, path, place in files:
        if place.size < 0:
            raise Damaged(
                "blob-unknown",
                f"The catalogue does not know where {place.digest} lies, the content of {path}.",
                digest=place.digest,
            )
    step = command.step
    resources = command.fixed
    if resources is None or row.failures:
        resources = _resources(step, row, sizes, files)
    datum: dict[str, Any] = row.datum
    call = _call(step.python, command, datum) if step.python else None
    # A function is told everything by its call.
    environment, places_of = ({}, {}) if call else _surroundings(command, datum, resources)
    return TaskDocument(
        key=Digest(row.key),
        task=row.id,
        fence=row.fence,
        name=f"{command.name}/{row.ordinal}",
        command=step.command if isinstance(step.command, str) else tuple(step.command),
        store=store,
        environment=environment,
        places=places_of,
        files=(*command.code, *[TaskFile(f"in/{name}{path}", place) for name, path, place in files]),
        image=step.image,
        resources=resources,
        network=step.network,
        python=call,
        ensure=tuple(command.parts.get("ensure", ())),
        run=row.run_id,
        depth=command.depth,
    )


def _surroundings(
    command: Command, datum: Mapping[str, Any], resources: Resources
) -> tuple[dict[str, str], dict[str, str]]:
    """Give a command's variables, and those whose value is a place."""
    environment = dict(command.environment)
    places_of = {"OUT": "out", "TASK": "task.json"}
    parts, exports = datum["parts"], datum["exports"]
    if command.code:
        places_of["BUNDLE"] = "bundle"
    for name, variables in command.variables.items():
        # Empty, not unset: a list's `$NAME`, and a shell that stops at unset names, get along with an absent input.
        if name not in parts:
            environment |= dict.fromkeys(variables, "")
    for name, (matched, captures, single) in parts.items():
        places_of[name.upper()] = f"in/{name}{matched}" if matched != "/" or single else f"in/{name}"
        environment |= {each.upper(): value for each, value in captures.items() if not each.isdigit()}
    if exports:
        environment |= {name.upper(): as_text(value) for name, value in exports.items()}
    environment["CPUS"] = f"{resources.cpus:g}"
    if resources.memory:
        environment["MEMORY_MB"] = str(resources.memory // 2**20)
    return environment, places_of


def _call(function: str, command: Command, datum: Mapping[str, Any]) -> Call:
    parts: Mapping[str, tuple[str, Mapping[str, str], bool]] = datum["parts"]
    values = dict(command.values)
    if len(parts) < len(command.variables):
        values |= dict.fromkeys([name for name in command.variables if name not in parts])
    inputs: dict[str, str] = {}
    for name, (matched, captures, single) in parts.items():
        inputs[name] = f"in/{name}{matched}" if matched != "/" or single else f"in/{name}"
        for each, value in captures.items():
            if not each.isdigit():
                values[each] = value
    return Call(function, values | datum["exports"] if datum["exports"] else values, inputs)


def _resources(step: Step, row: TaskRow, sizes: Sizes, files: Given) -> Resources:
    asked = sizes.resources(step.resources, sum(place.size for _, _, place in files))
    grown = step.retry.grown(asked, row.failures)
    if step.resources.memory != AUTO or asked.memory is None:
        return grown
    # What is learnt has grown already.
    limit = step.retry.memory_limit
    return replace(grown, memory=asked.memory if limit is None else min(asked.memory, limit))
