"""The pipelines that are applied."""

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select

from aliquot.db.tables import definition
from aliquot.model.errors import Damaged, Missing
from aliquot.model.pipeline import Pipeline

log: Any = structlog.get_logger()


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
    """List the pipelines that are applied, by name; one that cannot be read any more is left out, with a word."""
    found: list[Applied] = []
    for row in _current_rows(connection):
        try:
            found.append(_applied(row))
        except Damaged as error:
            log.error("a pipeline is left out", pipeline=row.name, reason=error.message)  # noqa: TRY400  # for a person
    return found


def by_id(connection: Connection, number: int) -> Applied:
    """Give one applied version, current or not; `Damaged` when it is gone or cannot be read."""
    row = connection.execute(select(definition).where(definition.c.id == number)).first()
    if row is None:
        raise Damaged(
            "definition-gone",
            f"The pipeline's definition {number} is gone from the catalogue; apply the pipeline again and start a "
            f"new run.",
            definition=number,
        )
    return _applied(row)


def _current_rows(connection: Connection) -> list[Row[*tuple[Any, ...]]]:
    query = select(definition).where(definition.c.kind == "pipeline", definition.c.current).order_by(definition.c.name)
    return list(connection.execute(query).all())


def _applied(row: Row[*tuple[Any, ...]]) -> Applied:
    try:
        pipeline = Pipeline.model_validate(row.document)
    except ValueError as error:
        raise Damaged(
            "definition-outdated",
            f"The pipeline {row.name} as it was applied cannot be read by this version of Aliquot; apply it again.",
            pipeline=row.name,
            reason=str(error),
        ) from error
    return Applied(row.id, row.digest, pipeline, row.bundle)
