"""Waiting for one run, and doing its work meanwhile."""

from aliquot.cli.output import STATE_STYLES, line, print_json, say
from aliquot.cli.progress import Progress
from aliquot.cli.text import plain
from aliquot.engine.control import find_run
from aliquot.engine.supervise import Supervisor
from aliquot.lab import Lab
from aliquot.lab.loads import load_waiting
from aliquot.lab.runs import RunLine, run_line, steps
from aliquot.model.collector import settle
from aliquot.model.errors import Unavailable
from aliquot.model.state import ENDED, State

_PATIENCE = 12
"""After how many looks at a catalogue or store that is away waiting is given up: about five minutes."""


def wait_for(lab: Lab, number: int, *, as_json: bool) -> int:
    """Supervise until a run has ended; gives 0 when it is complete with nothing parked, else 1.

    Other supervisors may work on it as well: leases share the work.
    """
    try:
        with Progress(lab, number, silent=as_json):
            run = _supervise(lab, number)
    except KeyboardInterrupt:
        say(f"Run {number} goes on with `aliquot up`; `aliquot run cancel {number}` ends it.")
        raise
    with lab.catalogue.read() as connection:
        by_step = steps(connection, number)
    if as_json:
        print_json({**run.document(), "steps": [each.document() for each in by_step]})
    else:
        because = f": {plain(run.message)}" if run.message else "."
        line(f"Run {number} is {run.state}{because}", STATE_STYLES.get(run.state, ""))
        if run.parked:
            say(f"What is parked and why: aliquot run parked {number}")
    return 0 if run.state == State.COMPLETE and not run.parked else 1


def _supervise(lab: Lab, number: int) -> RunLine:
    supervisor = Supervisor(lab.catalogue, lab.store, lab.executor_for, pools=lab.config.pools)
    supervisor.open()
    settle()
    failures = 0
    try:
        while True:
            try:
                moved = supervisor.cycle()
                failures = 0
            except Unavailable as error:
                # Nothing is lost: a store or a catalogue that is away for a few minutes is waited for.
                failures += 1
                if failures >= _PATIENCE:
                    raise
                say(f"{plain(error.message)} It is tried again.")
                supervisor.wait(min(30.0, 2.0**failures / 4))
                continue
            with lab.catalogue.read() as connection:
                run = run_line(find_run(connection, number))
            if State(run.state) in ENDED:
                break
            if not moved:
                supervisor.wait(0.1)
    finally:
        supervisor.close()
    if run.publish and run.state == State.COMPLETE:
        load_waiting(lab)
    return run
