"""What a run's outputs change in the datasets that they are published to."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from aliquot.datasets.clash import require_no_clash
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import entries, resolve
from aliquot.db.rows import among
from aliquot.db.tables import dataset, entry, published, task
from aliquot.engine.carry import Additions, additions
from aliquot.engine.datums import File
from aliquot.engine.plan import made_by
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Output
from aliquot.model.reference import Reference
from aliquot.model.state import State

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Made:
    """The files of an output: all of them, or those that come to what a version of its dataset holds, by its number."""

    files: list[File]
    beyond: int | None = None


def made_for(connection: Connection, row: Row[*tuple[Any, ...]], name: str, given: Output) -> Made:
    """Give what a run gave for an output; `Invalid` as `made_by` raises it.

    Of a step whose tasks were carried over, where that is enough, only what came to what the earlier run published.
    """
    more = additions(connection, row.id, given.from_)
    if more is not None and row.publish and given.publish:
        number = _published(connection, more, name, given.publish)
        if number is not None:
            return Made(list(more.files), number)
    elif more is not None and not more.files:
        return Made([])
    return Made(made_by(connection, row.id, given.from_))


def changes(connection: Connection, run_id: int, step: str, name: str, made: Made) -> tuple[list[NewEntry], list[str]]:
    """Compare what a full run would give with what a dataset holds; what is `made` may be used up by it."""
    exists = connection.execute(select(dataset.c.id).where(dataset.c.name == name)).first()
    found_now = entries(connection, resolve(connection, Reference(name))) if exists and made.beyond is None else ()
    held = {each.path: each.digest for each in found_now}
    if not held:
        return _made_entries(connection, run_id, step, made.files, few=made.beyond is not None), []
    wanted = {file.path for file in made.files}
    new = [file for file in made.files if held.get(file.path) != file.digest]
    return _made_entries(connection, run_id, step, new, few=False), [path for path in held if path not in wanted]


def _made_entries(connection: Connection, run_id: int, step: str, new: list[File], *, few: bool) -> list[NewEntry]:
    """Turn files into entries that name the tasks that made them; `few` of the step's tasks made them all.

    The list is emptied meanwhile: a hundred thousand are not to be held twice, nor are their keys.
    """
    if not new:
        return []
    query = select(task.c.key, task.c.id).where(
        task.c.run_id == run_id, task.c.step == step, task.c.state == State.COMPLETE
    )
    makers = dict.fromkeys([file.key or "" for file in new], 0)
    if few:
        query = query.where(among(connection, task.c.key, makers))
    for part in connection.execute(query).partitions(_AT_ONCE):
        makers |= {key: maker for key, maker in part if key in makers}
    adds: list[NewEntry] = []
    while new:
        path, digest, size, key = new.pop()
        adds.append(NewEntry(path, digest, size, key, task_id=makers[key or ""]))
    adds.reverse()
    return adds


def _published(connection: Connection, more: Additions, name: str, to: str) -> int | None:
    """Give the version that the earlier run published, if it is the newest still and has room for what comes."""
    query = (
        select(published.c.number, dataset.c.id)
        .join(dataset, (dataset.c.name == published.c.dataset) & (dataset.c.head == published.c.number))
        .where(published.c.run_id == more.run, published.c.output == name, published.c.dataset == to)
    )
    found = connection.execute(query).first()
    paths = {file.path for file in more.files}
    if found is None or len(paths) < len(more.files):
        return None
    live = select(entry.c.path).where(entry.c.dataset_id == found.id, entry.c.removed.is_(None))
    if paths and connection.execute(live.where(among(connection, entry.c.path, paths)).limit(1)).first():
        return None
    try:
        require_no_clash(connection, found.id, paths, ())
    except Invalid:
        return None
    return found.number
