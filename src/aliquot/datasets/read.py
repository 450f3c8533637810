"""Reading versions: which one a reference means, what is in it, and how two differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from aliquot.db.tables import dataset, entry, tag, version
from aliquot.model.digest import Digest
from aliquot.model.errors import Missing
from aliquot.model.reference import LATEST, Reference


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


@dataclass(frozen=True, slots=True)
class Entry:
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
    elif reference.version.isdigit():
        number = int(reference.version)
    else:
        query = select(tag.c.number).where(tag.c.dataset_id == row.id, tag.c.name == reference.version)
        found = connection.execute(query).scalar()
        if found is None:
            raise Missing(
                "tag-missing",
                f"The dataset {row.name} has no tag {reference.version!r}; `aliquot dataset log {row.name}` lists them.",
                dataset=row.name,
                tag=reference.version,
            )
        number = found
    return at(connection, row, number)


def at(connection: Connection, row: Row[Any], number: int) -> Version:
    """Give one version of a dataset row by its number."""
    if number == 0 and row.head == 0:
        return Version(row.name, row.id, 0)
    found = connection.execute(
        select(version).where(version.c.dataset_id == row.id, version.c.number == number)
    ).first()
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
        names = [each.name for each in connection.execute(select(dataset.c.name).order_by(dataset.c.name).limit(20))]
        there_are = "there are: " + ", ".join(names) if names else "there are none yet"
        raise Missing("dataset-missing", f"There is no dataset {name!r}; {there_are}.", dataset=name)
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
    for row in connection.execute(page(query, below, after, limit)):
        yield Entry(row.path, Digest(row.digest), row.size, row.receipt_id, row.task_id)


def live_at(number: int) -> tuple[Any, Any]:
    """Give the conditions for an entry to be in a version."""
    return entry.c.added <= number, or_(entry.c.removed.is_(None), entry.c.removed > number)


def page(query: Select[Any], below: str | None, after: str, limit: int | None) -> Select[Any]:
    """Keep a folder, and a page of it."""
    if below and below != "/":
        folder = below.rstrip("/")
        # '0' is the character after '/': the range holds exactly what lies in the folder.
        inside = and_(entry.c.path >= folder + "/", entry.c.path < folder + "0")
        query = query.where(inside if below.endswith("/") else or_(entry.c.path == folder, inside))
    if after:
        query = query.where(entry.c.path > after)
    return query.limit(limit) if limit is not None else query


def one_entry(connection: Connection, of: Version, path: str) -> Entry:
    """Give one file of a version, or `Missing`."""
    for found in entries(connection, of, below=path, limit=1):
        if found.path == path:
            return found
    raise Missing(
        "file-missing",
        f"{of} has no file {path}; `aliquot dataset files {of}` lists them.",
        dataset=of.dataset,
        version=of.number,
        path=path,
    )


def difference(connection: Connection, one: Version, other: Version) -> Iterator[Difference]:
    """List what differs between two versions of one dataset, by path; costs what changed between them."""
    low, high = sorted((one.number, other.number))
    touched = or_(
        and_(entry.c.added > low, entry.c.added <= high), and_(entry.c.removed > low, entry.c.removed <= high)
    )
    query = select(entry).where(entry.c.dataset_id == one.dataset_id, touched).order_by(entry.c.path)
    before: dict[str, Digest] = {}
    after: dict[str, Digest] = {}
    for row in connection.execute(query):
        for number, side in ((one.number, before), (other.number, after)):
            if row.added <= number and (row.removed is None or row.removed > number):
                side[row.path] = Digest(row.digest)
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            yield Difference(path, before.get(path), after.get(path))
