"""Committing versions: bytes first, then one transaction that costs what changed."""

import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text, update

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.clash import require_no_clash
from aliquot.datasets.delta import Header, NewEntry, version_digest, write_delta
from aliquot.datasets.names import VersionName, behind_store, is_named, write_name
from aliquot.db import Catalogue
from aliquot.db.rows import chunks, insert_missing, insert_rows
from aliquot.db.tables import dataset, entry, version
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Conflict, Invalid, Unavailable
from aliquot.model.reference import DEFAULT_PROJECT, require_name

_TRIES = 20
_MANY = 10_000
_AT_ONCE = 10_000
_LONGEST_SEGMENT = 255

_PLAIN_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[^/\0\ud800-\udfff]{1,63})+")
"""Paths that need no closer look: 63 characters are 252 bytes at most."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a version shall change in a dataset. The blobs of `adds` are durable already, or made so by `stored`."""

    dataset: str
    adds: Sequence[NewEntry] = ()
    removes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    run_id: int | None = None
    parked: int = 0
    project: str = DEFAULT_PROJECT
    """The project of the dataset, if this is its first version."""
    within: str | None = None
    """The project in which somebody's right to this was found: a dataset of another one is `Conflict`."""
    receipts: "Callable[[Connection, Draft], Mapping[str, int]] | None" = None
    """Writes the receipts to which the adds refer, in the commit's transaction and before all else, and gives their ids
    by path. It is called again when the commit is tried again."""
    stored: Callable[[], object] | None = None
    """Makes the blobs of the adds durable, where they are not yet: it is called when the delta is stored."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version whose delta is stored, and that a transaction may make real. `delta` None: nothing would change.

    `gone` are the paths that it removes, `replaced` those of `adds` that were there before.
    """

    change: Change
    dataset_id: int
    number: int
    parent: str
    digest: Digest | None
    delta: Location | None
    adds: tuple[NewEntry, ...]
    gone: tuple[str, ...]
    replaced: tuple[str, ...]
    files: int
    bytes: int

    @property
    def before(self) -> int:
        """Give the number of the version that the change was compared with."""
        return self.number if self.delta is None else self.number - 1


@dataclass(frozen=True, slots=True)
class Committed:
    """Which version a dataset has now, and how many files it added and removed; `new` is false when none was made."""

    dataset: str
    number: int
    added: int
    removed: int
    new: bool


def commit(
    catalogue: Catalogue,
    store: Store,
    change: Change,
    beside: Callable[[Connection, Committed], None] | None = None,
) -> Committed:
    """Commit a change as the next version, whoever else commits meanwhile; `beside` joins the same transaction.

    A change that changes nothing makes no version.
    """
    for attempt in range(_TRIES):
        try:
            draft = prepare(catalogue, store, change)
            if change.stored:
                change.stored()
            with catalogue.write() as connection:
                done = apply(connection, draft)
                if beside:
                    beside(connection, done)
        except Conflict as error:
            if error.code not in {"dataset-moved", "catalogue-busy"} or attempt == _TRIES - 1:
                raise
            # Many committers at once would otherwise meet again and again.
            time.sleep(random.uniform(0, 0.01) * min(attempt + 1, 10))  # noqa: S311  # jitter
            continue
        # The version is there already: a name that cannot be written now is written with the next commit's.
        with suppress(Unavailable, Conflict):
            name_versions(catalogue, store)
        return done
    raise AssertionError


def prepare(catalogue: Catalogue, store: Store, change: Change) -> Draft:
    """Compare a change with the dataset's newest version, and store the delta."""
    require_paths([each.path for each in change.adds])
    row = begin(catalogue, change)
    with catalogue.read() as connection:
        head = connection.execute(
            select(version).where(version.c.dataset_id == row.id).order_by(version.c.number.desc()).limit(1)
        ).first()
        adds, gone, freed, replaced = _compare(connection, row.id, change, empty=head is None)
    number = head.number if head else 0
    files = (head.files if head else 0) + len(adds) - len(replaced) - len(gone)
    size = (head.bytes if head else 0) + sum([each.size for each in adds]) - freed
    parent = head.digest if head else ""
    parked_changed = head is not None and head.parked != change.parked and change.run_id is not None
    if not adds and not gone and not parked_changed and head is not None:
        return Draft(change, row.id, number, parent, None, None, (), (), (), files, size)
    if is_named(store, change.dataset, number + 1):
        with catalogue.read() as connection:
            now = connection.execute(select(dataset.c.head).where(dataset.c.id == row.id)).scalar_one()
        raise moved(change.dataset) if now > number else behind_store(change.dataset, number + 1)
    header = Header(change.dataset, number + 1, parent, change.provenance, change.parked)
    delta = store.put_bytes(write_delta(header, adds, gone))
    digest = version_digest(parent, delta.digest, change.provenance)
    ending = (tuple(gone), tuple(replaced))
    return Draft(change, row.id, number + 1, parent, digest, delta, tuple(adds), *ending, files, size)


def begin(catalogue: Catalogue, change: Change) -> Row[Any]:
    """Give the row of the dataset that shall change, a new one if there is none."""
    require_name("dataset", change.dataset)
    with catalogue.read() as connection:
        row = connection.execute(select(dataset).where(dataset.c.name == change.dataset)).first()
    if row is None:
        with catalogue.write() as connection:
            new = {"name": change.dataset, "head": 0, "created_at": time.time(), "project": change.project}
            insert_missing(connection, dataset, [new])
            row = connection.execute(select(dataset).where(dataset.c.name == change.dataset)).one()
    _require_within(change, row.project)
    return row


def apply(connection: Connection, draft: Draft) -> Committed:
    """Write a draft's rows; `Conflict` when the dataset has moved since the draft was made."""
    change = draft.change
    receipts = change.receipts(connection, draft) if change.receipts else {}
    if draft.delta is None or draft.digest is None:
        head = connection.execute(select(dataset.c.head).where(dataset.c.id == draft.dataset_id)).scalar_one()
        if head != draft.number:
            raise moved(change.dataset)
        _require_still_within(connection, change, draft.dataset_id)
        return Committed(change.dataset, draft.number, 0, 0, new=False)
    advance(connection, change, draft.dataset_id, draft.number)
    write_version(connection, draft)
    write_entries(
        connection, draft.dataset_id, draft.number, draft.adds, [*draft.gone, *draft.replaced], receipts=receipts
    )
    return Committed(change.dataset, draft.number, len(draft.adds), len(draft.gone), new=True)


def advance(connection: Connection, change: Change, dataset_id: int, number: int) -> None:
    """Make a version the dataset's newest; `Conflict` when it has moved meanwhile."""
    head = update(dataset).where(dataset.c.id == dataset_id, dataset.c.head == number - 1).values(head=number)
    if connection.execute(head).rowcount != 1:
        raise moved(change.dataset)
    # Its row is this transaction's own from here on: nobody moves it to another project any more.
    _require_still_within(connection, change, dataset_id)


def write_version(connection: Connection, draft: Draft) -> None:
    """Write the row of a version, and where its delta lies."""
    assert draft.delta is not None
    change = draft.change
    places.record(connection, [draft.delta])
    connection.execute(
        insert(version).values(
            dataset_id=draft.dataset_id,
            number=draft.number,
            digest=draft.digest,
            parent=draft.parent,
            delta=draft.delta.digest,
            provenance=dict(change.provenance),
            added=len(draft.adds),
            removed=len(draft.gone),
            files=draft.files,
            bytes=draft.bytes,
            parked=change.parked,
            run_id=change.run_id,
            created_at=time.time(),
            named=False,
        )
    )


def write_entries(
    connection: Connection,
    dataset_id: int,
    number: int,
    adds: Sequence[NewEntry],
    ending: Sequence[str],
    *,
    receipts: Mapping[str, int] | None = None,
) -> None:
    """Write the entry rows of one version, as many as change.

    `ending` are the paths that it removes or replaces; `receipts` gives the receipt's id by path.
    """
    receipt_of = receipts or {}
    for part in chunks(ending):
        connection.execute(
            update(entry)
            .where(entry.c.dataset_id == dataset_id, entry.c.path.in_(part), entry.c.removed.is_(None))
            .values(removed=number)
        )
    columns = ("path", "digest", "size", "receipt_id", "task_id")
    same = {"dataset_id": dataset_id, "added": number}
    for first in range(0, len(adds), _AT_ONCE):
        rows = [
            (path, digest, size, receipt_of.get(path, receipt_id), task_id)
            for path, digest, size, _, receipt_id, task_id in adds[first : first + _AT_ONCE]
        ]
        insert_rows(connection, entry, columns, rows, same=same)


def name_versions(catalogue: Catalogue, store: Store) -> int:
    """Write the store's own list of versions as far as it lacks some, so that the store alone can give them back."""
    with catalogue.read() as connection:
        rows = connection.execute(
            select(version, dataset.c.name)
            .join(dataset, dataset.c.id == version.c.dataset_id)
            .where(~version.c.named)
            .order_by(version.c.dataset_id, version.c.number)
        ).all()
    for row in rows:
        write_name(store, VersionName(row.name, row.number, row.digest, row.delta, row.created_at))
    if rows:
        with catalogue.write() as connection:
            for row in rows:
                connection.execute(
                    update(version)
                    .where(version.c.dataset_id == row.dataset_id, version.c.number == row.number)
                    .values(named=True)
                )
        measure_entries(catalogue, sum(row.added for row in rows))
    return len(rows)


def measure_entries(catalogue: Catalogue, added: int) -> None:
    """Let PostgreSQL count the files again when many were added: until then it plans as if there were none.

    Its own housekeeping does so a minute later at the earliest, and a small commit takes seconds meanwhile.
    """
    if added >= _MANY and catalogue.dialect == "postgresql":
        with catalogue.write() as connection:
            connection.execute(text("ANALYZE entry"))


def require_paths(paths: Collection[str]) -> None:
    """Refuse paths that could not be written to every disk and bucket."""
    if not all(map(_PLAIN_PATH.fullmatch, paths)):
        for path in paths:
            require_path(path)


def require_path(path: str) -> str:
    """Refuse a path that could not be written to every disk and bucket."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    segments = path.split("/")
    wrong = (
        "must start with '/'" if segments[0] or len(segments) == 1 else
        "has an empty, '.' or '..' segment" if any(each in {"", ".", ".."} for each in segments[1:]) else
        "contains a NUL" if "\0" in path else
        f"has a segment over {_LONGEST_SEGMENT} bytes"
        if any(len(each.encode(errors="surrogatepass")) > _LONGEST_SEGMENT for each in segments) else
        "is not valid Unicode" if any("\ud800" <= letter <= "\udfff" for letter in path) else ""
    )  # fmt: skip
    if wrong:
        raise Invalid("path-refused", f"The path {path!r} {wrong}.", path=path)
    return path


def _compare(
    connection: Connection, dataset_id: int, change: Change, *, empty: bool
) -> tuple[list[NewEntry], list[str], int, list[str]]:
    """Give what really changes: adds, removed paths, bytes freed, and the paths of adds that replace a file."""
    wanted = {each.path: each for each in change.adds}
    removes = [path for path in dict.fromkeys(change.removes) if path not in wanted]
    if empty:
        require_no_clash(connection, None, wanted, ())
        return list(wanted.values()), [], 0, []
    live: dict[str, Any] = {}
    paths: Iterable[str] = [*wanted, *removes]
    for part in chunks(list(paths)):
        live |= {
            row.path: row
            for row in connection.execute(
                select(entry.c.path, entry.c.digest, entry.c.size).where(
                    entry.c.dataset_id == dataset_id, entry.c.path.in_(part), entry.c.removed.is_(None)
                )
            )
        }
    adds = [each for path, each in wanted.items() if path not in live or live[path].digest != each.digest]
    gone = [path for path in removes if path in live]
    replaced = [each.path for each in adds if each.path in live]
    require_no_clash(connection, dataset_id, [path for path in wanted if path not in live], gone)
    freed = sum(live[path].size for path in [*gone, *replaced])
    return adds, gone, freed, replaced


def _require_still_within(connection: Connection, change: Change, dataset_id: int) -> None:
    if change.within is not None:
        query = select(dataset.c.project).where(dataset.c.id == dataset_id)
        _require_within(change, connection.execute(query).scalar_one())


def _require_within(change: Change, project: str) -> None:
    if change.within not in {None, project}:
        words = f"The dataset {change.dataset} has come to be another project's meanwhile; nothing was done. Try again."
        raise Conflict("dataset-elsewhere", words, dataset=change.dataset)


def moved(name: str) -> Conflict:
    """Give the error for a change that was compared with a version that is not the newest any more."""
    return Conflict("dataset-moved", f"Somebody else has just committed to {name}; read it again.", dataset=name)
