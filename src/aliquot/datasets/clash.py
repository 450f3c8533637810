"""No path of a version is both a file and a folder: no disk could hold it."""

import json
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, select, text

from aliquot.db.rows import chunks
from aliquot.db.tables import entry
from aliquot.model.errors import Invalid

_WITH_FILES_INSIDE = {
    "sqlite": "SELECT wanted.value FROM json_each(:paths) AS wanted",
    "postgresql": "SELECT wanted.value FROM json_array_elements_text(CAST(:paths AS json)) AS wanted(value)",
}
# '0' is the character after '/': the range holds exactly what lies in the folder.
_INSIDE = """ WHERE EXISTS (
  SELECT 1 FROM entry WHERE dataset_id = :dataset_id AND removed IS NULL
  AND path >= wanted.value || '/' AND path < wanted.value || '0'
)"""


def require_no_clash(
    connection: Connection, dataset_id: int | None, adds: Collection[str], gone: Collection[str]
) -> None:
    """Refuse files to add where there is a folder, or below what is a file, in the newest version or among themselves.

    `gone` are the paths that the same change takes away; `dataset_id` None stands for a dataset without a version.
    """
    leaving = set(gone)
    # Thousands of files lie in few folders.
    direct = {path[: path.rfind("/")] for path in adds} - {""}
    folders = direct.union(folder for path in direct for folder in _folders(path))
    if not folders.isdisjoint(adds):
        raise _clash(next(path for path in adds if path in folders))
    if dataset_id is None:
        return
    for part in chunks(list(folders)):
        query = select(entry.c.path).where(
            entry.c.dataset_id == dataset_id, entry.c.path.in_(part), entry.c.removed.is_(None)
        )
        for path in connection.execute(query).scalars():
            if path not in leaving:
                raise _clash(path)
    inside = text(_WITH_FILES_INSIDE[connection.dialect.name] + _INSIDE)
    for part in chunks(list(adds)):
        bound = {"paths": json.dumps(part), "dataset_id": dataset_id}
        for path in connection.execute(inside, bound).scalars().all():
            if any(each not in leaving for each in _files_in(connection, dataset_id, path)):
                raise _clash(path)


def _folders(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def _files_in(connection: Connection, dataset_id: int, folder: str) -> Iterator[str]:
    query = select(entry.c.path).where(
        entry.c.dataset_id == dataset_id,
        entry.c.removed.is_(None),
        entry.c.path >= folder + "/",
        entry.c.path < folder + "0",
    )
    yield from connection.execute(query).scalars()


def _clash(path: str) -> Invalid:
    return Invalid(
        "path-clash",
        f"{path} would be both a file and a folder; choose another path, or remove the one that is there.",
        path=path,
    )
