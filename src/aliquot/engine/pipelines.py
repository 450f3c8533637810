"""The pipelines that are applied."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from aliquot.db.tables import definition
from aliquot.model.errors import Missing
from aliquot.model.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Applied:
    """One applied version of a pipeline; `bundle` maps its bundled files to digests."""

    id: int
    digest: str
    pipeline: Pipeline
    bundle: dict[str, str]


def current(connection: Connection, name: str) -> Applied:
    """Give the current version of a pipeline, or `Missing` with the names that there are."""
    rows = {row.name: row for row in _current_rows(connection)}
    if name not in rows:
        known = "there are: " + ", ".join(sorted(rows)) if rows else "none is applied yet; run `aliquot apply`"
        raise Missing("pipeline-missing", f"There is no pipeline {name!r}; {known}.", pipeline=name)
    return _applied(rows[name])


def all_current(connection: Connection) -> list[Applied]:
    """List the pipelines that are applied, by name."""
    return [_applied(row) for row in _current_rows(connection)]


def by_id(connection: Connection, number: int) -> Applied:
    """Give one applied version, current or not."""
    return _applied(connection.execute(select(definition).where(definition.c.id == number)).one())


def _current_rows(connection: Connection) -> list[Row[*tuple[Any, ...]]]:
    query = select(definition).where(definition.c.kind == "pipeline", definition.c.current).order_by(definition.c.name)
    return list(connection.execute(query).all())


def _applied(row: Row[*tuple[Any, ...]]) -> Applied:
    return Applied(row.id, row.digest, Pipeline.model_validate(row.document), row.bundle)
