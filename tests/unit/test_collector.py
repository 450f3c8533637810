"""Searching for cycles seldom while much is taken in, and as before afterwards."""

import gc
from collections.abc import Iterator

import pytest

from aliquot.model.collector import seldom, settle


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_collector_is_as_before_when_the_last_one_ends() -> None:
    first, second = seldom(), seldom()
    with first:
        assert gc.get_threshold() == (50_000, 10, 10)
        # As from two threads: the one that began first ends first.
        second.__enter__()
    assert gc.get_threshold() == (50_000, 10, 10)
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


def test_whoever_makes_more_has_it_searched_later() -> None:
    with seldom(500_000):
        assert gc.get_threshold() == (500_000, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


def test_a_failure_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(KeyError), seldom():
        raise KeyError
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("threshold", [0, 60_000])
def test_what_is_off_or_seldom_already_stays_so(threshold: int) -> None:
    gc.set_threshold(threshold, 10, 10)
    with seldom():
        assert gc.get_threshold() == (threshold, 10, 10)


def test_a_program_that_has_started_is_not_searched_again() -> None:
    settle()
    try:
        assert gc.get_threshold() == (50_000, 10, 10)
        assert gc.get_freeze_count() > 1_000
        with seldom():
            assert gc.get_threshold() == (50_000, 10, 10)
        assert gc.get_threshold() == (50_000, 10, 10)
    finally:
        gc.unfreeze()
