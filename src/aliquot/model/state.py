"""The states of runs and tasks, and the only table of their changes.

The names are the ones that GA4GH WES 1.1 and TES 1.1 share.
"""

from enum import StrEnum

from aliquot.model.errors import Conflict

REFUSED = "state-change-refused"
"""The code of a change that the table does not list; the catalogue's triggers say it, too."""


class State(StrEnum):
    """A state of a run or of a task."""

    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELING = "CANCELING"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"


S = State

ENDED = frozenset({S.COMPLETE, S.EXECUTOR_ERROR, S.SYSTEM_ERROR, S.CANCELED, S.PREEMPTED})
"""States from which nothing moves by itself."""

ACTIVE = frozenset(State) - ENDED
"""States that a supervisor still has to look after."""

CHANGES: dict[str, dict[State, frozenset[State]]] = {
    "run": {
        S.QUEUED: frozenset({S.INITIALIZING, S.PAUSED, S.CANCELED}),
        S.INITIALIZING: frozenset({S.RUNNING, S.CANCELING, S.EXECUTOR_ERROR, S.SYSTEM_ERROR}),
        S.RUNNING: frozenset({S.COMPLETE, S.EXECUTOR_ERROR, S.SYSTEM_ERROR, S.CANCELING, S.PAUSED}),
        # From PAUSED into an error: its deadline passes, or its definition cannot be read any more.
        S.PAUSED: frozenset({S.QUEUED, S.RUNNING, S.CANCELING, S.EXECUTOR_ERROR, S.SYSTEM_ERROR}),
        S.CANCELING: frozenset({S.CANCELED}),
    },
    "task": {
        S.QUEUED: frozenset({S.INITIALIZING, S.COMPLETE, S.CANCELED}),
        # Back to QUEUED: the attempt failed and its budget allows another.
        S.INITIALIZING: frozenset(
            {S.RUNNING, S.QUEUED, S.COMPLETE, S.EXECUTOR_ERROR, S.SYSTEM_ERROR, S.CANCELED, S.PREEMPTED}
        ),
        # Back to INITIALIZING: the lease lapsed, and another supervisor has claimed the task.
        S.RUNNING: frozenset(
            {S.QUEUED, S.INITIALIZING, S.COMPLETE, S.EXECUTOR_ERROR, S.SYSTEM_ERROR, S.CANCELED, S.PREEMPTED}
        ),
        # A person has asked for a parked datum again, while its run is under way.
        S.EXECUTOR_ERROR: frozenset({S.QUEUED}),
        S.SYSTEM_ERROR: frozenset({S.QUEUED}),
    },
}
"""For runs and tasks: which state may follow which. The catalogue's triggers are made from this table."""


def allowed(kind: str, before: State, after: State) -> bool:
    """Say whether a run or task may go from one state to another."""
    return after in CHANGES[kind].get(before, frozenset())


def before(kind: str, after: State) -> list[State]:
    """List the states that a run or task may leave for another."""
    return [state for state in State if allowed(kind, state, after)]


def require(kind: str, before: State, after: State) -> None:
    """Refuse a change that the table does not list, with `Conflict`."""
    if not allowed(kind, before, after):
        raise Conflict(
            REFUSED,
            f"A {kind} that is {before} cannot become {after}; look at it again before you decide.",
            kind=kind,
            before=str(before),
            after=str(after),
        )
