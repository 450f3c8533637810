"""Dates, times and durations in the many ways in which people and instruments write them."""

import re
from datetime import date, datetime, time
from decimal import Decimal

_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y",
    "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%a %b %d %Y",
    "%A, %B %d, %Y",
)  # fmt: skip
_TIMES = (
    "%H:%M:%S.%f",
    "%H:%M:%S",
    "%H:%M",
    "%I:%M:%S %p",
    "%I:%M %p",
    "%I:%M%p",
    "%H:%M:%S%z",
    "%H:%M:%S.%f%z",
    "%H:%M%z",
)
_DURATION = re.compile(
    r"(-?)P(?=[0-9T])(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)


def any_date(text: str) -> date:
    """Read a date in any usual way; where day and month could be either, month first. A time after it is ignored."""
    return any_datetime(text).date()


def any_time(text: str) -> time:
    """Read a time of day in any usual way."""
    text = text.strip()
    for pattern in _TIMES:
        found = _try(text, pattern)
        if found is not None:
            return found.timetz()
    raise ValueError(text)


def any_datetime(text: str) -> datetime:
    """Read a date, with or without a time of day, in any usual way."""
    text = text.strip()
    # Python reads week dates and bare hours as well, which a cell such as `2023-W01` may mean.
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern in _DATES:
        found = _try(text, pattern)
        if found is not None:
            return found
    for cut in (match.start() for match in re.finditer(r"[ T]", text)):
        try:
            day, clock = any_date_alone(text[:cut]), any_time(text[cut + 1 :])
        except ValueError:
            continue
        return datetime.combine(day, clock)
    raise ValueError(text)


def any_date_alone(text: str) -> date:
    """Read a date without a time of day in any usual way."""
    for pattern in _DATES:
        found = _try(text, pattern)
        if found is not None:
            return found.date()
    raise ValueError(text)


def duration(text: str) -> tuple[int, Decimal]:
    """Read an ISO 8601 duration as months and seconds, which alone are of fixed length to each other."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign = -1 if match[1] else 1
    years, months, weeks, days, hours, minutes = (int(match[place] or 0) for place in range(2, 8))
    seconds = Decimal(match[8] or 0) + 60 * minutes + 3600 * hours + 86400 * (days + 7 * weeks)
    return sign * (12 * years + months), sign * seconds


def duration_seconds(value: tuple[int, Decimal]) -> Decimal:
    """Give a duration's usual length in seconds, a month counting as a twelfth of 365.2425 days, for comparisons."""
    return value[0] * Decimal(2629746) + value[1]


def _try(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007  # a zone is read where the text has one
    except ValueError:
        return None
