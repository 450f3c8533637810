"""A warm worker that is given more while it works: thousands of calls, and each its own."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aliquot.model.digest import digest_bytes
from aliquot.model.state import State
from aliquot.model.task import Cause, TaskFile
from warm_place import WarmPlace, make_warm

MANY = 1500


@pytest.fixture
def one(tmp_path: Path) -> Iterator[WarmPlace]:
    place = WarmPlace(tmp_path, make_warm(1), None)
    yield place
    place.executor.close()


def test_a_worker_goes_on_through_thousands_and_its_death_costs_one(one: WarmPlace) -> None:
    one.write("""
        @aliquot.step
        def do(n: int):
            if n == 1000: os._exit(1)
            return aliquot.Files({f"{n}": f"of {n}"}, exports={"pid": os.getpid(), "n": n})
    """)
    outcomes = one.all([one.call("do", values={"n": n}) for n in range(MANY)])
    assert [n for n, each in enumerate(outcomes) if each.state is not State.COMPLETE] == [1000]
    assert outcomes[1000].cause is Cause.USER
    assert [each.exports["n"] for each in outcomes if each.exports] == [n for n in range(MANY) if n != 1000]
    pids = [each.exports["pid"] for each in outcomes if each.exports]
    assert len(set(pids[:1000])) == len(set(pids[1000:])) == 1
    assert [one.content(each, f"/{n}") for n, each in enumerate(outcomes) if n % 100 == 1] == [
        b"of %d" % n for n in range(MANY) if n % 100 == 1
    ]


def test_what_a_call_printed_is_its_own_among_many(one: WarmPlace) -> None:
    one.write("""
        @aliquot.step
        def do(n: int):
            if n % 50 == 0: print(n)
            if n % 70 == 0: raise ValueError(n)
    """)
    outcomes = one.all([one.call("do", values={"n": n}) for n in range(600)])
    for n, outcome in enumerate(outcomes):
        assert (outcome.state is State.COMPLETE) == (n % 70 != 0)
        assert (outcome.stdout and one.bytes_of(outcome, outcome.stdout)) == (b"%d\n" % n if n % 50 == 0 else None)


def test_an_input_that_cannot_be_read_costs_its_datum_alone(one: WarmPlace) -> None:
    one.write("""
        @aliquot.step
        def do(reads: bytes):
            return {"n": int(reads), "pid": os.getpid()}
    """)
    batch = one.store.batch()
    digests = [blob.digest for blob in batch.add_all([b"%d" % n for n in range(20)])]
    where = {each.digest: each for each in batch.flush()}
    documents = [one.call("do", {"in/reads/a": b""}) for _ in digests]
    for n, digest in enumerate(digests):
        file = TaskFile("in/reads/a", where[digest])
        if n == 13:
            file = TaskFile("in/reads/a", where[digest]._replace(digest=digest_bytes(os.urandom(8))))
        documents[n] = replace(documents[n], files=(documents[n].files[0], file))
    outcomes = one.all(documents)
    assert [n for n, each in enumerate(outcomes) if each.state is not State.COMPLETE] == [13]
    assert outcomes[13].cause is Cause.OURS
    assert "not what was written" in outcomes[13].message
    assert [each.exports["n"] for each in outcomes if each.exports] == [n for n in range(20) if n != 13]
    assert len({each.exports["pid"] for each in outcomes if each.exports}) == 1
