"""A task that was claimed, as its supervisor knows it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Row

from aliquot.db.tables import task


class Taken(NamedTuple):
    """What is read of a task that is claimed: the columns of its row by their names.

    A tuple of our own, since each value is asked for several times for each task, and of a database's row that costs
    many times as much.
    """

    id: int
    run_id: int
    step: str
    ordinal: int
    key: str
    datum: Any
    recall: bool
    owner: str | None
    attempts: int
    failures: Any
    takeovers: int
    fence: int
    not_before: float
    created_at: float


TAKEN = tuple(task.c[name] for name in Taken._fields)
"""The columns that are read of a claimed task."""


def taken(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[Taken]:
    """Read the rows of claimed tasks."""
    return [Taken._make(row) for row in rows]
