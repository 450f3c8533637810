"""Schedules against the clock: the time that was reached last, and the one that comes next, in a zone of its own.

Where clocks are put forward, a time that is left out comes right after the gap; where they are put back, a time that
comes twice counts once. Times that repeat every few minutes or every hour go on through both.
"""

import os
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim

from aliquot.model.schedule import Schedule

_LOCAL = Path("/etc/localtime")


def latest(schedule: Schedule, now: datetime) -> datetime | None:
    """Give the time of a schedule that was reached last, in UTC; `now` itself counts."""
    here = now.astimezone(_zone(schedule))
    # What comes before a moment does not include the moment itself.
    found = next(CronSim(schedule.cron, here + timedelta(microseconds=1), reverse=True), None)
    if found is None:
        return None
    # Backwards, the hour that clocks go through twice is seen by its name alone: what comes forwards decides.
    following = coming(schedule, found)
    while following is not None and following <= now:
        found, following = following, coming(schedule, following)
    return found.astimezone(UTC)


def coming(schedule: Schedule, after: datetime) -> datetime | None:
    """Give the first time of a schedule after a moment, in UTC."""
    times = CronSim(schedule.cron, after.astimezone(_zone(schedule)))
    found = next(times, None)
    # In the hour that clocks go through twice, the first one may lie before the moment.
    while found is not None and found <= after:
        found = next(times, None)
    return None if found is None else found.astimezone(UTC)


def _zone(schedule: Schedule) -> tzinfo:
    return ZoneInfo(schedule.zone) if schedule.zone else local_zone()


def local_zone() -> tzinfo:
    """Give the machine's time zone with its rules, not only with today's offset; UTC where none is set."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if named:
        try:
            return ZoneInfo(named)
        except (KeyError, OSError, ValueError):
            return datetime.now().astimezone().tzinfo or UTC
    if not _LOCAL.exists():
        return UTC
    with _LOCAL.open("rb") as file:
        return ZoneInfo.from_file(file)
