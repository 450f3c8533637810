"""One level of a version's folders: read from the index by jumps, so that a million files cost what is shown."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from aliquot.datasets.read import Version, live_at
from aliquot.db.rows import each_of
from aliquot.db.tables import entry
from aliquot.model.digest import Digest

COUNTED = 100
"""Files of a folder that are counted; one more says that there are more."""
_AT_ONCE = 200
_FEW = 10


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: its name and its path, which ends with `/`, and how many files are below it, `COUNTED + 1` at most."""

    name: str
    path: str
    files: int


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file: size in bytes, the version that added it, and the receipt or the task that it came from."""

    name: str
    path: str
    digest: Digest
    size: int
    added: int
    receipt_id: int | None
    task_id: int | None


@dataclass(frozen=True, slots=True)
class Level:
    """What lies in a folder itself, in the order of the paths; `next` is where it goes on, empty at the end."""

    folder: str
    folders: list[Folder]
    files: list[FileLine]
    next: str


def level(connection: Connection, of: Version, folder: str = "/", start: str = "", limit: int = 100) -> Level:
    """List one folder of a version, from `start` on, which an earlier level's `next` was; none is an empty level."""
    folder = "/" + folder.strip("/") + "/" if folder.strip("/") else "/"
    # '0' is the character after '/': the range holds exactly what lies in the folder.
    start, end = max(start, folder), folder[:-1] + "0"
    names: list[str] = []
    files: list[FileLine] = []
    at_once = _AT_ONCE
    while len(names) + len(files) < limit:
        rows = _rows(connection, of, start, end, at_once)
        for row in rows:
            if row.path < start:
                continue
            name, slash, _ = row.path[len(folder) :].partition("/")
            if slash:
                names.append(name)
                start = f"{folder}{name}0"
            else:
                files.append(FileLine(name, row.path, Digest(row.digest), *row[2:]))
                # No path has a NUL: this is the first that could follow.
                start = f"{row.path}\x01"
            if len(names) + len(files) == limit:
                break
        else:
            if len(rows) < at_once:
                break
        # Rows of deep folders are jumped over: few of them are fetched at a time, and many where all are shown.
        at_once = _FEW if start.endswith("0") else _AT_ONCE
    more = bool(_rows(connection, of, start, end, 1))
    counts = _counts(connection, of, [f"{folder}{name}" for name in names])
    folders = [Folder(name, f"{folder}{name}/", counts[f"{folder}{name}"]) for name in names]
    return Level(folder, folders, files, start if more else "")


def _rows(connection: Connection, of: Version, start: str, end: str, limit: int) -> list[Any]:
    query = (
        select(entry.c.path, entry.c.digest, entry.c.size, entry.c.added, entry.c.receipt_id, entry.c.task_id)
        .where(entry.c.dataset_id == of.dataset_id, entry.c.path >= start, entry.c.path < end, *live_at(of.number))
        .order_by(entry.c.path)
        .limit(limit)
    )
    return list(connection.execute(query))


def _counts(connection: Connection, of: Version, folders: list[str]) -> dict[str, int]:
    if not folders:
        return {}
    folder = each_of(connection, folders)
    below = (entry.c.path > folder + "/", entry.c.path < folder + "0")
    few = (
        select(entry.c.id)
        .where(entry.c.dataset_id == of.dataset_id, *below, *live_at(of.number))
        .limit(COUNTED + 1)
        .correlate(folder.table)
        .subquery()
    )
    counted = select(func.count()).select_from(few).correlate(folder.table).scalar_subquery()
    return {row[0]: row[1] for row in connection.execute(select(folder, counted))}
