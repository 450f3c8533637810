"""When an attempt is made again, by its cause; and what it may use then."""

from itertools import pairwise
from typing import Any

import pytest

from aliquot.model.cause import CAUSES, cause_words, counted_causes
from aliquot.model.retry import MOST_WAITS, Retry
from aliquot.model.task import Cause, Resources


def retry(**values: Any) -> Retry:
    return Retry.model_validate(values)


def times(given: Retry, cause: Cause, *, may_pass: bool = False) -> int:
    """Count the attempts that are made when each fails by one cause."""
    made = 1
    while given.again_after(cause, {"waited" if may_pass else cause.value: made}, may_pass=may_pass) is not None:
        made += 1
    return made


def test_what_is_not_the_datums_fault_is_tried_again_by_itself() -> None:
    assert {cause: times(Retry(), cause) for cause in Cause if cause is not Cause.CANCELED} == {
        Cause.USER: 1, Cause.OOM: 1, Cause.TIMEOUT: 1, Cause.LOST: 3, Cause.REFUSED: 1, Cause.OURS: 3,
    }  # fmt: skip


def test_each_cause_has_a_budget_of_its_own() -> None:
    given = retry(attempts=4, on={"oom": 2, "lost": 9, "timeout": {"attempts": 5, "backoff": "1m"}})
    assert times(given, Cause.OOM) == 2
    assert times(given, Cause.LOST) == 9
    assert times(given, Cause.TIMEOUT) == 5
    assert times(given, Cause.OURS) == 4
    assert times(given, Cause.USER) == 1
    # Nine lost machines do not eat what there is for lack of memory.
    assert given.again_after(Cause.OOM, {"lost": 8, "oom": 1}) is not None


def test_a_list_gives_each_cause_the_same_budget() -> None:
    given = retry(attempts=3, on=["oom", "user"], backoff="10s")
    assert times(given, Cause.OOM) == times(given, Cause.USER) == times(given, Cause.LOST) == 3
    assert times(given, Cause.TIMEOUT) == 1


def test_one_attempt_is_one_attempt_whatever_happens() -> None:
    given = retry(attempts=1)
    assert {times(given, cause) for cause in CAUSES} == {1}
    assert times(given, Cause.REFUSED, may_pass=True) == 1


def test_what_may_pass_is_waited_for_with_growing_pauses_and_a_budget_of_its_own() -> None:
    for cause in (Cause.REFUSED, Cause.OURS):
        assert times(Retry(), cause, may_pass=True) == MOST_WAITS
    pauses = [Retry().again_after(Cause.REFUSED, {"waited": n}, may_pass=True) or 0.0 for n in range(1, MOST_WAITS)]
    assert 4 <= pauses[0] <= 6
    assert all(later > earlier for earlier, later in pairwise(pauses[:7]))
    assert max(pauses) <= 720
    assert sum(pauses) > 1800
    assert times(retry(on={"refused": 1}), Cause.REFUSED, may_pass=True) == 1


@pytest.mark.parametrize(
    ("values", "cause", "low", "high"),
    [
        ({}, Cause.LOST, 0.8, 1.2),
        ({}, Cause.OOM, 0, 0),
        ({"backoff": "10s"}, Cause.OOM, 8, 12),
        ({"backoff": "10s", "on": {"oom": {"attempts": 3, "backoff": "1s"}}}, Cause.OOM, 0.8, 1.2),
    ],
)
def test_each_cause_has_a_wait_of_its_own_with_jitter(
    values: dict[str, Any], cause: Cause, low: float, high: float
) -> None:
    given = retry(**({"on": ["oom"]} | values))
    pauses = {given.again_after(cause, {cause.value: 1}) for _ in range(50)}
    assert all(pause is not None and low <= pause <= high for pause in pauses)
    assert len(pauses) > 1 or high == 0


def test_the_wait_doubles_and_has_an_end() -> None:
    given = retry(attempts=100, backoff="10m")
    second, late = (given.again_after(Cause.LOST, {"lost": n}) or 0.0 for n in (2, 90))
    assert 960 <= second <= 1440
    assert 2880 <= late <= 4320


def test_memory_and_time_grow_by_their_own_failures_up_to_their_limits() -> None:
    given = retry(memory_growth=2, memory_limit="5GiB", time_growth=1.5, time_limit="2h")
    asked = Resources(2, 2**30, None, 3600.0)
    assert given.grown(asked, None) == asked
    assert given.grown(asked, {"lost": 4}) == asked
    assert given.grown(asked, {"oom": 2, "lost": 3}).memory == 4 * 2**30
    assert given.grown(asked, {"oom": 3}).memory == 5 * 2**30
    assert given.grown(asked, {"timeout": 1}).time == 5400
    assert given.grown(asked, {"timeout": 5, "oom": 1}) == Resources(2, 2**31, None, 7200.0)
    assert given.grown(Resources(1, None, None, None), {"oom": 2, "timeout": 2}) == Resources(1, None, None, None)


def test_a_limit_below_what_is_asked_takes_nothing_away() -> None:
    given = retry(memory_growth=2, memory_limit="1GiB")
    assert given.grown(Resources(1, 2**31), {"oom": 1}).memory == 2**31


def test_every_cause_has_its_words() -> None:
    assert CAUSES.keys() == set(Cause)
    assert counted_causes({"oom": 1, "user": 2, "lost": 0}) == "2 user errors, 1 out of memory"
    assert cause_words("oom") == "out of memory"
    assert cause_words(None) == ""
