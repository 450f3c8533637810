"""Attempts that ask for several processors."""

import threading

import pytest

from aliquot.executors.width import Width


def hold(width: Width, cpus: float, began: threading.Event, leave: threading.Event, lost: bool = False) -> None:
    with width.take(cpus, lambda: lost):
        began.set()
        assert leave.wait(10)


def start(width: Width, cpus: float) -> tuple[threading.Event, threading.Event, threading.Thread]:
    began, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold, args=(width, cpus, began, leave))
    thread.start()
    return began, leave, thread


@pytest.mark.parametrize("cpus", [2.0, 1.5, 7.0])
def test_two_wide_ones_are_never_at_work_at_once(cpus: float) -> None:
    width = Width(2)
    first, second = start(width, cpus), start(width, cpus)
    one, other = (first, second) if first[0].wait(5) and not second[0].is_set() else (second, first)
    assert not other[0].wait(0.3)
    one[1].set()
    assert other[0].wait(5)
    other[1].set()
    for _, _, thread in (one, other):
        thread.join()


def test_narrow_ones_share_and_do_not_overtake_a_wide_one() -> None:
    width = Width(2)
    one, two = start(width, 1), start(width, 0.5)
    assert one[0].wait(5)
    assert two[0].wait(5)
    wide = start(width, 2)
    one[1].set()
    one[2].join()
    narrow = start(width, 1)
    assert not narrow[0].wait(0.3)
    two[1].set()
    assert wide[0].wait(5)
    assert not narrow[0].is_set()
    wide[1].set()
    assert narrow[0].wait(5)
    narrow[1].set()
    for _, _, thread in (two, wide, narrow):
        thread.join()


def test_one_that_is_abandoned_comes_through_and_leaves_the_count_right() -> None:
    width = Width(2)
    with width.take(2, lambda: False), width.take(2, lambda: True):
        pass
    with width.take(2, lambda: False):
        pass
