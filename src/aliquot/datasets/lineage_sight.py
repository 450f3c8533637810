"""What of a lineage is looked at: what is out of sight is neither given nor counted."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from aliquot.db.tables import dataset, run, task


@dataclass(frozen=True, slots=True)
class Sight:
    """Datasets and runs of these projects, and these tables of the hub; None: all."""

    projects: Collection[str] | None = None
    tables: Collection[str] | None = None


EVERYTHING = Sight()


class Looking:
    """Says what is in sight; the catalogue is asked for the datasets once."""

    def __init__(self, connection: Connection, sight: Sight) -> None:
        self._connection = connection
        self._sight = sight
        self._datasets: set[str] | None = None

    @property
    def at_all(self) -> bool:
        """Say whether every dataset and run is in sight."""
        return self._sight.projects is None

    def project(self, name: str) -> bool:
        """Say whether runs of a project are in sight."""
        return self._sight.projects is None or name in self._sight.projects

    def table(self, name: str) -> bool:
        """Say whether a table is."""
        return self._sight.tables is None or name in self._sight.tables

    def dataset(self, name: str) -> bool:
        """Say whether a dataset is."""
        if self._sight.projects is None:
            return True
        if self._datasets is None:
            query = select(dataset.c.name).where(dataset.c.project.in_(self._sight.projects))
            self._datasets = set(self._connection.execute(query).scalars())
        return name in self._datasets

    def tasks(self, numbers: Collection[Any]) -> set[int]:
        """Give those of some tasks that are, by the projects of their runs."""
        if self._sight.projects is None or not numbers:
            return set(numbers)
        query = (
            select(task.c.id)
            .join(run, run.c.id == task.c.run_id)
            .where(task.c.id.in_(sorted(numbers)), run.c.project.in_(self._sight.projects))
        )
        return set(self._connection.execute(query).scalars())
