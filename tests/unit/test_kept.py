"""Answers that are looked up beside who waits for them."""

import threading
from concurrent.futures import Future, wait

import pytest

from aliquot.lab.kept import CHEAP, Kept, KeptEach
from waiting import until


class Question:
    """Counts how often it is asked, and answers when it is let; `dear` makes it take longer than a cheap one."""

    def __init__(self, *, dear: bool = False) -> None:
        self.asked = 0
        self.let = threading.Event()
        self._dear = dear

    def __call__(self) -> int:
        self.asked += 1
        assert self.let.wait(30)
        if self._dear:
            # What it costs is measured: so long it takes at the least.
            threading.Event().wait(CHEAP * 2)
        return self.asked


def test_a_dear_answer_is_asked_for_once_by_many_and_kept() -> None:
    question = Question(dear=True)
    kept = Kept(question)
    assert kept.glance() is None
    assert kept.glance() is None
    question.let.set()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.look().answer)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [1] * 8
    first = kept.glance()
    assert first is not None
    assert (first.answer, question.asked) == (1, 1)


def test_one_that_has_become_old_is_given_until_the_new_one_is_there() -> None:
    question = Question(dear=True)
    kept = Kept(question, times=0)
    question.let.set()
    assert kept.look().answer == 1
    question.let.clear()
    assert [kept.look().answer, kept.look().answer] == [1, 1]
    question.let.set()
    until(lambda: kept.look().answer > 1)


def test_what_is_cheap_is_asked_for_anew_each_time() -> None:
    asked = iter(range(10))
    kept = Kept(lambda: next(asked))
    # On a machine that has much to do the newest may come a moment later.
    first = kept.look().answer
    until(lambda: kept.look().answer > first)


def test_what_goes_wrong_is_raised_and_forgets_the_answer() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return 1 // 0 if len(asked) == 2 else len(asked)

    kept = Kept(ask)
    assert kept.look().answer == 1

    def gone_wrong() -> bool:
        try:
            kept.look()
        except ZeroDivisionError:
            return True
        return len(asked) > 2

    until(gone_wrong)
    assert kept.look().answer > 2


def test_a_first_answer_that_fails_is_raised() -> None:
    def fail() -> int:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        Kept(fail).look()


def test_of_many_questions_the_last_ones_are_kept() -> None:
    kept: KeptEach[int] = KeptEach(2, 20)
    first = kept.of("a", lambda: 1)
    assert kept.of("a", lambda: 2) is first
    kept.of("b", lambda: 2)
    kept.of("a", lambda: 3)
    kept.of("c", lambda: 3)
    assert kept.of("a", lambda: 4) is first
    assert kept.of("b", lambda: 5).look().answer == 5


def test_an_answer_that_comes_as_the_waiting_ends_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Future.result

    def at_the_last_moment(asked: "Future[object]", timeout: float | None = None) -> object:
        if timeout is None:
            return result(asked)
        wait([asked])
        raise TimeoutError

    monkeypatch.setattr(Future, "result", at_the_last_moment)
    told = Kept(lambda: 7).glance()
    assert told is not None
    assert told.answer == 7
