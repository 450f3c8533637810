"""When runs may start: by the clock, and how many of a pipeline at a time."""

from typing import Any, Literal

from pydantic import ConfigDict, model_validator
from pydantic import Field as Setting

from aliquot.model.definition import Definition, also_written

MOST_PRIORITY = 1000
"""Priorities lie between this and the same below zero."""


class Schedule(Definition):
    """Times at which a run starts or a source is looked at: `schedule: "0 2 * * *"`, or a mapping with settings."""

    model_config = ConfigDict(json_schema_extra=also_written({"type": "string", "examples": ["0 2 * * *"]}))

    cron: str
    """Times as cron writes them: minute, hour, day, month, weekday."""
    zone: str | None = None
    """The time zone that they are meant in, such as Europe/Berlin; by default the machine's own."""
    missed: Literal["once", "all", "none"] = "once"
    """What becomes of times that passed while nobody looked: one run for all of them, one for each, or none.

    To a source, once and all are the same: one look takes all that lies there.
    """

    @model_validator(mode="before")
    @classmethod
    def _a_text_is_cron(cls, value: Any) -> Any:
        return {"cron": value} if isinstance(value, str) else value


class RunLimit(Definition):
    """How many runs of a pipeline may be under way at a time."""

    at_most: int = Setting(ge=1, le=1000)
    """The number."""
    then: Literal["queue", "newest"] = "queue"
    """One more waits until another has ended, or takes the place of the oldest, which is canceled."""
