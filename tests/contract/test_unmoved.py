"""What is counted of tasks is counted again once one of them has moved, on either database, and not before."""

import pytest
from sqlalchemy import Connection, insert, select, update

from aliquot.db import Catalogue
from aliquot.db.tables import event, task
from aliquot.lab.run_tasks import STANDS, Wanted, task_page
from aliquot.lab.run_tries import parked_of
from aliquot.lab.runs import counted_tasks
from aliquot.lab.unmoved import once, task_mark, while_unmoved
from run_rows import make_run

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def _counted(catalogue: Catalogue, number: int) -> dict[tuple[str, bool], int]:
    with catalogue.read() as connection:
        return {(state, reused): many for _, state, reused, many in counted_tasks(connection, number)}


def _move(catalogue: Catalogue, key: str, *states: str, **values: object) -> None:
    with catalogue.write() as connection:
        for state in states:
            connection.execute(update(task).where(task.c.key == key).values(state=state, **values))


@both
def test_each_move_is_counted_at_once(catalogue: Catalogue) -> None:
    number = make_run(catalogue, ["a", "b", "c"])
    assert _counted(catalogue, number) == {("QUEUED", False): 3}
    _move(catalogue, "a", "INITIALIZING")
    assert _counted(catalogue, number) == {("QUEUED", False): 2, ("INITIALIZING", False): 1}
    _move(catalogue, "a", "RUNNING", "COMPLETE")
    _move(catalogue, "b", "INITIALIZING", "COMPLETE", reused=True)
    expected = {("QUEUED", False): 1, ("COMPLETE", False): 1, ("COMPLETE", True): 1}
    assert _counted(catalogue, number) == expected
    make_run(catalogue, ["d"])
    assert _counted(catalogue, number) == expected


@both
def test_tasks_that_are_planned_later_are_counted(catalogue: Catalogue) -> None:
    number = make_run(catalogue, ["a"])
    assert _counted(catalogue, number) == {("QUEUED", False): 1}
    with catalogue.write() as connection:
        row = dict(connection.execute(select(task)).mappings().one())
        row.pop("id")
        connection.execute(insert(task).values(row | {"ordinal": 2, "key": "b"}))
    assert _counted(catalogue, number) == {("QUEUED", False): 2}


@both
def test_it_is_made_once_while_nothing_moves_and_kept_out_of_what_may_be_taken_back(catalogue: Catalogue) -> None:
    make_run(catalogue, ["a"])
    made: list[int] = []

    def ask(connection: Connection) -> int:
        return while_unmoved(connection, "question", lambda: made.append(1) or len(made))

    def ask_once(connection: Connection) -> int:
        return once(connection, "for ever", lambda: made.append(1) or len(made))

    for _ in range(3):
        with catalogue.read() as connection:
            assert ask(connection) == 1
    with catalogue.write() as connection:
        assert ask(connection) == 2
    with catalogue.read() as connection:
        assert ask(connection) == 1
    _move(catalogue, "a", "INITIALIZING")
    with catalogue.read() as connection:
        assert (ask(connection), ask_once(connection)) == (3, 4)
    _move(catalogue, "a", "RUNNING")
    with catalogue.read() as connection:
        assert (ask(connection), ask_once(connection)) == (5, 4)


@pytest.mark.parametrize("catalogue", ["postgresql"], indirect=True)
def test_an_event_of_a_lower_number_that_is_committed_later_changes_the_mark(catalogue: Catalogue) -> None:
    values = {"kind": "task", "subject": 1, "before": "QUEUED", "after": "RUNNING", "at": 0.0}
    with catalogue.write() as slow:
        slow.execute(insert(event).values(values))
        with catalogue.write() as quick:
            quick.execute(insert(event).values(values))
        with catalogue.read() as connection:
            before = task_mark(connection)
    with catalogue.read() as connection:
        after = task_mark(connection)
    with catalogue.read() as connection:
        assert task_mark(connection) == after
    assert before != after


@both
def test_tasks_are_chosen_by_how_they_stand_in_their_order(catalogue: Catalogue) -> None:
    keys = [f"k{at}" for at in range(12)]
    number = make_run(catalogue, keys)
    ways = {
        0: ("COMPLETE", True), 1: ("COMPLETE", False), 2: ("EXECUTOR_ERROR", False), 3: ("RUNNING", False),
        4: ("SYSTEM_ERROR", True), 5: ("CANCELED", False),
    }  # fmt: skip
    for at, key in enumerate(keys):
        if at % 7 in ways:
            state, reused = ways[at % 7]
            steps = ["INITIALIZING"] if state in {"RUNNING", "COMPLETE"} else ["INITIALIZING", "RUNNING"]
            _move(catalogue, key, *steps, state, reused=reused)
    with catalogue.read() as connection:
        every = task_page(connection, number, Wanted(), None, 100).tasks
        found = {each: task_page(connection, number, Wanted(stands=each), None, 100).tasks for each in STANDS}
        assert sorted((each for part in found.values() for each in part), key=every.index) == every
        for part in found.values():
            assert part == [each for each in every if each in part]
        assert [each.task for each in found["parked"]] == ["s/3", "s/5", "s/10", "s/12"]
        first = task_page(connection, number, Wanted(stands="parked"), None, 3)
        rest = task_page(connection, number, Wanted(stands="parked"), first.next, 3)
        assert [*first.tasks, *rest.tasks] == found["parked"]
        assert rest.next is None


@both
def test_parked_tasks_are_read_a_page_at_a_time_and_all_of_them_counted(catalogue: Catalogue) -> None:
    number = make_run(catalogue, ["a", "b", "c", "d"])
    for key, cause in (("a", "user"), ("b", "oom"), ("d", "user")):
        _move(catalogue, key, "INITIALIZING", "RUNNING", "EXECUTOR_ERROR", cause=cause)
    with catalogue.read() as connection:
        first = parked_of(connection, number, limit=2)
        assert (first.counts, first.next) == ({"user": 2, "oom": 1}, 2)
        assert [each.task for each in first.tasks] == ["s/1", "s/2"]
        rest = parked_of(connection, number, start=2, limit=2)
        assert ([each.task for each in rest.tasks], rest.next) == (["s/4"], None)
        named = parked_of(connection, number, "s/2")
        assert ([each.task for each in named.tasks], named.counts) == (["s/2"], {"oom": 1})
