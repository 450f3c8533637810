"""Reading versions: which one a reference means, what is in it, and how two differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, Select, func, select, union_all

from aliquot.db.tables import dataset, entry, tag, version
from aliquot.definitions.problem import instead, nearest, sentence_end
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid, Missing
from aliquot.model.reference import LATEST, Reference

Q = TypeVar("Q", bound=Select[*tuple[Any, ...]])

_NEVER = 2**31 - 1
"""Beyond the number of any version."""

_STREAM = 2_000
_NAMES = 1_000
"""Names at most among which one that was meant is looked for."""
"""Rows that are fetched at a time, where all are wanted."""


@dataclass(frozen=True, slots=True)
class Version:
    """A point on a dataset's line. Number 0, without a digest, stands before the first version: it holds nothing."""

    dataset: str
    dataset_id: int
    number: int
    digest: str = ""
    files: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return f"{self.dataset}@{self.number}"


class Entry(NamedTuple):
    """A file in a version: its path with a leading `/`, digest, and size in bytes."""

    path: str
    digest: Digest
    size: int
    receipt_id: int | None = None
    task_id: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that differs between two versions; `before` or `after` is None where it is not there."""

    path: str
    before: Digest | None
    after: Digest | None


def resolve(connection: Connection, reference: Reference) -> Version:
    """Find the version that a reference means: a number, a tag, or the newest; `Missing` says what there is."""
    row = find_dataset(connection, reference.dataset)
    if reference.version == LATEST:
        number = row.head
    elif reference.version.isdecimal():
        number = int(reference.version)
    else:
        query = select(tag.c.number).where(tag.c.dataset_id == row.id, tag.c.name == reference.version)
        found = connection.execute(query).scalar()
        if found is None:
            raise Missing(
                "tag-missing",
                f"{row.name} has no tag {reference.version!r}; `aliquot dataset log {row.name}` lists its tags.",
                dataset=row.name,
                tag=reference.version,
            )
        number = found
    return at(connection, row, number)


def at(connection: Connection, row: Row[Any], number: int) -> Version:
    """Give one version of a dataset row by its number."""
    if number == 0 and row.head == 0:
        return Version(row.name, row.id, 0)
    query = select(version).where(version.c.dataset_id == row.id, version.c.number == number)
    # A number beyond the newest may be larger than the database can compare with.
    found = connection.execute(query).first() if number <= row.head else None
    if found is None:
        raise Missing(
            "version-missing",
            f"The dataset {row.name} has no version {number}; its newest is {row.head}.",
            dataset=row.name,
            version=number,
        )
    return Version(row.name, row.id, number, found.digest, found.files, found.bytes)


def find_dataset(connection: Connection, name: str) -> Row[Any]:
    """Give a dataset's row, or `Missing` with the names that there are."""
    row = connection.execute(select(dataset).where(dataset.c.name == name)).first()
    if row is None:
        names = connection.execute(select(dataset.c.name).order_by(dataset.c.name).limit(_NAMES)).scalars().all()
        rest = sentence_end(instead(name, names)) if names else "; there are none yet."
        raise Missing("dataset-missing", f"There is no dataset {name!r}{rest}", dataset=name)
    return row


def entries(
    connection: Connection, of: Version, below: str | None = None, after: str = "", limit: int | None = None
) -> Iterator[Entry]:
    """List the files of a version in the order of their paths: one indexed query.

    `below` keeps one file or what is in one folder; `after` and `limit` give a page.
    """
    query = (
        select(entry.c.path, entry.c.digest, entry.c.size, entry.c.receipt_id, entry.c.task_id)
        .where(entry.c.dataset_id == of.dataset_id, *live_at(of.number))
        .order_by(entry.c.path)
    )
    for each in _pages(query, below, after, limit):
        count = 0
        for rows in connection.execute(each if limit is None else each.limit(limit)).partitions(_STREAM):
            count += len(rows)
            yield from [Entry(path, Digest(digest), size, *made) for path, digest, size, *made in rows]
        if limit is not None:
            limit -= count


def live_at(number: int) -> tuple[Any, Any]:
    """Give the conditions for an entry to be in a version."""
    # Not `removed IS NULL OR …`: SQLite would answer that from two indexes and sort the whole version for one page.
    return entry.c.added <= number, func.coalesce(entry.c.removed, _NEVER) > number


def one_entry(connection: Connection, of: Version, path: str) -> Entry:
    """Give one file of a version, or `Missing`."""
    for found in entries(connection, of, below=path.rstrip("/"), limit=1):
        if found.path == path:
            return found
    raise missing_file(connection, of, path, "file")


def missing_file(connection: Connection, of: Version, path: str, what: str = "file or folder") -> Missing:
    """Give the error for a path that a version does not hold, with the name of its folder that may have been meant."""
    folder = path[: path.rstrip("/").rfind("/") + 1]
    beside = [each.path for each in entries(connection, of, below=folder, limit=_NAMES)]
    guess = nearest(path, beside)
    rest = f"did you mean {guess}?" if guess else f"`aliquot dataset files {of}` lists them."
    facts = {"dataset": of.dataset, "version": of.number, "path": path}
    return Missing("file-missing", f"{of} has no {what} {path}; {rest}", **facts)


def difference(connection: Connection, one: Version, other: Version) -> Iterator[Difference]:
    """List what differs between two versions of one dataset, by path; costs what changed between them."""
    if one.dataset_id != other.dataset_id:
        raise Invalid("datasets-differ", f"{one} and {other} are not versions of one dataset; compare two of the same.")
    low, high = sorted((one.number, other.number))
    columns = select(entry.c.path, entry.c.digest, entry.c.added, entry.c.removed)
    here = entry.c.dataset_id == one.dataset_id
    # Each half reads its own index; a row that is in both is the same row twice.
    query = union_all(
        columns.where(here, entry.c.added > low, entry.c.added <= high),
        columns.where(here, entry.c.removed > low, entry.c.removed <= high),
    ).order_by("path")
    for path, rows in groupby(
        connection.execute(query, execution_options={"yield_per": _STREAM}), key=lambda row: str(row.path)
    ):
        sides: dict[int, Digest] = {}
        for row in rows:
            for number in (low, high):
                if row.added <= number and (row.removed is None or row.removed > number):
                    sides[number] = Digest(row.digest)
        if sides.get(low) != sides.get(high):
            yield Difference(path, sides.get(one.number), sides.get(other.number))


def _pages(query: Q, below: str | None, after: str, limit: int | None) -> Iterator[Q]:
    """Give the queries that keep a file or folder, from a path on: the file itself sorts before all in the folder.

    Two queries and not one with OR, which neither database answers in the order of its index.
    """
    if limit is None:
        query = query.execution_options(yield_per=_STREAM)
    if not below or below == "/":
        # Every path is greater than none: said even so, or SQLite reads another index and sorts the whole version.
        yield query.where(entry.c.path > after)
        return
    folder = below.rstrip("/")
    if not below.endswith("/") and after < folder:
        yield query.where(entry.c.path == folder)
    # '0' is the character after '/': the range holds exactly what lies in the folder. Of two lower bounds SQLite might
    # start from the wrong one, so there is one.
    start = entry.c.path > after if after > folder + "/" else entry.c.path >= folder + "/"
    yield query.where(start, entry.c.path < folder + "0")
