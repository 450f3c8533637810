"""`aliquot run recompute`: making again what was swept."""

from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import line, print_json, say
from aliquot.lab import acts_run
from aliquot.remote import runs as afar


def recompute(
    number: Annotated[int, Parameter(name="RUN")], /, *, wait: bool = False, options: Options = OPTIONS
) -> int:
    """Make the outputs of a run again that were swept to free space; says of each task whether it gave the same bytes.

    Parameters
    ----------
    number
        The run whose outputs are wanted again.
    wait
        Do its work here and wait for its end, as `run start --wait` does.
    """
    if options.server:
        with options.connect() as client:
            started = afar.recompute(client, number)
            if wait:
                from aliquot.cli.follow import follow

                return max(follow(client, new, as_json=options.json) for new in started)
    else:
        with options.open() as lab:
            with lab.catalogue.write() as connection:
                started = acts_run.recompute(connection, lab.by, number)
            if wait:
                from aliquot.cli.wait import wait_for

                return max(wait_for(lab, new, as_json=options.json) for new in started)
    if options.json:
        print_json([{"run": new, "state": "QUEUED", "recompute_of": number} for new in started])
        return 0
    for new in started:
        line(f"Run {new} makes again what was swept of run {number}.")
    say("`aliquot up` does its work, if it is not running already; or give --wait.")
    return 0
