"""Runs and their tasks as rows alone, for tests of who may work on what."""

from typing import Any

from sqlalchemy import insert

from aliquot.db import Catalogue
from aliquot.db.tables import definition, run, run_step, task


def make_run(catalogue: Catalogue, keys: list[str], pool: str | None = None, **values: Any) -> int:
    with catalogue.write() as connection:
        number = connection.execute(
            insert(definition).values(
                kind="pipeline", name="p", digest="d", document={}, bundle={}, file="", applied_at=0.0,
                applied_by="", current=False,
            )
        ).inserted_primary_key[0]  # fmt: skip
        given = {"state": "RUNNING", "cancel_asked": False, "stop_asked": False, "parked": 0} | values
        run_id: int = connection.execute(
            insert(run).values(
                definition_id=number, pipeline="p", parameters={}, inputs={}, cause="manual", publish=False,
                pinned=False,
                message="", who="", fence=0, created_at=0.0, **given,
            )
        ).inserted_primary_key[0]  # fmt: skip
        connection.execute(insert(run_step).values(run_id=run_id, step="s", position=0, datums=len(keys), pool=pool))
        connection.execute(
            insert(task),
            [
                {
                    "run_id": run_id, "step": "s", "ordinal": ordinal, "key": key,
                    "datum": {"parts": {}, "exports": {}},
                    "state": "QUEUED", "reused": False, "message": "", "attempts": 0, "fence": 0, "not_before": 0.0,
                    "created_at": 0.0,
                }
                for ordinal, key in enumerate(keys, 1)
            ],
        )  # fmt: skip
        return run_id
