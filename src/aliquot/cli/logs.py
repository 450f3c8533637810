"""The log: on stderr, for people on a terminal and as JSON lines for machines."""

import logging
import os
import sys
from typing import Any


def prepare_logs(*, quiet: bool) -> None:
    """Set up the log: ALIQUOT_LOG_LEVEL says from which level on, ALIQUOT_LOG=json how.

    Without a level, a `quiet` command logs warnings and errors, others what they do, too.
    """
    import structlog

    named = os.environ.get("ALIQUOT_LOG_LEVEL", "").upper()
    level = logging.getLevelNamesMapping().get(named, logging.WARNING if quiet else logging.INFO)
    as_json = os.environ.get("ALIQUOT_LOG", "").lower() == "json"
    last: Any = structlog.processors.JSONRenderer(ensure_ascii=True) if as_json else _Line(colour=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )


class _Stderr:
    """Writes lines to whatever stderr is now: a live display may stand before it for a while."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


class _Line:
    """Writes an event as one line that cannot steer a terminal."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _logger: Any, _method: str, event: dict[str, Any]) -> str:
        from aliquot.cli.text import plain

        at, level, said = event.pop("timestamp"), event.pop("level"), plain(str(event.pop("event")))
        trace = event.pop("exception", None)
        facts = " ".join(f"{name}={plain(str(value))}" for name, value in event.items() if value is not None)
        tint = {"warning": "33", "error": "31", "critical": "31"}.get(level)
        word = f"\x1b[{tint}m{level}\x1b[0m" if tint and self._colour else level
        line = f"{at} {word}: {said}" + (f" ({facts})" if facts else "")
        return line if trace is None else f"{line}\n{trace}"
