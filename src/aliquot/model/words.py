"""Words for people, on terminals and pages alike: counts, spans of time, moments."""

import time
from datetime import datetime


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: `1 file`, `1,204 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(seconds: float | None) -> str:
    """Write a span of time: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return ""
    # Between two looks at a clock that was set back meanwhile, less than nothing has passed.
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(at: float | None, now: float | None = None) -> str:
    """Write a time as near as a person thinks of it: `just now`, `3 min ago`, `2 h ago`, then local date and time."""
    if at is None:
        return ""
    passed = (time.time() if now is None else now) - at
    if passed < -60 or passed >= 86_400:
        return local(at)
    if passed < 5:
        return "just now"
    if passed < 60:
        return f"{passed:.0f} s ago"
    return f"{passed / 60:.0f} min ago" if passed < 3570 else f"{passed / 3600:.0f} h ago"


def local(at: float) -> str:
    """Write a time in the zone of this machine, to the minute."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def moment(at: float | None) -> str:
    """Write a time in full and as it is thought of: `2026-03-01 10:45 (3 min ago)`."""
    if at is None:
        return ""
    near = ago(at)
    return near if near == local(at) else f"{local(at)} ({near})"
