"""Keeping a lab alive from the command line: the loop, with what it shows."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

from aliquot.cli.options import Options
from aliquot.cli.output import print_json, say
from aliquot.cli.progress import Progress, event
from aliquot.cli.stopping import stops
from aliquot.cli.summary import show_summary
from aliquot.cli.text import count, moment, plain, plain_lines
from aliquot.cli.waiting import Waiting
from aliquot.daemon import Daemon
from aliquot.engine.pipelines import all_current
from aliquot.engine.triggers import next_due
from aliquot.lab import Lab
from aliquot.lab.definitions import nothing_applied, pending
from aliquot.lab.tracing import tracing
from aliquot.model.collector import settle
from aliquot.model.errors import Invalid

log: Any = structlog.get_logger()

Beside = Callable[[Lab], AbstractContextManager[object]]
"""What is open while the loop runs, such as a server."""


def as_lines() -> bool:
    """Say whether the log is written as JSON lines, in place of what people read."""
    return os.environ.get("ALIQUOT_LOG", "").lower() == "json"


def keep(options: Options, again: str, *, until_idle: bool, beside: Beside | None = None) -> int:
    """Run the loop until Ctrl-C, or until nothing is left to do, and give the exit code; `again` names the command."""
    lines = as_lines()
    why = f"`{again}` does the lab's own work: it takes in what lies at its sources, and runs tasks on its machine."
    with options.work(quiet=not lines, why=why) as lab, tracing(again.replace(" ", "-")):
        warn_of_changes(lab)
        daemon, waiting = Daemon(lab), Waiting()
        # From its first word on it ends as it should when it is told to.
        settle()
        with stops(daemon.stop) as asked:
            if not lines:
                ends = "when nothing is left to do" if until_idle else "with Ctrl-C"
                say(f"The lab {plain(lab.config.lab)} is up; it ends {ends}.")
                _say_next_due(lab)
            with beside(lab) if beside else nullcontext(), Progress(lab, silent=lines):
                summary = daemon.run(
                    until_idle=until_idle, tick=lambda: _tell(waiting.news(daemon.summary.sources), lines=lines)
                )
    if options.json:
        print_json(summary.document())
    elif until_idle and not asked:
        show_summary(summary)
    elif not lines:
        say(f"The lab is down; what was under way is taken up again by the next `{again}`.")
    return 1 if until_idle and summary.failed else 0


def _tell(news: Sequence[str], *, lines: bool) -> None:
    for each in news:
        if lines:
            log.info("a file waits", reason=each)
        else:
            event(each)


def _say_next_due(lab: Lab) -> None:
    """Say which run the clock will start next, if one does."""
    with lab.catalogue.read() as connection:
        found = [each.pipeline for each in all_current(connection)]
    due = [(at, each.pipeline) for each in found if (schedule := each.trigger.schedule) and (at := next_due(schedule))]
    if due:
        at, name = min(due)
        say(f"Next by the clock: {plain(name)}, {moment(at)}.")


def warn_of_changes(lab: Lab) -> None:
    """Warn when the lab's folder says something else than what is registered."""
    from rich.text import Text

    try:
        changes = pending(lab)
    except Invalid as error:
        words = f"{plain_lines(error.message)}\nThe lab runs with what was registered before."
        say(Text.assemble(("warning: ", "bold yellow"), words))
        return
    if changes and nothing_applied(lab):
        words = "Nothing is applied yet, so this lab does nothing; run `aliquot apply`."
        say(Text.assemble(("warning: ", "bold yellow"), words))
    elif changes:
        named = ", ".join(f"{change.kind} {plain(change.name)}" for change in changes[:5])
        more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
        what = count(len(changes), "definition")
        verb = "differs" if len(changes) == 1 else "differ"
        words = f"{what} of this folder {verb} from what is registered ({named}{more}); `aliquot apply` registers it."
        say(Text.assemble(("warning: ", "bold yellow"), words))
