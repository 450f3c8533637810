"""The queue of attempts: fair between runs, and within a run the deepest first."""

import random

import pytest

from aliquot.executors.attempt import Attempt
from aliquot.executors.line import Line
from aliquot.model.digest import EMPTY
from aliquot.model.seams import Handle
from aliquot.model.task import TaskDocument


def attempt(run: int, depth: int, task: int) -> Attempt:
    return Attempt(Handle(str(task)), TaskDocument(EMPTY, task, 1, "p/s/1", "true", "memory://", run=run, depth=depth))


def taken(line: Line) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    while line:
        first = line.first()
        document = line.popleft().document
        assert first.document is document
        found.append((document.run, document.depth, document.task))
    return found


def test_of_one_run_the_deepest_begins_first_and_equal_ones_in_their_order() -> None:
    line = Line()
    line.extend([attempt(1, 0, 1), attempt(1, 0, 2), attempt(1, 1, 3), attempt(1, 2, 4), attempt(1, 1, 5)])
    assert len(line) == 5
    assert {each.document.task for each in line} == {1, 2, 3, 4, 5}
    assert [task for _, _, task in taken(line)] == [4, 3, 5, 1, 2]


def test_depth_takes_no_place_from_another_run() -> None:
    line = Line()
    line.extend([attempt(1, 0, 1), attempt(2, 0, 2), attempt(1, 0, 3), attempt(2, 0, 4)])
    line.extend([attempt(1, 5, 5)])
    assert taken(line) == [(1, 5, 5), (2, 0, 2), (1, 0, 1), (2, 0, 4), (1, 0, 3)]


def test_what_is_put_back_comes_before_its_like() -> None:
    line = Line()
    line.extend([attempt(1, 0, 1), attempt(1, 0, 2), attempt(2, 0, 3)])
    back = line.popleft()
    line.appendleft(back)
    assert [task for _, _, task in taken(line)] == [1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_doubled(seed: int) -> None:
    chance = random.Random(seed)
    line, waiting = Line(), set[int]()
    out: list[Attempt] = []
    for number in range(500):
        if waiting and chance.random() < 0.5:
            out.append(line.popleft())
            waiting.remove(out[-1].document.task)
        elif out and chance.random() < 0.2:
            line.appendleft(out.pop())
            waiting = {each.document.task for each in line}
        else:
            line.extend([attempt(chance.randrange(3), chance.randrange(3), number)])
            waiting.add(number)
        assert len(line) == len(waiting) == sum(1 for _ in line)
