"""Sources that are looked at by a schedule: when they are open, over restarts and downtime."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from aliquot.db import Catalogue
from aliquot.db.intake_tables import source_schedule
from aliquot.db.rows import json_text
from aliquot.engine.clock import latest
from aliquot.intake.source import Look
from aliquot.model.lab_config import Source
from aliquot.model.schedule import Schedule

_ON_TIME = 60.0
"""Seconds for which a time of a schedule counts as reached and not as missed."""


class SourceHours:
    """Says which sources are open. One without a schedule always is.

    At a time of its schedule a source opens, and stays so until what lies there is taken in or waits for other files. A
    time that passed while nobody looked opens it once, unless the schedule says `missed: none`.
    """

    def __init__(self, catalogue: Catalogue, sources: Mapping[str, Source]) -> None:
        self._catalogue = catalogue
        self._schedules = {name: each.schedule for name, each in sources.items() if each.schedule is not None}
        self._open: dict[str, datetime] = {}
        self._covers: dict[str, float] = {}

    def is_open(self, name: str, now: datetime | None = None) -> bool:
        """Say whether a source is to be looked at now."""
        schedule = self._schedules.get(name)
        if schedule is None or name in self._open:
            return True
        moment = now or datetime.now(UTC)
        reached = latest(schedule, moment)
        if reached is None or reached.timestamp() <= self._covered(name, schedule, moment):
            return False
        if schedule.missed == "none" and (moment - reached).total_seconds() > _ON_TIME:
            self._cover(name, schedule, reached.timestamp())
            return False
        self._open[name] = reached
        return True

    def note(self, name: str, look: Look) -> None:
        """Close a source of which all is taken in that will settle by itself."""
        if name in self._open and look.next_at is None and not look.more and not look.taken.safe:
            self._cover(name, self._schedules[name], self._open.pop(name).timestamp())

    def _covered(self, name: str, schedule: Schedule, now: datetime) -> float:
        """Say up to which time of its schedule a source was looked at; one that is new begins now."""
        if name not in self._covers:
            query = select(source_schedule).where(source_schedule.c.source == name)
            with self._catalogue.read() as connection:
                row = connection.execute(query).first()
            if row is not None and row.schedule == _text(schedule):
                self._covers[name] = row.covers
            else:
                self._cover(name, schedule, now.timestamp())
        return self._covers[name]

    def _cover(self, name: str, schedule: Schedule, until: float) -> None:
        values = {"source": name, "schedule": _text(schedule), "covers": until}
        with self._catalogue.write() as connection:
            connection.execute(delete(source_schedule).where(source_schedule.c.source == name))
            connection.execute(insert(source_schedule).values(**values))
        self._covers[name] = until


def _text(schedule: Schedule) -> str:
    return json_text(schedule.model_dump())
