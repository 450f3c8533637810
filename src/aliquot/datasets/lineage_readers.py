"""The tasks that read files: counted in the database, and read no further than there is room for.

A reference file may be read by each of a hundred thousand tasks, of which a lineage names a few.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from aliquot.db.rows import among, chunks
from aliquot.db.tables import key_input, task

Content = tuple[str, str]
"""The path of a file, and its digest."""


class Readers(NamedTuple):
    """Tasks of one step of one run that read a file by one input, and how many they are."""

    run: int
    step: str
    input: str
    many: int


class Wanted(NamedTuple):
    """The first `most` of `many` tasks that read a file are wanted for the thing at a place of a list."""

    at: int
    content: Content
    readers: Sequence[Readers]
    many: int
    most: int


def readers_of(connection: Connection, contents: Collection[Content]) -> dict[Content, list[Readers]]:
    """Count the tasks whose keys cover files, by run, step and input, in the order of the runs."""
    found: dict[Content, list[Readers]] = {each: [] for each in contents}
    if not found:
        return found
    of = (task.c.run_id, task.c.step, key_input.c.input, key_input.c.path, key_input.c.digest)
    query = (
        select(*of, func.count().label("many"))
        .join(task, task.c.key == key_input.c.key)
        .where(*_over(connection, found))
        .group_by(*of)
        .order_by(task.c.run_id, task.c.step, key_input.c.input)
    )
    for row in connection.execute(query):
        if (row.path, row.digest) in found:
            found[row.path, row.digest].append(Readers(row.run_id, row.step, row.input, row.many))
    return found


def count_tasks(connection: Connection, content: Content, readers: Sequence[Readers]) -> int:
    """Count the tasks, each once, also where it reads the file by several inputs."""
    steps = [list(of_step) for _, of_step in groupby(readers, key=lambda found: found[:2])]
    many = sum(each[0].many for each in steps if len(each) == 1)
    for part in chunks([each for each in steps if len(each) > 1]):
        query = select(func.count(task.c.id.distinct())).join(key_input, task.c.key == key_input.c.key)
        query = query.where(*_over(connection, [content]), _by([reader for each in part for reader in each]))
        many += connection.execute(query).scalar_one()
    return many


def first_tasks(connection: Connection, wanted: Sequence[Wanted]) -> Iterator[tuple[int, int]]:
    """Give the first tasks of each, as the place that wants it and the task's number.

    Those of which all are wanted are read together; the others one by one.
    """
    few = [each for each in wanted if 0 < each.many <= each.most]
    if few:
        yield from _together(connection, few)
    for each in wanted:
        if each.many > each.most > 0:
            # The steps of the earliest runs that have so many: no more of them is looked at.
            first, many = list[Readers](), 0
            for _, of_step in groupby(each.readers, key=lambda found: found[:2]):
                here = list(of_step)
                first, many = first + here, many + max(found.many for found in here)
                if many >= each.most:
                    break
            query = select(task.c.id).distinct().join(key_input, task.c.key == key_input.c.key)
            query = query.where(*_over(connection, [each.content]), _by(first))
            for number in connection.execute(query.order_by(task.c.id).limit(each.most)).scalars():
                yield each.at, number


def _together(connection: Connection, wanted: Sequence[Wanted]) -> Iterator[tuple[int, int]]:
    places: dict[tuple[str, str, int, str, str], list[int]] = {}
    for each in wanted:
        for by in each.readers:
            places.setdefault((*each.content, by.run, by.step, by.input), []).append(each.at)
    query = (
        select(task.c.id, task.c.run_id, task.c.step, key_input.c.input, key_input.c.path, key_input.c.digest)
        .join(task, task.c.key == key_input.c.key)
        .where(
            *_over(connection, {each.content for each in wanted}), _by({by for each in wanted for by in each.readers})
        )
        .order_by(task.c.id)
    )
    told: set[tuple[int, int]] = set()
    for row in connection.execute(query):
        for at in places.get((row.path, row.digest, row.run_id, row.step, row.input), ()):
            if (at, row.id) not in told:
                told.add((at, row.id))
                yield at, row.id


def _over(connection: Connection, contents: Collection[Content]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        among(connection, key_input.c.digest, {digest for _, digest in contents}),
        among(connection, key_input.c.path, {path for path, _ in contents}),
    )


def _by(readers: Collection[Readers]) -> ColumnElement[bool]:
    # Not by the index over runs, which would lead to all tasks of one.
    return tuple_(task.c.run_id + 0, task.c.step, key_input.c.input).in_(
        sorted({(each.run, each.step, each.input) for each in readers})
    )
