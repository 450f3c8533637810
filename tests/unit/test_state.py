"""The table of state changes."""

import itertools

import pytest

from aliquot.model.errors import Conflict
from aliquot.model.state import ACTIVE, CHANGES, ENDED, State, allowed, require


def test_every_state_is_active_or_ended() -> None:
    assert set(State) == ACTIVE | ENDED
    assert not ACTIVE & ENDED


@pytest.mark.parametrize("kind", ["run", "task"])
def test_nothing_leaves_a_state_in_which_things_have_ended(kind: str) -> None:
    # A parked datum waits again when a person asks for it.
    asked = {("task", before, State.QUEUED) for before in (State.EXECUTOR_ERROR, State.SYSTEM_ERROR)}
    for before, after in itertools.product(ENDED, State):
        assert allowed(kind, before, after) == ((kind, before, after) in asked)


@pytest.mark.parametrize("kind", ["run", "task"])
def test_an_end_can_be_reached_from_every_state_that_can_be_reached(kind: str) -> None:
    reached = {State.QUEUED}
    while more := {after for state in reached for after in CHANGES[kind].get(state, ())} - reached:
        reached |= more
    for start in reached - ENDED:
        seen = {start}
        while more := {after for state in seen for after in CHANGES[kind].get(state, ())} - seen:
            seen |= more
        assert State.COMPLETE in seen or start is State.CANCELING
        assert State.CANCELED in seen


def test_a_refused_change_says_what_was_asked() -> None:
    require("run", State.QUEUED, State.INITIALIZING)
    with pytest.raises(Conflict, match="A run that is COMPLETE cannot become RUNNING") as caught:
        require("run", State.COMPLETE, State.RUNNING)
    assert caught.value.code == "state-change-refused"
