"""`aliquot worker`: working on runs beside `aliquot up`."""

import os

from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import print_json, say
from aliquot.cli.progress import Progress
from aliquot.cli.stopping import stops
from aliquot.cli.summary import show_summary
from aliquot.cli.text import plain
from aliquot.daemon import Worker
from aliquot.lab.tracing import tracing
from aliquot.model.collector import settle
from aliquot.model.errors import Invalid

app = noun(
    "worker",
    epilogue="It takes in no files, starts no runs and loads no tables: some `aliquot up` does. With --until-idle it "
    "exits 1 when a run that ended meanwhile did not end COMPLETE, or has parked a datum.",
)

_WHY = (
    "A worker takes its tasks from the lab's catalogue and store, and not from its server: it needs a folder whose "
    "aliquot.yaml names both."
)


@app.default
def worker(*, workers: int | None = None, until_idle: bool = False, options: Options = OPTIONS) -> int:
    """Work on the lab's runs, together with every other `up` and `worker`, until Ctrl-C.

    Parameters
    ----------
    workers
        Tasks at once here; by default what aliquot.yaml says.
    until_idle
        End when no run is left, with a summary.
    """
    if workers is not None and workers < 1:
        raise Invalid("workers-refused", f"--workers is {workers}; give how many tasks may run at once, from 1.")
    as_lines = os.environ.get("ALIQUOT_LOG", "").lower() == "json"
    with options.work(quiet=not as_lines, why=_WHY) as lab, tracing("aliquot-worker"):
        lab.workers = workers
        work = Worker(lab)
        if not as_lines:
            ends = "when no run is left" if until_idle else "with Ctrl-C"
            say(f"Working on the runs of {plain(lab.config.lab)}; it ends {ends}.")
        settle()
        with stops(work.stop) as asked, Progress(lab, silent=as_lines):
            summary = work.run(until_idle=until_idle)
    if options.json:
        print_json(summary.document())
    elif until_idle and not asked:
        show_summary(summary)
    elif not as_lines:
        say("What was under way here is taken up again by others.")
    return 1 if until_idle and summary.failed else 0
