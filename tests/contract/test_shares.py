"""Whose tasks are claimed next: shares, priorities and pools, on both databases."""

import threading
import time
from typing import Any

import pytest
from sqlalchemy import event, func, select, update

from aliquot.db import Catalogue
from aliquot.db.tables import run, task
from aliquot.engine import claim
from aliquot.engine.shares import fill
from aliquot.model.state import State
from run_rows import make_run

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def take(catalogue: Catalogue, owner: str, most: int, **pools: int) -> list[Any]:
    return catalogue.repeat(lambda connection: list(claim.claim_tasks(connection, owner, most, pools)))


def keys(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("loads", "amount", "given"),
    [
        ({1: 0, 2: 0}, 4, {1: 2, 2: 2}),
        ({1: 0, 2: 0}, 3, {1: 2, 2: 1}),
        ({1: 10, 2: 0}, 4, {2: 4}),
        ({1: 10, 2: 0}, 14, {1: 2, 2: 12}),
        ({1: 3, 2: 0, 3: 1}, 5, {2: 3, 3: 2}),
        ({1: 5}, 2, {1: 2}),
        ({}, 2, {}),
    ],
)
def test_an_amount_raises_the_lowest_first(loads: dict[int, int], amount: int, given: dict[int, int]) -> None:
    assert fill(loads, amount) == given


@both
def test_a_small_run_is_not_stuck_behind_a_large_one(catalogue: Catalogue) -> None:
    large = make_run(catalogue, keys("a", 500))
    assert len(take(catalogue, "one", 100)) == 100
    small = make_run(catalogue, keys("b", 5))
    claimed = take(catalogue, "one", 20)
    assert [row.run_id for row in claimed].count(small) == 5, "it has less under way, so it comes first"
    assert [row.run_id for row in claimed].count(large) == 15, "what it does not need goes to the others"


@both
def test_equal_runs_take_turns(catalogue: Catalogue) -> None:
    numbers = [make_run(catalogue, keys(f"{letter}", 50)) for letter in "abc"]
    assert [row.run_id for row in take(catalogue, "one", 6)] == numbers * 2


@both
def test_a_higher_priority_comes_first_and_leaves_the_rest(catalogue: Catalogue) -> None:
    low, high = make_run(catalogue, keys("a", 10)), make_run(catalogue, keys("b", 3))
    with catalogue.write() as connection:
        connection.execute(update(run).where(run.c.id == high).values(priority=5))
    assert [row.run_id for row in take(catalogue, "one", 5)] == [high] * 3 + [low] * 2


@both
def test_tasks_of_a_paused_run_are_left(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"], state="PAUSED")
    assert take(catalogue, "one", 5) == []
    with catalogue.read() as connection:
        assert not claim.can_claim(connection, time.time(), {})


@both
def test_a_pool_holds_over_runs_and_supervisors_that_claim_at_once(catalogue: Catalogue) -> None:
    for letter in "abc":
        make_run(catalogue, keys(letter, 30), pool="gpu")
    free = make_run(catalogue, keys("d", 4))
    start = threading.Barrier(4)
    found: list[Any] = []

    def work(name: str) -> None:
        start.wait()
        for _ in range(5):
            found.extend(take(catalogue, name, 3, gpu=4))

    threads = [threading.Thread(target=work, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalogue.read() as connection:
        query = select(func.count()).where(task.c.state == State.INITIALIZING, task.c.run_id != free)
        assert connection.execute(query).scalar_one() == 4
        assert not claim.can_claim(connection, time.time(), {"gpu": 4})
        assert claim.can_claim(connection, time.time(), {"gpu": 5})
    assert sum(row.run_id == free for row in found) == 4
    gone = next(row for row in found if row.run_id != free)
    with catalogue.write() as connection:
        connection.execute(update(task).where(task.c.id == gone.id).values(state=State.COMPLETE))
    assert len(take(catalogue, "one", 9, gpu=4)) == 1


@both
def test_a_pool_that_the_lab_does_not_have_lets_nothing_start(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"], pool="gone")
    assert take(catalogue, "one", 5, gpu=4) == []


@both
def test_what_has_not_begun_is_given_back_and_counts_as_no_attempt(catalogue: Catalogue) -> None:
    make_run(catalogue, keys("k", 3))
    claimed = take(catalogue, "one", 3)
    fences = {row.id: row.fence for row in claimed[:2]} | {claimed[2].id: claimed[2].fence + 1}
    catalogue.repeat(lambda connection: claim.give_back(connection, "one", fences))
    again = take(catalogue, "two", 3)
    assert [(row.id, row.fence, row.attempts, row.takeovers) for row in again] == [
        (row.id, 2, 0, 0) for row in claimed[:2]
    ]


@both
def test_a_claim_makes_few_statements_however_many_wait(catalogue: Catalogue) -> None:
    for number in range(40):
        make_run(catalogue, keys(f"{number}-", 50))
    made: list[str] = []
    event.listen(catalogue.engine, "before_cursor_execute", lambda *given: made.append(given[2]))
    assert len(take(catalogue, "one", 2)) == 2
    assert len(made) <= 10, made
