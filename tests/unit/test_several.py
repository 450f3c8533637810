"""How many attempts go together, and which."""

from dataclasses import replace

from aliquot.executors.rounds import Several, weight
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY
from aliquot.model.task import Resources, TaskDocument, TaskFile

PLAIN = TaskDocument(EMPTY, 1, 1, "step", "true", "memory:", files=(TaskFile("in/a/b", Location(EMPTY, 4)),))


def learned(times: int) -> Several:
    several = Several()
    for _ in range(times):
        several.learn(usual=True)
    return several


def test_they_become_more_while_all_goes_as_usual() -> None:
    assert [learned(times).most(0.001, 1000, 4) for times in range(7)] == [1, 2, 4, 8, 16, 32, 32]
    several = learned(4)
    several.learn(usual=False)
    assert several.most(0.001, 1000, 4) == 8
    for _ in range(9):
        several.learn(usual=False)
    assert several.most(0.001, 1000, 4) == 1


def test_none_are_taken_from_the_other_slots() -> None:
    assert learned(9).most(0.001, 20, 4) == 5
    assert learned(9).most(0.001, 3, 4) <= 1


def test_what_takes_longer_goes_in_fewer() -> None:
    assert learned(9).most(0.04, 1000, 4) == 3
    assert learned(9).most(0.5, 1000, 4) <= 1
    assert learned(9).most(0.0, 1000, 4) == 1


def test_one_that_somebody_has_to_look_after_goes_alone() -> None:
    assert weight(PLAIN) == 4
    for limits in (Resources(cpus=2), Resources(memory=1), Resources(disk=1)):
        assert weight(replace(PLAIN, resources=limits)) is None
    assert weight(replace(PLAIN, resources=Resources(cpus=0.5, time=1.0))) == 4
    assert weight(replace(PLAIN, ensure=({"non_empty": True},))) is None
    assert weight(replace(PLAIN, image="busybox")) is None
    assert weight(replace(PLAIN, command=())) is None
    assert weight(replace(PLAIN, files=(TaskFile("in/a/b", Location(EMPTY, 10**6)),))) is None
