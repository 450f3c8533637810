"""`aliquot up`: keeping a lab alive."""

import os

from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import print_json, say
from aliquot.cli.progress import Progress
from aliquot.cli.stopping import stops
from aliquot.cli.summary import show_summary
from aliquot.cli.text import count, moment, plain, plain_lines
from aliquot.daemon import Daemon
from aliquot.engine.pipelines import all_current
from aliquot.engine.triggers import next_due
from aliquot.lab import Lab
from aliquot.lab.definitions import pending
from aliquot.model.errors import Invalid

app = noun(
    "up",
    epilogue="With --until-idle it exits 1 when a file went to quarantine, a source was out of reach, a run did not "
    "end COMPLETE, a datum is parked, or a load failed. ALIQUOT_LOG=json writes the log as JSON lines instead of "
    "showing progress; ALIQUOT_LOG_LEVEL says from which level on.",
)


@app.default
def up(*, until_idle: bool = False, options: Options = OPTIONS) -> int:
    """Take files in, run pipelines and load tables, until Ctrl-C.

    Parameters
    ----------
    until_idle
        End when nothing is left to do, with a summary.
    """
    as_lines = os.environ.get("ALIQUOT_LOG", "").lower() == "json"
    with options.open(quiet=not as_lines) as lab:
        _warn_of_changes(lab)
        daemon = Daemon(lab)
        if not as_lines:
            ends = "when nothing is left to do" if until_idle else "with Ctrl-C"
            say(f"The lab {plain(lab.config.lab)} is up; it ends {ends}.")
            _say_next_due(lab)
        with stops(daemon.stop) as asked, Progress(lab, silent=as_lines):
            summary = daemon.run(until_idle=until_idle)
    if options.json:
        print_json(summary.document())
    elif until_idle and not asked:
        show_summary(summary)
    elif not as_lines:
        say("The lab is down; what was under way is taken up again by the next `aliquot up`.")
    return 1 if until_idle and summary.failed else 0


def _say_next_due(lab: Lab) -> None:
    """Say which run the clock will start next, if one does."""
    with lab.catalogue.read() as connection:
        found = [each.pipeline for each in all_current(connection)]
    due = [(at, each.pipeline) for each in found if (schedule := each.trigger.schedule) and (at := next_due(schedule))]
    if due:
        at, name = min(due)
        say(f"Next by the clock: {plain(name)}, {moment(at)}.")


def _warn_of_changes(lab: Lab) -> None:
    from rich.text import Text

    try:
        changes = pending(lab)
    except Invalid as error:
        words = f"{plain_lines(error.message)}\nThe lab runs with what was registered before."
        say(Text.assemble(("warning: ", "bold yellow"), words))
        return
    if changes:
        named = ", ".join(f"{change.kind} {plain(change.name)}" for change in changes[:5])
        more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
        what = count(len(changes), "definition")
        verb = "differs" if len(changes) == 1 else "differ"
        words = f"{what} of this folder {verb} from what is registered ({named}{more}); `aliquot apply` registers it."
        say(Text.assemble(("warning: ", "bold yellow"), words))
