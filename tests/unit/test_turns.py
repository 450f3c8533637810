"""No turn is ever lost with who had it, nor given back twice."""

import os
from collections.abc import Iterator

import pytest

from aliquot.executors.turns import Seat, Turns


@pytest.fixture
def turns() -> Iterator[Turns]:
    made = Turns(2)
    yield made
    made.close()


def all_of(turns: Turns) -> int:
    """Take all that there are, put them back, and say how many they were."""
    taken = 0
    while turns.take():
        taken += 1
    for _ in range(taken):
        turns.give()
    return taken


def test_a_turn_is_had_by_one(turns: Turns) -> None:
    first, second = (Seat(turns.handles, turns.seat()) for _ in range(2))
    assert first.take()
    assert second.take()
    assert not first.take()
    assert not turns.take()
    second.give()
    assert turns.take()
    turns.give()
    first.give()
    assert all_of(turns) == 2


def test_the_turn_of_a_dead_one_is_put_back_and_nobody_elses(turns: Turns) -> None:
    dead, alive = turns.seat(), turns.seat()
    assert Seat(turns.handles, dead).take()
    assert Seat(turns.handles, alive).take()
    turns.recover(dead)
    assert all_of(turns) == 1
    Seat(turns.handles, alive).give()
    assert all_of(turns) == 2


def test_one_that_had_none_leaves_none(turns: Turns) -> None:
    turns.recover(turns.seat())
    assert turns.take()
    turns.recover(turns.seat())
    turns.give()
    assert all_of(turns) == 2


def test_death_before_the_mark_or_after_the_byte(turns: Turns) -> None:
    seat = turns.seat()
    # Its byte was read, and its mark not made.
    os.read(turns.handles[0], 1)
    turns.recover(seat)
    assert all_of(turns) == 2
    # Its byte was put back, and its mark not removed.
    assert Seat(turns.handles, seat).take()
    os.write(turns.handles[1], b".")
    turns.recover(seat)
    assert all_of(turns) == 2


def test_who_dies_under_the_lock_keeps_nobody_waiting(turns: Turns) -> None:
    seat = turns.seat()
    child = os.fork()
    if not child:
        import fcntl

        fcntl.lockf(turns.handles[2], fcntl.LOCK_EX)
        os.read(turns.handles[0], 1)
        os._exit(0)
    os.waitpid(child, 0)
    turns.recover(seat)
    assert all_of(turns) == 2
