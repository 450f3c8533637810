# ruff: noqa: S608 - names are written by quoted
"""Loading versions into tables: append, upsert, replace; each safe to repeat, and to kill.

One load is one transaction with its entries in the ledger. Two loads of one table take turns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from aliquot.hub import ledger, tables
from aliquot.hub.columns import Change, Column, Kind, Shape, change, check_table_name, shape_of
from aliquot.hub.hub import Hub, Session, quoted, require
from aliquot.hub.ledger import Known, Loaded
from aliquot.model.errors import Conflict, Invalid
from aliquot.model.table_schema import TableSchema

if TYPE_CHECKING:
    import polars as pl

Mode = Literal["append", "upsert", "replace"]

_BATCH_ROWS = 250_000
"""Small files travel together up to so many rows; a large file is a batch of its own."""


@dataclass(frozen=True, slots=True)
class LoadFile:
    """A file of a version: its path and digest, and `rows`, which reads it as a polars frame when its turn comes."""

    path: str
    digest: str
    rows: "Callable[[], pl.DataFrame]"


@dataclass(frozen=True, slots=True)
class Load:
    """Files of one version, or of one run that published nothing (`dataset` None), for one table."""

    table: str
    mode: Mode
    schema: TableSchema
    files: tuple[LoadFile, ...]
    run: int
    key: tuple[str, ...] = ()
    dataset: str | None = None
    version: int | None = None
    accept_schema_change: bool = False


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    `added` and `replaced` count rows of the table; `doubles` are rows that another row of the same load with the same
    key replaced. `unchanged` files were in the table already. A `stale` load did nothing, because a newer one has been
    here; `note` says which.
    """

    table: str
    added: int = 0
    replaced: int = 0
    removed: int = 0
    doubles: int = 0
    files: int = 0
    unchanged: int = 0
    stale: bool = False
    note: str = ""
    changes: tuple[str, ...] = ()


def load(hub: Hub, load: Load) -> LoadResult:
    """Load files into their table; the same load again changes nothing.

    `append` adds the rows of each content (path and digest) once: a changed file adds its rows beside the old ones.
    `upsert` replaces rows of the same key: later paths win over earlier ones, and a changed file over what earlier
    loads left. `replace` makes the table exactly the rows of these files. For the last two a load that is older than
    the table (a lower version of the same dataset, otherwise a lower run) is stale and does nothing.

    Raises `Invalid` for names, keys and values that the table cannot take, `Conflict` ("hub-schema-changed",
    "hub-table-foreign", "hub-key-not-unique") and `Unavailable` ("hub-unavailable", "hub-busy", "extra-missing").
    """
    require("polars", "tables")
    shape = _checked(load)
    with hub.session() as session:
        ledger.prepare(session)
        with session.transaction():
            session.lock(load.table)
            known = next(iter(ledger.known_tables(session, load.table)), None)
            if known and load.mode != "append" and _older(load, known):
                return LoadResult(load.table, stale=True, note=_stale_note(load, known))
            full, changed = _shaped(session, load, shape, known)
            done = _Loading(session, load, full, changed).run()
            newest = known if known and _older(load, known) else _newest(load, full)
            newest = replace(newest, shape=full)
            if known is None or done.files or done.removed or replace(newest, loaded_at=known.loaded_at) != known:
                ledger.remember(session, newest)
    return done


class _Loading:
    """One load under way, inside its transaction."""

    def __init__(self, session: Session, load: Load, shape: Shape, changed: Change) -> None:
        self._session = session
        self._load = load
        self._shape = shape
        self._changed = changed
        self._result = LoadResult(load.table, changes=changed.sentences())

    def run(self) -> LoadResult:
        """Bring in the files that are not in the table yet."""
        load = self._load
        present = ledger.loaded_files(self._session, load.table)
        removed = 0
        if load.mode == "replace":
            present, removed = self._remove_what_is_gone(present)
        mine = [file for file in present if file.dataset == load.dataset]
        if load.mode == "append":
            here = {(file.path, file.digest) for file in mine}
        else:
            here = set({file.path: file.digest for file in mine}.items())
        pending = [file for file in load.files if (file.path, file.digest) not in here]
        if load.mode == "upsert":
            ledger.forget(self._session, load.table, load.dataset, (file.path for file in pending))
        loaded: list[Loaded] = []
        for frame in self._batches(pending, loaded):
            self._put(frame)
        ledger.record(self._session, load.table, loaded, _now())
        return replace(self._result, removed=removed, files=len(pending), unchanged=len(load.files) - len(pending))

    def _remove_what_is_gone(self, present: list[Loaded]) -> tuple[list[Loaded], int]:
        """Delete the rows of files that the version does not have, and give the files that stay."""
        load = self._load
        wanted = {(load.dataset, file.path, file.digest) for file in load.files}
        # rows that were loaded under another shape lack what the new one asks for
        kept = [] if self._changed else [f for f in present if (f.dataset, f.path, f.digest) in wanted]
        staying = set(kept)
        gone = [file for file in present if file not in staying]
        removed = 0
        if gone and not kept:
            removed = self._session.execute(f"DELETE FROM {quoted(load.table)}")
        by_dataset: dict[str | None, list[str]] = {}
        for file in gone:
            by_dataset.setdefault(file.dataset, []).append(file.path)
        for dataset, paths in by_dataset.items():
            ledger.forget(self._session, load.table, dataset, paths)
            for condition in ledger.paths_condition("_dataset", "_path", dataset, paths) if kept else ():
                removed += self._session.execute(f"DELETE FROM {quoted(load.table)} WHERE {condition}")
        return kept, removed

    def _batches(self, pending: list[LoadFile], loaded: list[Loaded]) -> "Iterator[pl.DataFrame]":
        """Read file after file, in the order of their paths, and give frames that are worth a round trip."""
        import polars as pl

        from aliquot.hub import frames

        load = self._load
        waiting: list[pl.DataFrame] = []
        rows = 0
        for file in sorted(pending, key=lambda file: file.path):
            frame = frames.conform(file.path, file.rows(), load.schema)
            loaded.append(Loaded(load.dataset, load.version, file.path, file.digest, load.run, frame.height))
            if not frame.height:
                continue
            waiting.append(frames.with_origin(frame, load.dataset, load.version, file.path, load.run))
            rows += frame.height
            if rows >= _BATCH_ROWS:
                yield pl.concat(waiting, how="vertical_relaxed")
                waiting, rows = [], 0
        if waiting:
            yield pl.concat(waiting, how="vertical_relaxed")

    def _put(self, frame: "pl.DataFrame") -> None:
        from aliquot.hub import frames

        load, result, height = self._load, self._result, frame.height
        if load.mode == "upsert":
            frame = frames.without_doubles(frame, load.key)
        ready = frames.for_sqlite(frame, self._shape) if self._session.hub.dialect == "sqlite" else frame
        if load.mode != "upsert":
            tables.insert(self._session, load.table, ready, self._shape)
            self._result = replace(result, added=result.added + height)
            return
        earlier, ours = tables.merge(self._session, load.table, ready, self._shape, load.run)
        self._result = replace(
            result,
            added=result.added + frame.height - earlier - ours,
            replaced=result.replaced + earlier,
            doubles=result.doubles + height - frame.height + ours,
        )


def _checked(load: Load) -> Shape:
    check_table_name(load.table)
    if load.mode == "upsert" and not load.key:
        raise Invalid(
            "hub-key-missing", f"{load.table}: 'mode: upsert' needs 'key'; name its columns.", table=load.table
        )
    paths = [file.path for file in load.files]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise Invalid("hub-path-twice", f"{twice!r} is given twice for {load.table}; give each file once.", path=twice)
    return shape_of(load.schema, load.key if load.mode == "upsert" else ())


def _shaped(session: Session, load: Load, shape: Shape, known: Known | None) -> tuple[Shape, Change]:
    """Bring the table into the shape that the load needs."""
    if known is None:
        if ledger.exists(session, load.table):
            raise Conflict(
                "hub-table-foreign",
                f"The hub has a table {load.table} that was not loaded from here; it is left alone. Choose another "
                "table name, or rename that table.",
                table=load.table,
            )
        tables.create(session, load.table, shape)
        if shape.key:
            tables.set_key(session, load.table, shape.key)
        return shape, Change()
    changed = change(load.table, known.shape, shape, accepted=load.accept_schema_change)
    # a table keeps the order in which its columns came
    kinds: dict[str, Kind] = {column.name: column.kind for column in (*known.shape.columns, *shape.columns)}
    full = Shape(tuple(Column(name, kind) for name, kind in kinds.items()), shape.key)
    tables.alter(session, load.table, full, changed)
    if shape.key:
        tables.set_key(session, load.table, shape.key)
    return full, changed


def _older(load: Load, known: Known) -> bool:
    same_line = load.dataset is not None and load.dataset == known.dataset
    if same_line and load.version is not None and known.version is not None:
        return load.version < known.version
    return load.run < known.run


def _stale_note(load: Load, known: Known) -> str:
    mine = f"{load.dataset}@{load.version}" if load.dataset else f"run {load.run}"
    newer = f"{known.dataset}@{known.version}" if known.dataset else "a version"
    return f"{mine} was not loaded into {load.table}, which already holds {newer} of run {known.run}."


def _newest(load: Load, shape: Shape) -> Known:
    return Known(load.table, shape, load.dataset, load.version, load.run, _now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
