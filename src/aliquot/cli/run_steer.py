"""Steering runs that have not ended: end them, hold them, let them go on or go first."""

from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import line, print_json, say
from aliquot.cli.text import count
from aliquot.engine import control
from aliquot.lab import acts_run
from aliquot.lab.runs import steps
from aliquot.model.state import State
from aliquot.remote import runs as afar
from aliquot.remote.runs import Standing

_Number = Annotated[int, Parameter(name="RUN")]


def cancel(number: _Number, /, *, options: Options = OPTIONS) -> None:
    """End a run with everything that it has started.

    Parameters
    ----------
    number
        The run.
    """
    row = options.steer(
        lambda connection, by: _standing(connection, acts_run.cancel(connection, by, number)),
        lambda client: afar.steer(client, number, "cancel"),
    )
    if options.json:
        print_json({"run": number, "state": row.state, "cancel_asked": True})
        return
    if row.state == State.CANCELED:
        line(f"Run {number} is CANCELED; it had not begun.")
    elif row.looked_after:
        line(f"Run {number} is being ended; `aliquot run show {number}` says when it has.")
    else:
        line(f"Run {number} will be ended by the next `aliquot up`: none looks after it now.")


def pause(number: _Number, /, *, options: Options = OPTIONS) -> None:
    """Let no new task of a run start; what is under way goes on to its end.

    Parameters
    ----------
    number
        The run.
    """
    row = options.steer(
        lambda connection, by: _standing(connection, acts_run.pause(connection, by, number)),
        lambda client: afar.steer(client, number, "pause"),
    )
    running = row.under_way
    if options.json:
        print_json({"run": number, "state": row.state, "under_way": running})
        return
    still = f"; {count(running, 'task')} under way {'goes' if running == 1 else 'go'} on" if running else ""
    line(f"Run {number} is PAUSED: no new task of it starts{still}.")
    say(f"`aliquot run resume {number}` lets it go on.")


def resume(number: _Number, /, *, options: Options = OPTIONS) -> None:
    """Let a paused run go on.

    Parameters
    ----------
    number
        The run.
    """
    row = options.steer(
        lambda connection, by: _standing(connection, acts_run.resume(connection, by, number)),
        lambda client: afar.steer(client, number, "resume"),
    )
    _say(options, row, "goes on")


def priority(
    number: _Number,
    priority: Annotated[int, Parameter(name="N", allow_leading_hyphen=True)],
    /,
    *,
    options: Options = OPTIONS,
) -> None:
    """Let the tasks of a run start before those of runs with a lower number.

    Parameters
    ----------
    number
        The run.
    priority
        From -1000 to 1000; a run has 0 unless its pipeline or its start said otherwise.
    """
    row = options.steer(
        lambda connection, by: _standing(connection, acts_run.prioritise(connection, by, number, priority)),
        lambda client: afar.steer(client, number, "priority", {"priority": priority}),
    )
    _say(options, row, f"has priority {priority}")


def _standing(connection: Connection, row: acts_run.RunRow) -> Standing:
    under_way = sum(each.running for each in steps(connection, row.id))
    return Standing(row.id, row.state, row.priority, row.cancel_asked, control.looked_after(row), under_way)


def _say(options: Options, row: Standing, what: str) -> None:
    if options.json:
        print_json({"run": row.run, "state": row.state, "priority": row.priority})
    else:
        line(f"Run {row.run} {what}.")
