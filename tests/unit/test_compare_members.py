"""What two runs have in common, and how what differs is named."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from aliquot.db import Catalogue
from aliquot.db.tables import output, task
from aliquot.engine.compare_members import Members, datums, files, step_tasks
from run_rows import make_run


def _datum(*matched: str, **captures: str) -> dict[str, Any]:
    return {"parts": {f"in{at}": [each, captures] for at, each in enumerate(matched)}, "exports": {}}


def _made(catalogue: Catalogue, tasks: list[tuple[str, dict[str, Any]]], *, complete: bool = True) -> int:
    """Make a run of tasks, each with its key and datum; a key gives one file that is named like it."""
    number = make_run(catalogue, [key for key, _ in tasks])
    with catalogue.write() as connection:
        for ordinal, (key, datum) in enumerate(tasks, 1):
            of = (task.c.run_id == number) & (task.c.ordinal == ordinal)
            connection.execute(update(task).where(of).values(datum=datum))
            known = output.select().where(output.c.key == key)
            if connection.execute(known).first() is None:
                name = f"/{datum['parts']['in0'][0].strip('/')}.out"
                connection.execute(insert(output).values(key=key, path=name, digest=f"blake3:{key}", size=1))
            for state in ("INITIALIZING", "RUNNING", "COMPLETE") if complete else ():
                connection.execute(update(task).where(of).values(state=state))
    return number


def _compared(catalogue: Catalogue, before: int, after: int, most: int | None = None) -> tuple[Members, Members]:
    with catalogue.read() as connection:
        one, other = (step_tasks(connection, number, "s") for number in (before, after))
        return datums(one, other, most), files(connection, one, other, most)


def test_what_changed_went_and_came(catalogue: Catalogue) -> None:
    before = _made(catalogue, [("a", _datum("/a")), ("b1", _datum("/b")), ("c", _datum("/c"))])
    after = _made(catalogue, [("a", _datum("/a")), ("b2", _datum("/b")), ("d", _datum("/d"))])
    work, gave = _compared(catalogue, before, after)
    assert work == Members("s", 1, ("/b",), ("/c",), ("/d",), 1, 1, 1)
    assert gave == Members("s", 1, ("/b.out",), ("/c.out",), ("/d.out",), 1, 1, 1)
    assert not work.equal
    assert all(each.equal for each in _compared(catalogue, before, before))


@pytest.mark.parametrize("most", [None, 2])
def test_one_that_has_all_of_the_other(catalogue: Catalogue, most: int | None) -> None:
    few = [("a", _datum("/a"))]
    many = [*few, *((f"k{n}", _datum(f"/k{n}")) for n in range(5))]
    one, other = _made(catalogue, few), _made(catalogue, many)
    work, gave = _compared(catalogue, one, other, most)
    assert work == Members("s", 1, (), (), tuple(f"/k{n}" for n in range(5))[:most], 0, 0, 5)
    assert gave == Members("s", 1, (), (), tuple(f"/k{n}.out" for n in range(5))[:most], 0, 0, 5)
    work, gave = _compared(catalogue, other, one, most)
    assert (work.only_before_total, gave.only_before_total, work.only_after_total) == (5, 5, 0)


def test_datums_that_are_written_otherwise_are_found_by_what_they_are_called(catalogue: Catalogue) -> None:
    one = _made(catalogue, [("a", _datum("/a")), ("b", _datum("/b"))])
    other = _made(catalogue, [("a", _datum("/a", name="a")), ("b2", _datum("/b", name="b"))])
    work, _ = _compared(catalogue, one, other)
    assert work == Members("s", 1, ("/b",), (), (), 1, 0, 0)


def test_the_same_datum_again_is_told_apart(catalogue: Catalogue) -> None:
    one = _made(catalogue, [("a", _datum("/a"))])
    other = _made(catalogue, [("a", _datum("/a")), ("a2", _datum("/a")), ("a3", _datum("/a"))], complete=False)
    work, gave = _compared(catalogue, one, other)
    assert (work.same, work.only_after) == (1, ("/a", "/a #2"))
    # What has not been done yet gave nothing.
    assert (gave.only_before, gave.only_after_total) == (("/a.out",), 0)


def _shared(catalogue: Catalogue, keys: list[str], path: str = "/VERSION.txt", content: str = "v1") -> None:
    with catalogue.write() as connection:
        rows = [{"key": key, "path": path, "digest": f"blake3:{content}", "size": 3} for key in keys]
        connection.execute(insert(output), rows)


@pytest.mark.parametrize("most", [None, 5, 0])
def test_a_file_that_several_tasks_gave_alike_is_one(catalogue: Catalogue, most: int | None) -> None:
    few = _made(catalogue, [("a", _datum("/a"))])
    many = _made(catalogue, [("a", _datum("/a")), ("b", _datum("/b"))])
    _shared(catalogue, ["a", "b"])
    names = ("/b.out",)[:most]
    assert _compared(catalogue, few, many, most)[1] == Members("s", 2, (), (), names, 0, 0, 1)
    assert _compared(catalogue, many, few, most)[1] == Members("s", 2, (), names, (), 0, 1, 0)
    assert _compared(catalogue, many, many, most)[1] == Members("s", 3)


def test_a_file_of_several_tasks_is_compared_where_other_tasks_gave_it(catalogue: Catalogue) -> None:
    one = _made(catalogue, [(key, _datum(f"/{key[0]}")) for key in ("a", "b1", "c1")])
    other = _made(catalogue, [(key, _datum(f"/{key[0]}")) for key in ("a", "b2", "d2")])
    _shared(catalogue, ["a", "b1", "b2", "d2"])
    _shared(catalogue, ["b1", "c1"], "/NOTES.txt", "old")
    _shared(catalogue, ["b2", "d2"], "/NOTES.txt", "new")
    for most in (None, 9):
        _, gave = _compared(catalogue, one, other, most)
        assert gave == Members("s", 2, ("/NOTES.txt", "/b.out"), ("/c.out",), ("/d.out",), 2, 1, 1)
