"""Datasets of a lab on a server: versions, files, tags, and taking files out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aliquot.datasets.changes import Changes
from aliquot.datasets.commit import Committed
from aliquot.datasets.history import DatasetLine, VersionLine
from aliquot.datasets.listing import DatasetCard
from aliquot.datasets.read import Difference, Version
from aliquot.datasets.tags import TagMove
from aliquot.lab.version_look import EntryLine, VersionLook
from aliquot.model.errors import Invalid
from aliquot.model.reference import Reference
from aliquot.remote.client import Client, file_path, path_of
from aliquot.remote.folders import Coming, write_folder
from aliquot.remote.lists import at_most

_ENTRIES = 5_000


@dataclass(frozen=True, slots=True)
class DatasetList:
    """A page of datasets."""

    datasets: list[DatasetCard]
    next: str | None


@dataclass(frozen=True, slots=True)
class VersionList:
    """A page of versions, with how many there are."""

    versions: list[VersionLine]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class FileList:
    """A page of a version's files."""

    files: list[EntryLine]
    next: str | None


@dataclass(frozen=True, slots=True)
class Removed:
    """A version without some files."""

    dataset: str
    version: int
    removed: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A dataset's project, and the one before."""

    dataset: str
    before: str
    project: str


@dataclass(frozen=True, slots=True)
class Differing:
    """A page of what differs between two versions."""

    before: int
    after: int
    changes: Changes


def datasets(client: Client) -> list[DatasetLine]:
    """List the datasets by name."""
    pages = client.pages(DatasetList, "/datasets", by="after")
    return [
        DatasetLine(each.name, each.head, each.files, each.bytes, each.parked, each.created_at, each.changed_at)
        for page in pages
        for each in page.datasets
    ]


def look(client: Client, asked: Reference) -> VersionLook:
    """Look at a version."""
    path = path_of("datasets", asked.dataset, "versions", asked.version, "summary")
    return client.get(VersionLook, path, path=asked.path)


def resolve(client: Client, asked: Reference) -> Version:
    """Find the version that a reference means."""
    return look(client, Reference(asked.dataset, asked.version)).version


def log(client: Client, dataset: str, limit: int | None = None) -> tuple[list[VersionLine], int]:
    """List the versions of a dataset, newest first, and say how many there are."""
    total = 0

    def lines() -> Iterator[VersionLine]:
        nonlocal total
        for page in client.pages(VersionList, path_of("datasets", dataset, "log"), limit=limit):
            total = page.total
            yield from page.versions

    found, _ = at_most(lines(), limit)
    return found, total


def files(
    client: Client, asked: Reference, after: str = "", limit: int | None = None
) -> tuple[Version, Iterator[EntryLine]]:
    """Give a version, and its files as they come, page by page; a path that names nothing is `Missing`."""
    of = look(client, asked).version
    return of, _lines(client, of, asked.path, after, limit)


def _lines(client: Client, of: Version, below: str | None, after: str, limit: int | None) -> Iterator[EntryLine]:
    # By its number: what a tag or `latest` means may be another version meanwhile.
    path = path_of("datasets", of.dataset, "versions", of.number, "files")
    start: str | None = after
    while start is not None and (limit is None or limit > 0):
        many = _ENTRIES if limit is None else min(limit, _ENTRIES)
        page = client.get(FileList, path, below=below, after=start, limit=many)
        yield from page.files
        limit = None if limit is None else limit - len(page.files)
        start = page.next


def difference(client: Client, one: Reference, other: Reference) -> tuple[Version, Version, list[Difference]]:
    """List what differs between two versions of one dataset, by path."""
    before, after = resolve(client, one), resolve(client, other)
    if one.dataset != other.dataset:
        raise Invalid(
            "datasets-differ", f"{before} and {after} are not versions of one dataset; compare two of the same."
        )
    path = path_of("datasets", one.dataset, "versions", after.number, "diff")
    found: list[Difference] = []
    start = ""
    while True:
        page = client.get(Differing, path, before=str(before.number), start=start).changes
        found += [Difference(each.path, each.before, each.after) for each in page.files]
        start = page.next
        if not start:
            return before, after, found


def move_tag(client: Client, dataset: str, name: str, number: int | None) -> TagMove:
    """Put a tag on a version, or take it away with None."""
    return client.put(TagMove, path_of("datasets", dataset, "tags", name), {"version": number})


def export(client: Client, asked: Reference, target: Path) -> tuple[Reference, int]:
    """Write what a reference names to a new or empty folder; gives the version that it was, and how many files."""
    of, listed = files(client, asked)
    below = asked.path or "/"

    def coming() -> Iterator[Coming]:
        for each in listed:
            place = each.path.rsplit("/", 1)[1] if each.path == below else each.path[len(below.rstrip("/")) + 1 :]
            yield Coming(place, each.digest, partial(content, client, of, each.path))

    written = write_folder(target, coming(), advice="export to a new folder")
    return Reference(asked.dataset, str(of.number), asked.path), written


def content(client: Client, of: Version, path: str) -> Iterator[bytes]:
    """Give the bytes of a file; where the connection breaks off, it goes on from there."""
    address = path_of("datasets", of.dataset, "versions", of.number, "content") + file_path(path)
    return client.download(address)


def remove(client: Client, dataset: str, paths: Sequence[str], because: str) -> Committed:
    """Make a version without some files."""
    wish = {"paths": list(paths), "because": because}
    done = client.post(Removed, path_of("datasets", dataset, "remove"), wish)
    return Committed(done.dataset, done.version, 0, done.removed, new=True)


def move(client: Client, dataset: str, project: str) -> str:
    """Move a dataset to another project; gives the one before."""
    return client.put(Moved, path_of("datasets", dataset, "project"), {"project": project}).before
