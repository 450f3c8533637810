"""states.md: the states of runs and tasks, and which may follow which."""

from aliquot.model.state import CHANGES, ENDED, State
from aliquot.model.task import Cause
from generators.text import code, page, table

MEANING = {
    State.QUEUED: ("Waits to be taken up.", "Waits for a free place, or for its next attempt."),
    State.INITIALIZING: ("Is being taken up.", "Is claimed by a supervisor; its inputs are being put in place."),
    State.RUNNING: ("Its steps are planned and run.", "Its command has run for longer than a moment."),
    State.PAUSED: ("Starts no further tasks. No command of this release pauses a run.", ""),
    State.CANCELING: ("Somebody asked for its end; its tasks are being ended.", ""),
    State.COMPLETE: ("Ended well; datums may be parked.", "Its command ended with 0, or its key had succeeded before."),
    State.EXECUTOR_ERROR: ("More datums failed than its steps allow.", "Its command failed."),
    State.SYSTEM_ERROR: ("Aliquot or the machine failed.", "Aliquot or the machine failed."),
    State.CANCELED: ("A person ended it.", "Its run was canceled or stopped."),
    State.PREEMPTED: ("", "The place where it ran was taken away. No executor of this release says so."),
}
CAUSES = {
    Cause.USER: ("the command, or what it was given", State.EXECUTOR_ERROR),
    Cause.OOM: ("it needed more memory than it may use", State.EXECUTOR_ERROR),
    Cause.TIMEOUT: ("it ran longer than it may", State.EXECUTOR_ERROR),
    Cause.LOST: ("the machine, or the supervisor that watched it, is gone", State.SYSTEM_ERROR),
    Cause.REFUSED: ("it could not be started: an image that cannot be had, for instance", State.SYSTEM_ERROR),
    Cause.OURS: ("a fault of Aliquot, a full disk, a store that does not answer", State.SYSTEM_ERROR),
    Cause.CANCELED: ("a person, or the failure policy of the step", State.CANCELED),
}

_ABOUT = """\
The names are those of the GA4GH standards WES and TES. The arrows below are the only changes there are: the catalogue
itself refuses any other, and keeps each change as a row of its table [event](catalogue.md#event)."""


def states_page() -> str:
    """Make the page."""
    parts: list[str] = []
    for at, kind in enumerate(CHANGES):
        parts += [f"## States of a {kind}", _diagram(kind), _table(kind, at)]
    causes = [(code(cause), text, code(state)) for cause, (text, state) in CAUSES.items()]
    about = "Why an attempt did not succeed. `retry: on` of a step names the causes after which it is tried again."
    parts += ["## Causes of failure", about, table(("cause", "what failed", "the task then becomes"), causes)]
    return page("States", _ABOUT, *parts)


def _diagram(kind: str) -> str:
    lines = ["stateDiagram-v2", "    [*] --> QUEUED"]
    for before, afters in CHANGES[kind].items():
        lines += [f"    {before} --> {after}" for after in State if after in afters]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED and _is_reached(kind, state)]
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def _is_reached(kind: str, state: State) -> bool:
    return any(state in afters for afters in CHANGES[kind].values())


def _table(kind: str, at: int) -> str:
    rows = []
    for state in State:
        if state not in CHANGES[kind] and not _is_reached(kind, state):
            continue
        afters = CHANGES[kind].get(state, frozenset())
        following = ", ".join(code(each) for each in State if each in afters) or "nothing: it has ended"
        rows.append((code(state), MEANING[state][at], following))
    return table(("state", "meaning", "what may follow"), rows)
