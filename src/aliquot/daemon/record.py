"""What a stretch of time brought, read from the catalogue."""

from sqlalchemy import Connection, exists, func, select

from aliquot.daemon.summary import LoadCount, RunCount
from aliquot.db.tables import dataset, load, run, task, version
from aliquot.engine.parked import FAILED
from aliquot.model.state import State


def finished_runs(connection: Connection, since: float) -> list[RunCount]:
    """List the runs that have ended since a time, with what became of their datums."""
    rows = connection.execute(select(run).where(run.c.ended_at >= since).order_by(run.c.id)).all()
    counts: list[RunCount] = []
    for row in rows:
        by = {
            (each.state, each.reused): each.n
            for each in connection.execute(
                select(task.c.state, task.c.reused, func.count().label("n"))
                .where(task.c.run_id == row.id)
                .group_by(task.c.state, task.c.reused)
            )
        }
        counts.append(
            RunCount(
                run=row.id,
                pipeline=row.pipeline,
                state=row.state,
                message=row.message,
                ran=by.get((State.COMPLETE, False), 0),
                skipped=by.get((State.COMPLETE, True), 0),
                parked=sum(n for (state, _), n in by.items() if state in FAILED),
                causes=row.causes or {},
            )
        )
    return counts


def new_versions(connection: Connection, since: float) -> list[str]:
    """List the versions that were committed since a time, as references."""
    rows = connection.execute(
        select(dataset.c.name, version.c.number)
        .join(dataset, dataset.c.id == version.c.dataset_id)
        .where(version.c.created_at >= since)
        .order_by(version.c.created_at)
    )
    return [f"{row.name}@{row.number}" for row in rows]


def failed_loads(connection: Connection, before: float) -> list[LoadCount]:
    """List the loads that failed before a time, of tables that no later load has filled."""
    later = load.alias("later")
    mended = exists().where(
        later.c.table_name == load.c.table_name, later.c.id > load.c.id, later.c.state.in_(("DONE", "WAITING"))
    )
    rows = connection.execute(
        select(load).where(load.c.state == "FAILED", load.c.ended_at < before, ~mended).order_by(load.c.id)
    )
    return [LoadCount(row.run_id, row.table_name, row.state, row.rows or 0, row.message) for row in rows]
