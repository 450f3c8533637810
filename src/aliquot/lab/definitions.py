"""Registering what the lab's folder defines."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from aliquot.access import audit
from aliquot.access.by import By, require_may
from aliquot.datasets import places
from aliquot.db.tables import definition
from aliquot.definitions.difference import Change, Registered, difference
from aliquot.definitions.found import Definitions
from aliquot.definitions.read import read_lab
from aliquot.lab.belonging import check_belonging
from aliquot.lab.lab import Lab
from aliquot.lab.sources import check_sources
from aliquot.model.digest import digest_document
from aliquot.model.errors import Conflict
from aliquot.model.file_type import FileType
from aliquot.model.pipeline import Pipeline

Beside = Callable[[Connection], None]
Told = Callable[[Connection, list[Change]], None]


def apply(
    lab: Lab,
    by: By | None = None,
    *,
    dry_run: bool = False,
    also: Beside | None = None,
    only: Mapping[str, Any] | None = None,
    found: Definitions | None = None,
    told: Told | None = None,
    before: Told | None = None,
) -> list[Change]:
    """Register what changed in the lab's folder, for the person at this machine or for another.

    With `dry_run`, only say what would change. `also` joins the transaction, and `told` does with the changes. `only`
    is what a second person has signed (`changes_document`): anything else is `Conflict`. `found` are definitions that
    came from elsewhere, in the place of the folder's. `before` sees, in the transaction, what would change, and may
    refuse it.
    """
    by = by or lab.by
    require_may(by, "pipeline.publish", subject="definitions")
    if not dry_run and only is None and lab.config.approvals.pipeline_publish:
        words = "In this lab definitions take a second person: ask for approval with `aliquot apply --because '…'`."
        raise Conflict("approval-needed", words, action="pipeline.publish")
    found = found or read_lab(lab.folder)
    check_sources(lab, found, keep=not dry_run)
    batch = lab.store.batch()
    for each in found:
        for bundled in each.bundle.values():
            batch.add_bytes(bundled.data)
    with lab.catalogue.read() as connection:
        check_belonging(connection, found)
        changes = difference(registered(connection), found)
    if dry_run or (only is None and all(change.change == "unchanged" for change in changes)):
        return changes
    locations = batch.flush()

    def write(connection: Connection) -> list[Change]:
        places.record(connection, locations)
        now = difference(registered(connection), found)
        if only is not None and _said(now, found)["changes"] != only["changes"]:
            words = "The definitions have changed since somebody asked for their approval; ask again."
            raise Conflict("approval-outdated", words)
        if before:
            before(connection, now)
        _write(connection, now, found, by.name)
        if also:
            also(connection)
        if told:
            told(connection, now)
        _note(connection, by, now, found)
        return now

    return lab.catalogue.repeat(write)


def pending(lab: Lab) -> list[Change]:
    """List what `apply` would change."""
    found = read_lab(lab.folder)
    with lab.catalogue.read() as connection:
        return [change for change in difference(registered(connection), found) if change.change != "unchanged"]


def nothing_applied(lab: Lab) -> bool:
    """Say whether nothing has been registered yet."""
    with lab.catalogue.read() as connection:
        return not registered(connection)


def registered(connection: Connection) -> dict[tuple[str, str], Registered]:
    """Give the current definitions by kind and name."""
    rows = connection.execute(select(definition).where(definition.c.current))
    return {(row.kind, row.name): Registered(row.document, row.bundle) for row in rows}


def base_of(connection: Connection) -> str:
    """Give the digest of all that is registered now: what a comparison was made with."""
    row = definition.c
    query = select(row.kind, row.name, row.digest).where(row.current).order_by(row.kind, row.name)
    return digest_document(sorted(list(each) for each in connection.execute(query)))


def file_types(connection: Connection) -> dict[str, FileType]:
    """Give the current file types by name."""
    return {name: FileType.model_validate(document) for name, document in _documents(connection, "type").items()}


def pipelines(connection: Connection) -> dict[str, Pipeline]:
    """Give the current pipelines by name."""
    return {name: Pipeline.model_validate(document) for name, document in _documents(connection, "pipeline").items()}


def _documents(connection: Connection, kind: str) -> dict[str, Any]:
    query = select(definition).where(definition.c.kind == kind, definition.c.current).order_by(definition.c.name)
    return {row.name: row.document for row in connection.execute(query)}


def changes_document(lab: Lab, found: Definitions | None = None) -> dict[str, Any]:
    """Say what `apply` would register, by digests: what a second person signs."""
    found = found or read_lab(lab.folder)
    with lab.catalogue.read() as connection:
        return _said(difference(registered(connection), found), found)


def _said(changes: list[Change], found: Definitions) -> dict[str, Any]:
    digests = {(each.kind, each.name): each.digest for each in found}
    said = [
        {"kind": each.kind, "name": each.name, "change": each.change, "digest": digests.get((each.kind, each.name))}
        for each in changes
        if each.change != "unchanged"
    ]
    return {"changes": said}


def _note(connection: Connection, by: By, changes: list[Change], found: Definitions) -> None:
    after = _said(changes, found)
    if after["changes"]:
        audit.append(connection, by, "pipeline.publish", "definitions", after=after)


def _write(connection: Connection, changes: list[Change], found: Definitions, who: str) -> None:
    by_name = {(each.kind, each.name): each for each in found}
    for change in changes:
        if change.change == "unchanged":
            continue
        connection.execute(
            update(definition)
            .where(definition.c.kind == change.kind, definition.c.name == change.name, definition.c.current)
            .values(current=False)
        )
        if change.change == "gone":
            continue
        each = by_name[change.kind, change.name]
        connection.execute(
            insert(definition).values(
                kind=each.kind,
                name=each.name,
                digest=each.digest,
                document=each.document,
                bundle=each.bundle_digests,
                file=each.source,
                applied_at=time.time(),
                applied_by=who,
                current=True,
                project=each.model.project,
            )
        )
