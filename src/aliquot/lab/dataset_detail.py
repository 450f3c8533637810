"""A dataset as people ask for it: how it came to be what it is, what its tags are, and who uses it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from aliquot.access.by import By
from aliquot.datasets import history
from aliquot.datasets.changes import Changes, changes
from aliquot.datasets.history import VersionLine
from aliquot.datasets.provenance import provenance_words
from aliquot.datasets.read import Version, find_dataset, resolve
from aliquot.datasets.tree import Level, level
from aliquot.db.tables import load, tag
from aliquot.lab.definitions import pipelines
from aliquot.lab.lab import Lab
from aliquot.lab.seen import loaded_by, unseen_runs
from aliquot.lab.unmoved import once
from aliquot.model.reference import Reference

ELSEWHERE = "a run of another project"
"""What somebody is told who may not see the run that made a version."""


@dataclass(frozen=True, slots=True)
class VersionStep:
    """A version on a dataset's line: what it changed against the one before, and in words where it came from."""

    number: int
    digest: str
    added: int
    changed: int
    removed: int
    files: int
    bytes: int
    parked: int
    run: int | None
    origin: str
    created_at: float
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uses:
    """Who uses a dataset: sources that deliver into it, pipelines that make or read it, tables loaded from it."""

    sources: list[str]
    makers: list[str]
    readers: list[str]
    tables: list[str]


@dataclass(frozen=True, slots=True)
class DatasetDetail:
    """A dataset at its newest version, with a page of its versions, newest first; `next` is the last one's number."""

    name: str
    project: str
    head: int
    files: int
    bytes: int
    created_at: float
    versions: list[VersionStep]
    next: int | None
    tags: dict[str, int]
    uses: Uses


@dataclass(frozen=True, slots=True)
class VersionDetail:
    """A version, with what lies in one of its folders; `of` is how it was asked for, `head` the newest version."""

    dataset: str
    project: str
    head: int
    parent: str
    version: VersionStep
    level: Level


def dataset_detail(
    connection: Connection, lab: Lab, by: By, name: str, before: int | None = None, limit: int = 20
) -> DatasetDetail:
    """Look at a dataset, with its versions before a number; `Missing` when there is none of that name.

    What made it and what uses it is told as far as `by` may see it.
    """
    row = find_dataset(connection, name)
    lines = history.log(connection, name, before, limit + 1)
    newest = resolve(connection, Reference(name))
    named = select(tag.c.name, tag.c.number).where(tag.c.dataset_id == row.id).order_by(tag.c.number.desc(), tag.c.name)
    return DatasetDetail(
        name, row.project, row.head, newest.files, newest.bytes, row.created_at,
        _steps(connection, by, lines)[:limit],
        lines[limit - 1].number if len(lines) > limit else None,
        {each.name: each.number for each in connection.execute(named)},
        _uses(connection, lab, by, name),
    )  # fmt: skip


def version_detail(
    connection: Connection, by: By, name: str, version: str, folder: str = "/", start: str = "", limit: int = 100
) -> VersionDetail:
    """Look at a version, by its number, a tag or `latest`, and into one of its folders; as far as `by` may see it."""
    row = find_dataset(connection, name)
    of = resolve(connection, Reference(name, version))
    if of.number == 0:
        step = VersionStep(0, "", 0, 0, 0, 0, 0, 0, None, "", row.created_at, ())
        return VersionDetail(name, row.project, 0, "", step, Level("/", [], [], ""))
    lines = history.log(connection, name, of.number + 1, 2)
    # What a version holds never changes: its digest tells it from any other of that number.
    asked = ("level", of.dataset_id, of.digest, folder, start, limit)
    found = once(connection, asked, lambda: level(connection, of, folder, start, limit))
    return VersionDetail(name, row.project, row.head, lines[0].parent, _steps(connection, by, lines)[0], found)


def diff_of(connection: Connection, name: str, before: str, after: str, start: str = "") -> tuple[int, int, Changes]:
    """Tell what a version has changed against another; `0` is the nothing before the first. Gives their numbers too."""
    one, other = (_any_version(connection, name, each) for each in (before, after))
    return one.number, other.number, changes(connection, one, other, start)


def _any_version(connection: Connection, name: str, version: str) -> Version:
    if version == "0":
        return Version(name, find_dataset(connection, name).id, 0)
    return resolve(connection, Reference(name, version))


def _steps(connection: Connection, by: By, lines: Sequence[VersionLine]) -> list[VersionStep]:
    """Tell versions as steps; of the last line only its number of files is told, unless it is the first version."""
    hidden = unseen_runs(connection, [each.run_id for each in lines], by.projects("run.read"))
    found: list[VersionStep] = []
    for at, line in enumerate(lines):
        before = lines[at + 1].files if at + 1 < len(lines) else 0
        new = line.files - before + line.removed
        made, origin = line.run_id, provenance_words(line.provenance)
        if made in hidden:
            made, origin = None, ELSEWHERE
        found.append(
            VersionStep(
                line.number, line.digest, new, line.added - new, line.removed, line.files, line.bytes, line.parked,
                made, origin, line.created_at, line.tags,
            )
        )  # fmt: skip
    return found


def _uses(connection: Connection, lab: Lab, by: By, name: str) -> Uses:
    known = {key: each for key, each in pipelines(connection).items() if by.may("pipeline.read", each.project)}
    makers = [
        each.pipeline for each in known.values() if any(output.publish == name for output in each.outputs.values())
    ]
    readers = [each.pipeline for each in known.values() if any(put.dataset == name for put in each.inputs.values())]
    sources = [
        key
        for key, each in lab.config.sources.items()
        if any(rule.into == name for rule in each.accept) and by.may("source.read", each.project)
    ]
    loaded = select(load.c.table_name).where(load.c.dataset == name).distinct().order_by(load.c.table_name)
    tables, projects = list(connection.execute(loaded).scalars()), by.projects("table.read")
    if projects is not None:
        loaders = loaded_by(connection)
        tables = [each for each in tables if loaders[each] <= projects]
    return Uses(sources, makers, readers, tables)
