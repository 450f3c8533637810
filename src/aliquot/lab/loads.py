"""Loading the tables that runs have asked for, from their files into the hub."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select, update

from aliquot.access import audit
from aliquot.access.by import By, refusal
from aliquot.datasets import places
from aliquot.db.tables import load as load_table
from aliquot.db.tables import run as run_table
from aliquot.engine.datums import File
from aliquot.engine.pipelines import by_id
from aliquot.engine.plan import made_by
from aliquot.lab.definitions import file_types
from aliquot.lab.lab import Lab
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import AliquotError, Invalid, Unavailable
from aliquot.model.file_type import FileType
from aliquot.model.glob import compile_glob
from aliquot.model.pipeline import Table
from aliquot.model.table_schema import TableSchema

log: Any = structlog.get_logger()

LoadRow = Row[*tuple[Any, ...]]

_ACTION = "run.publish"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one load: its table, the rows it added, or why it failed."""

    table: str
    run: int
    rows: int
    state: str
    message: str = ""


Tell = Callable[[int, int, str], None]
"""Is told how many loads have ended, of how many, and the last one's table."""


def load_waiting(
    lab: Lab, projects: frozenset[str] | None = None, tell: Tell = lambda _done, _of, _table: None
) -> list[Loaded]:  # fmt: skip
    """Do the loads that wait; one that fails says why and stays for `aliquot hub load`. A hub that is down waits.

    With `projects`, only those that runs of these have asked for.
    """
    with lab.catalogue.read() as connection:
        waiting = _loads(connection, "WAITING", projects)
    done: list[Loaded] = []
    for row in waiting:
        done.append(_load(lab, row))
        tell(len(done), len(waiting), row.table_name)
    return done


def load_again(lab: Lab, by: By, tell: Tell = lambda _done, _of, _table: None) -> list[Loaded]:
    """Do again the loads that failed, and the ones that wait, of the projects in which somebody may let runs load."""
    projects = by.projects(_ACTION)
    if projects == frozenset():
        raise refusal(by, _ACTION, None)
    lab.catalogue.repeat(lambda connection: _wait_again(connection, by, projects))
    return load_waiting(lab, projects, tell)


def _wait_again(connection: Connection, by: By, projects: frozenset[str] | None) -> None:
    """Let the loads that failed wait once more."""
    for row in _loads(connection, "FAILED", projects):
        again = update(load_table).where(load_table.c.id == row.id, load_table.c.state == "FAILED")
        if not connection.execute(again.values(state="WAITING", message="")).rowcount:
            continue
        before = {"table": row.table_name, "state": "FAILED", "message": row.message}
        after = {"table": row.table_name, "state": "WAITING"}
        audit.append(connection, by, _ACTION, f"run {row.run_id}", project=row.project, before=before, after=after)


def _loads(connection: Connection, state: str, projects: frozenset[str] | None) -> list[LoadRow]:
    query = (
        select(load_table, run_table.c.project)
        .join(run_table, run_table.c.id == load_table.c.run_id)
        .where(load_table.c.state == state)
        .order_by(load_table.c.id)
    )
    if projects is not None:
        query = query.where(run_table.c.project.in_(sorted(projects)))
    return list(connection.execute(query))


def _load(lab: Lab, row: LoadRow) -> Loaded:
    try:
        done, state, message = _load_files(lab, row), "DONE", ""
    except Unavailable as error:
        if error.code != "extra-missing":
            log.warning("the hub cannot be reached; the load waits", table=row.table_name, reason=error.message)
            return Loaded(row.table_name, row.run_id, 0, "WAITING", error.message)
        done, state, message = 0, "FAILED", error.message
    except AliquotError as error:
        log.error("load failed", table=row.table_name, run=row.run_id, reason=error.message)  # noqa: TRY400
        done, state, message = 0, "FAILED", error.message
    with lab.catalogue.write() as connection:
        connection.execute(
            update(load_table)
            .where(load_table.c.id == row.id)
            .values(state=state, rows=done, message=message, ended_at=time.time())
        )
    return Loaded(row.table_name, row.run_id, done, state, message)


def _load_files(lab: Lab, row: LoadRow) -> int:
    from aliquot.hub.load import Load, LoadFile, load

    with lab.catalogue.read() as connection:
        owner = connection.execute(select(run_table).where(run_table.c.id == row.run_id)).one()
        table = by_id(connection, owner.definition_id).pipeline.tables[row.table_name]
        glob = compile_glob(table.glob)
        files = [file for file in made_by(connection, row.run_id, row.step) if glob.datum_of(file.path)]
        where = places.require(connection, [file.digest for file in files])
        types = file_types(connection)
    if not files and table.mode != "replace":
        return 0
    with tempfile.TemporaryDirectory(prefix="aliquot-load-") as folder:
        schema = _schema(lab, table, types, files, where, Path(folder))
        if schema is None:
            return 0

        def rows(file: File) -> Any:
            from aliquot.formats.table_read import read_table

            path = _fetch(lab, file, where, Path(folder))
            try:
                return read_table(path, schema)
            finally:
                path.unlink()

        result = load(
            lab.hub,
            Load(
                table=row.table_name,
                mode=table.mode,
                schema=schema,
                files=tuple(LoadFile(file.path, file.digest, lambda file=file: rows(file)) for file in files),
                run=row.run_id,
                key=tuple(table.key),
                dataset=row.dataset,
                version=row.number,
                accept_schema_change=table.accept_schema_change,
            ),
        )
    log.info("table loaded", table=row.table_name, run=row.run_id, added=result.added, note=result.note or None)
    return result.added + result.replaced


def _schema(
    lab: Lab,
    table: Table,
    types: dict[str, FileType],
    files: list[File],
    where: Mapping[Digest, Location],
    folder: Path,
) -> TableSchema | None:
    """Find the columns: said in the pipeline, by a named type, or by the type that recognises the file."""
    if table.schema_:
        return table.schema_
    if table.type:
        named = types.get(table.type)
        if named is None or named.table is None:
            raise Invalid("table-type-unusable", f"The type {table.type!r} gives no columns: it has no 'table'.")
        return named.table
    if not files:
        return None
    from aliquot.formats.recognise import recognise

    path = _fetch(lab, files[0], where, folder)
    try:
        name = files[0].path.rsplit("/", 1)[-1]
        found = recognise(name, files[0].path, path, [each for each in types.values() if each.table]).type
    finally:
        path.unlink()
    if found is None:
        raise Invalid(
            "table-schema-missing",
            f"Nothing says what columns {files[0].path} has; give the table 'schema:' or 'type:' in the pipeline.",
            path=files[0].path,
        )
    return found.table


def _fetch(lab: Lab, file: File, where: Mapping[Digest, Location], folder: Path) -> Path:
    target = folder / file.path.rsplit("/", 1)[-1]
    lab.store.fetch(where[file.digest], target)
    return target
