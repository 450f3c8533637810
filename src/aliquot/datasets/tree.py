"""One level of a version's folders: read from the index by jumps, so that a million files cost what is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, case, func, literal, select, type_coerce

from aliquot.datasets.read import Version, live_at
from aliquot.db.columns import Path
from aliquot.db.rows import each_of
from aliquot.db.tables import entry
from aliquot.model.digest import Digest

COUNTED = 100
"""Files of a folder that are counted; one more says that there are more."""
FEW = 2_000
"""Rows up to a version that are read whole: the paths of the index may be those of a million that came later."""
_AT_ONCE = 200
_FEW = 10
_COLUMNS = (entry.c.path, entry.c.digest, entry.c.size, entry.c.added, entry.c.receipt_id, entry.c.task_id)


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


def level(
    connection: Connection, of: Version, folder: str = "/", start: str = "", limit: int = 100, few: int = FEW
) -> Level:
    """List one folder of a version, from `start` on, which an earlier level's `next` was; none is an empty level.

    Up to `few` rows are read whole; of more, those that are shown.
    """
    folder = "/" + folder.strip("/") + "/" if folder.strip("/") else "/"
    # '0' is the character after '/': the range holds exactly what lies in the folder.
    start, end = max(start, folder), folder[:-1] + "0"
    early = _early(connection, of, few)
    if early is not None:
        return _level_of([row for row in early if folder < row.path < end], folder, start, limit)
    names: list[str] = []
    files: list[FileLine] = []
    at_once = _FEW
    while len(names) + len(files) < limit:
        rows = _rows(connection, of, start, end, at_once)
        for row in rows:
            name, slash, _ = row.path[len(folder) :].partition("/")
            if slash:
                break
            files.append(FileLine(name, row.path, Digest(row.digest), *row[2:]))
            # No path has a NUL: this is the first that could follow.
            start = f"{row.path}\x01"
            if len(names) + len(files) == limit:
                break
        else:
            if len(rows) < at_once:
                break
            at_once = _AT_ONCE
            continue
        # Folders from here on, up to the next file: all of them are found by one statement.
        for path in _jumps(connection, of, folder, start, end, limit - len(names) - len(files)):
            name, slash, _ = path[len(folder) :].partition("/")
            if not slash:
                break
            names.append(name)
            start = f"{folder}{name}0"
        else:
            break
    more = bool(_rows(connection, of, start, end, 1))
    counts = _counts(connection, of, [f"{folder}{name}" for name in names])
    folders = [Folder(name, f"{folder}{name}/", counts[f"{folder}{name}"]) for name in names]
    return Level(folder, folders, files, start if more else "")


def _early(connection: Connection, of: Version, few: int) -> list[Any] | None:
    """Give all rows of a version in the order of their paths, where so few were added up to it."""
    until = (
        select(entry.c.id).where(entry.c.dataset_id == of.dataset_id, entry.c.added <= of.number).limit(few + 1)
    ).subquery()  # fmt: skip
    if connection.execute(select(func.count()).select_from(until)).scalar_one() > few:
        return None
    query = select(*_COLUMNS).where(entry.c.dataset_id == of.dataset_id, *live_at(of.number))
    return sorted(connection.execute(query), key=lambda row: row.path)


def _level_of(rows: Sequence[Any], folder: str, start: str, limit: int) -> Level:
    names: dict[str, int] = {}
    files: list[FileLine] = []
    following = ""
    for row in rows:
        name, slash, _ = row.path[len(folder) :].partition("/")
        if name in names and slash:
            names[name] += 1
        elif row.path >= start and not following:
            if len(names) + len(files) == limit:
                following = row.path
            elif slash:
                names[name] = 1
            else:
                files.append(FileLine(name, row.path, Digest(row.digest), *row[2:]))
    folders = [Folder(name, f"{folder}{name}/", min(count, COUNTED + 1)) for name, count in names.items()]
    return Level(folder, folders, files, following)


def _rows(connection: Connection, of: Version, start: str, end: str, limit: int) -> list[Any]:
    query = (
        select(*_COLUMNS)
        .where(entry.c.dataset_id == of.dataset_id, entry.c.path >= start, entry.c.path < end, *live_at(of.number))
        .order_by(entry.c.path)
        .limit(limit)
    )
    return list(connection.execute(query))


def _jumps(connection: Connection, of: Version, folder: str, start: str, end: str, limit: int) -> Sequence[str]:
    """Give the first path of each name in a folder: each time the index is asked what follows the name before."""

    def first_from(where: ColumnElement[str]) -> Any:
        here = (entry.c.dataset_id == of.dataset_id, entry.c.path >= where, entry.c.path < end, *live_at(of.number))
        return select(entry.c.path).where(*here).order_by(entry.c.path).limit(1)

    found = select(
        first_from(literal(start, Path)).scalar_subquery().label("path"), literal(1, Integer).label("place")
    ).cte("found", recursive=True)  # fmt: skip
    below = func.substr(found.c.path, len(folder) + 1)
    slash = func.strpos(below, "/") if connection.dialect.name == "postgresql" else func.instr(below, "/")
    after = case(
        (slash > 0, func.substr(found.c.path, 1, len(folder) + slash - 1) + "0"), else_=found.c.path + "\x01"
    )  # fmt: skip
    following = first_from(type_coerce(after, Path)).correlate(found).scalar_subquery()
    again = select(following, found.c.place + 1).where(found.c.path.is_not(None), found.c.place < limit)
    walked = found.union_all(again)
    query = select(walked.c.path).where(walked.c.path.is_not(None)).order_by(walked.c.place)
    return connection.execute(query).scalars().all()


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
