"""Planning a step: its datums, their keys, and which of them have succeeded before."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from aliquot.datasets.read import Version, entries
from aliquot.db.rows import among, chunks
from aliquot.db.tables import output, result, task
from aliquot.engine.combine import form
from aliquot.engine.condition import Condition
from aliquot.engine.datums import Datum, File, complete_already
from aliquot.engine.keys import Keys, StepParts
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Pipeline, Step
from aliquot.model.state import State

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Planned:
    """A task to be: its datum and key, what earlier steps export to it, and whether its key has succeeded.

    One that the step's `when` has `left_out` is none.
    """

    datum: Datum
    key: Digest
    exports: Mapping[str, Any]
    known: bool
    left_out: bool = False


def plan_step(
    connection: Connection,
    step: Step,
    parts: StepParts,
    files: Mapping[str, Sequence[File]],
    parameters: Mapping[str, Any],
    unfinished: Collection[str] = (),
    growing: Mapping[str, Collection[str]] | None = None,
) -> list[Planned]:
    """Plan one step over the files of its inputs; costs a lookup for each datum, whatever was run before.

    Of the inputs that are `unfinished`, more files may come: only datums that are complete without them are given.
    `growing` are the entries to which some may, of the inputs of which that is known.
    """
    datums = form(step, files)
    if unfinished:
        datums = [datum for datum in datums if complete_already(datum, unfinished, growing)]
    exported = _exports(connection, files)
    keys = Keys(parts)
    condition = Condition(step.when, parameters)
    rows: list[tuple[Datum, Digest, Mapping[str, Any], bool]] = []
    for datum in datums:
        reaching = _of_datum(datum, exported) if exported else {}
        exports = _visible(step, reaching)
        rows.append((datum, keys.key(datum, exports), exports, not condition(reaching)))
    known = known_keys(connection, [key for _, key, _, _ in rows])
    return [Planned(datum, key, exports, key in known, left_out) for datum, key, exports, left_out in rows]


def input_files(
    connection: Connection,
    pipeline: Pipeline,
    step: Step,
    bound: Mapping[str, Version],
    made: Mapping[str, Sequence[File]],
    but: str | None = None,
) -> dict[str, Sequence[File]]:
    """Gather the files of a step's inputs, `but` for one: from bound versions, or from what earlier steps `made`."""
    read: dict[str, list[File]] = {}
    files: dict[str, Sequence[File]] = {}
    for name, given in step.inputs.items():
        if name == but:
            continue
        if given.from_ in pipeline.inputs:
            if given.from_ not in read:
                found = entries(connection, bound[given.from_])
                read[given.from_] = [File(each.path, each.digest, each.size) for each in found]
            files[name] = read[given.from_]
        else:
            files[name] = made[given.from_]
    return files


def made_by(connection: Connection, run_id: int, step: str, *, exporting: bool = False) -> list[File]:
    """List what the finished tasks of a run's step gave, by path, each file once.

    `Invalid` when two tasks gave different content under one path, or a file where another gave a folder; and, with
    `exporting`, when they gave equal content and other exports with it: nobody could say which of them reach the next
    step.
    """
    query = (
        select(output.c.path, output.c.key, output.c.digest, output.c.size, task.c.ordinal)
        .join(task, task.c.key == output.c.key)
        .where(task.c.run_id == run_id, task.c.step == step, task.c.state == State.COMPLETE)
    )
    # By path and key, not by ordinals: those say in which order tasks were planned, and the result must not. Sorted
    # here, since the database would hold all rows beside ours for it.
    rows = [tuple(row) for part in connection.execute(query).partitions(_AT_ONCE) for row in part]
    rows.sort(reverse=True)
    files: list[File] = []
    makers = array("q")
    folders: dict[str, int] = {}
    twice: list[tuple[File, int, str, int]] = []
    while rows:
        # Taken away one by one, so that a hundred thousand are not held twice.
        path, key, digest, size, ordinal = rows.pop()
        there = files[-1] if files and files[-1].path == path else None
        if there is None:
            files.append(File(path, digest, size, key))
            makers.append(ordinal)
            cut = path.rfind("/")
            while cut > 0 and path[:cut] not in folders:
                folders[path[:cut]] = ordinal
                cut = path.rfind("/", 0, cut)
        elif there.digest != digest:
            raise _both_wrote(step, makers[-1], ordinal, path, "each its own content")
        elif exporting and there.key != key:
            twice.append((there, makers[-1], key, ordinal))
    _require_same_exports(connection, step, twice)
    for folder, ordinal in folders.items():
        at = bisect_left(files, folder, key=itemgetter(0))
        if at < len(files) and files[at].path == folder:
            raise _both_wrote(step, makers[at], ordinal, folder, "one a file and the other a folder")
    return files


def _require_same_exports(connection: Connection, step: str, twice: Sequence[tuple[File, int, str, int]]) -> None:
    """Refuse files that two tasks gave with other exports: file, ordinal, and the other task's key and ordinal."""
    exported = _exports_of(connection, {key for file, _, other, _ in twice for key in (file.key or "", other)})
    for file, maker, key, ordinal in twice:
        if exported.get(file.key or "") != exported.get(key):
            raise _both_wrote(step, maker, ordinal, file.path, "each with exports of its own")


def outputs_of(connection: Connection, keys: Iterable[str]) -> list[File]:
    """List the files that keys have given, by path."""
    files: list[File] = []
    for part in chunks(list(keys)):
        query = select(output.c.path, output.c.digest, output.c.size, output.c.key).where(output.c.key.in_(part))
        files += [File(*row) for row in connection.execute(query).all()]
    return sorted(files, key=lambda file: file.path)


def _both_wrote(step: str, one: int, other: int, path: str, what: str) -> Invalid:
    one, other = sorted((one, other))
    return Invalid(
        "outputs-clash",
        f"tasks {step}/{one} and {step}/{other} both wrote {path}, {what}: give each datum's files a name of their "
        f"own, for instance from a capture",
        step=step,
        path=path,
    )


def known_keys(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Say which keys have succeeded."""
    known: set[str] = set()
    for part in chunks(list(keys), _AT_ONCE):
        rows = connection.execute(select(result.c.key).where(among(connection, result.c.key, part))).all()
        known.update([key for (key,) in rows])
    return known


def _exports(connection: Connection, files: Mapping[str, Sequence[File]]) -> dict[str, dict[str, Any]]:
    return _exports_of(connection, {file.key for each in files.values() for file in each if file.key})


def _exports_of(connection: Connection, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    exported: dict[str, dict[str, Any]] = {}
    for part in chunks(list(keys)):
        query = select(result.c.key, result.c.exports).where(result.c.key.in_(part), result.c.exports.is_not(None))
        exported |= {row.key: row.exports for row in connection.execute(query) if row.exports}
    return exported


def _of_datum(datum: Datum, exported: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Give the exported values that reach a datum; where its files bring several, the list of them."""
    values: dict[str, list[Any]] = {}
    for key in dict.fromkeys(file.key for part in datum for file in part.files if file.key):
        for name, value in exported.get(key, {}).items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
    return {name: several[0] if len(several) == 1 else several for name, several in values.items()}


def _visible(step: Step, exports: Mapping[str, Any]) -> Mapping[str, Any]:
    if step.parameters is None:
        return exports
    return {name: value for name, value in exports.items() if name in step.parameters}
