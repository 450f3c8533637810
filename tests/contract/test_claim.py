"""Leases and fences, on both databases: who may work on what, and whose late word counts for nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from aliquot.db import Catalogue
from aliquot.db.tables import attempt, output, result, run, task
from aliquot.engine import claim
from aliquot.engine.collect import collect
from aliquot.engine.document import Command
from aliquot.engine.flight import Flight, Flights
from aliquot.engine.owner import surely_dead, this_process
from aliquot.engine.reattach import claim_left
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.pipeline import Step
from aliquot.model.seams import Leftover
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, OutputFile
from instant_executor import InstantExecutor
from run_rows import make_run

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
STEP = Step.model_validate({"inputs": {"file": {"from": "in"}}, "command": "true"})
COMMAND = Command(STEP, (), {}, "p/s", {"command": "true"}, {}, {}, 0)


def take(catalogue: Catalogue, owner: str, most: int = 100) -> list[Any]:
    return catalogue.repeat(lambda connection: list(claim.claim_tasks(connection, owner, most)))


def lapse(catalogue: Catalogue, owner: str) -> None:
    with catalogue.write() as connection:
        connection.execute(update(task).where(task.c.owner == owner).values(lease_until=time.time() - 1))
        connection.execute(update(run).where(run.c.owner == owner).values(lease_until=time.time() - 1))


def rows(catalogue: Catalogue) -> list[Any]:
    with catalogue.read() as connection:
        return list(connection.execute(select(task).order_by(task.c.id)).all())


def count(catalogue: Catalogue, table: Any) -> int:
    with catalogue.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def complete(row: Any, content: bytes = b"x") -> Outcome:
    files = (OutputFile("/out", digest_bytes(content), len(content)),)
    return Outcome(row.id, row.fence, State.COMPLETE, exit_code=0, outputs=files, ended_at=time.time())


@both
def test_two_supervisors_claim_disjoint_sets(catalogue: Catalogue) -> None:
    make_run(catalogue, [f"k{n}" for n in range(200)])
    found: dict[str, list[int]] = {}
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        mine: list[int] = []
        while rows_claimed := take(catalogue, name, 7):
            mine += [row.id for row in rows_claimed]
        found[name] = mine

    threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed = sorted(number for mine in found.values() for number in mine)
    assert claimed == [row.id for row in rows(catalogue)]
    assert {row.fence for row in rows(catalogue)} == {1}


@both
def test_tasks_of_one_key_are_not_claimed_by_two_at_once(catalogue: Catalogue) -> None:
    for _ in range(4):
        make_run(catalogue, [f"k{n}" for n in range(25)])
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        for _ in range(10):
            catalogue.repeat(
                lambda connection: claim.keep_new_work(connection, claim.claim_tasks(connection, name, 5), ())
            )

    threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [row.key for row in rows(catalogue) if row.state == State.INITIALIZING]
    assert sorted(held) == sorted(f"k{n}" for n in range(25))


@both
def test_equal_work_waits_until_it_has_ended_elsewhere_and_is_then_taken_over(catalogue: Catalogue) -> None:
    make_run(catalogue, ["same"])
    (first,) = take(catalogue, "one")
    make_run(catalogue, ["same"])
    assert take(catalogue, "two") == []
    flight = Flight(first, COMMAND)
    catalogue.repeat(lambda connection: collect(connection, "one", [(flight, complete(first))]))
    (second,) = take(catalogue, "two")
    assert second.id != first.id
    assert catalogue.repeat(lambda connection: claim.keep_new_work(connection, [second], {"same"})) == []
    assert [(row.state, row.reused) for row in rows(catalogue)] == [(State.COMPLETE, False), (State.COMPLETE, True)]


@both
@pytest.mark.parametrize("values", [{"state": "QUEUED"}, {"cancel_asked": True}, {"stop_asked": True}])
def test_tasks_of_a_run_that_does_not_run_are_left(catalogue: Catalogue, values: dict[str, Any]) -> None:
    make_run(catalogue, ["k"], **values)
    assert take(catalogue, "one") == []


@both
def test_a_task_is_left_until_its_time_has_come(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"])
    with catalogue.write() as connection:
        connection.execute(update(task).values(not_before=time.time() + 60))
    assert take(catalogue, "one") == []
    with catalogue.write() as connection:
        connection.execute(update(task).values(not_before=time.time() - 1))
    assert len(take(catalogue, "one")) == 1


@both
def test_a_lapsed_lease_is_claimed_again_with_a_raised_fence(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"])
    (first,) = take(catalogue, "one")
    assert take(catalogue, "two") == []
    lapse(catalogue, "one")
    (second,) = take(catalogue, "two")
    assert (second.id, second.fence, second.owner) == (first.id, 2, "two")
    assert (second.takeovers, second.attempts, second.failures) == (1, 0, None)


@both
def test_renewal_keeps_a_lease(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"])
    take(catalogue, "one")
    lapse(catalogue, "one")
    catalogue.repeat(lambda connection: claim.renew(connection, "one"))
    assert take(catalogue, "two") == []


@both
@pytest.mark.parametrize("state", [State.COMPLETE, State.EXECUTOR_ERROR])
def test_a_late_word_touches_no_row(catalogue: Catalogue, state: State) -> None:
    make_run(catalogue, ["k"])
    (first,) = take(catalogue, "one")
    lapse(catalogue, "one")
    (second,) = take(catalogue, "two")
    late = complete(first, b"late")
    if state is State.EXECUTOR_ERROR:
        late = Outcome(first.id, first.fence, state, Cause.USER, message="late", ended_at=time.time())
    catalogue.repeat(lambda connection: collect(connection, "one", [(Flight(first, COMMAND), late)]))
    assert count(catalogue, result) == count(catalogue, output) == count(catalogue, attempt) == 0
    assert [(row.state, row.owner, row.message) for row in rows(catalogue)] == [(State.INITIALIZING, "two", "")]
    catalogue.repeat(lambda connection: collect(connection, "two", [(Flight(second, COMMAND), complete(second))]))
    assert (count(catalogue, result), count(catalogue, attempt)) == (1, 1)


@both
def test_a_word_that_is_said_twice_counts_once(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"])
    (row,) = take(catalogue, "one")
    for content in (b"x", b"y"):
        ended = [(Flight(row, COMMAND), complete(row, content))]
        catalogue.repeat(lambda connection, ended=ended: collect(connection, "one", ended))
    with catalogue.read() as connection:
        assert connection.execute(select(output.c.digest)).scalars().all() == [digest_bytes(b"x")]


@both
def test_files_of_two_attempts_at_one_key_do_not_mix(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"])
    (first,) = take(catalogue, "one")
    with catalogue.write() as connection:
        connection.execute(insert(result).values(key="k", parts={}, task_id=None, created_at=0.0))
        connection.execute(insert(output).values(key="k", path="/theirs", digest="blake3:t", size=1))
    catalogue.repeat(lambda connection: collect(connection, "one", [(Flight(first, COMMAND), complete(first))]))
    with catalogue.read() as connection:
        assert connection.execute(select(output.c.path)).scalars().all() == ["/theirs"]
    assert rows(catalogue)[0].state == State.COMPLETE


@both
def test_what_is_held_and_not_known_is_let_go(catalogue: Catalogue) -> None:
    make_run(catalogue, ["a", "b"])
    one, other = take(catalogue, "me")
    mine = catalogue.repeat(lambda connection: claim.let_strays_go(connection, "me", {one.id: one.fence}))
    assert mine == {one.id}
    assert [row.id for row in take(catalogue, "me")] == [other.id]


@both
def test_handing_back_is_no_attempt(catalogue: Catalogue) -> None:
    make_run(catalogue, ["a"])
    take(catalogue, "one")
    catalogue.repeat(lambda connection: claim.hand_back(connection, "one"))
    (row,) = take(catalogue, "two")
    assert (row.fence, row.attempts) == (2, 0)


@both
def test_cancelling_ends_what_nobody_works_on_and_fences_the_slow_out(catalogue: Catalogue) -> None:
    number = make_run(catalogue, ["a", "b", "c"])
    (slow,) = take(catalogue, "slow", 1)
    lapse(catalogue, "slow")
    with catalogue.write() as connection:
        connection.execute(update(task).where(task.c.key == "b").values(not_before=time.time() + 60))
        connection.execute(update(task).where(task.c.key == "c").values(
            state=State.INITIALIZING, owner="quick", fence=1, lease_until=time.time() + 60))  # fmt: skip
    assert catalogue.repeat(lambda connection: claim.cancel_tasks(connection, number)) == 2
    flight = Flight(slow, COMMAND)
    catalogue.repeat(lambda connection: collect(connection, "slow", [(flight, complete(slow))]))
    assert [row.state for row in rows(catalogue)] == [State.CANCELED, State.CANCELED, State.INITIALIZING]
    assert count(catalogue, result) == 0


@both
def test_the_dead_of_this_machine_are_known_at_once(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"])
    code = "from aliquot.engine.owner import this_process; print(this_process(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout
    owner = f"{process.stdout.readline().strip()}/abc"
    take(catalogue, owner)
    catalogue.repeat(lambda connection: claim.claim_runs(connection, owner))
    assert not surely_dead(owner)
    assert catalogue.repeat(claim.let_the_dead_go) == []
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert surely_dead(owner), "a process that nobody has buried yet is dead all the same"
    process.wait()
    assert catalogue.repeat(claim.let_the_dead_go) == [owner]
    assert len(take(catalogue, "next")) == 1
    assert len(catalogue.repeat(lambda connection: claim.claim_runs(connection, "next"))) == 1


@pytest.mark.parametrize(
    "owner", ["", "test", "a/b/c", f"elsewhere/{os.getpid()}/1"], ids=["empty", "word", "path", "host"]
)
def test_nobody_is_dead_who_may_live_elsewhere(owner: str) -> None:
    assert not surely_dead(owner)


def test_a_process_that_took_over_a_number_is_somebody_else() -> None:
    place, number, _ = this_process().split("/")
    assert surely_dead(f"{place}/{number}/1")
    assert not surely_dead(this_process())


@both
def test_a_paused_run_is_only_taken_up_to_be_cancelled(catalogue: Catalogue) -> None:
    make_run(catalogue, ["k"], state="PAUSED")
    assert catalogue.repeat(lambda connection: claim.claim_runs(connection, "one")) == []
    with catalogue.write() as connection:
        connection.execute(update(run).values(cancel_asked=True))
    assert len(catalogue.repeat(lambda connection: claim.claim_runs(connection, "one"))) == 1


@both
@pytest.mark.parametrize("ends", [claim.hand_back, claim.let_go])
def test_a_paused_run_keeps_no_lease_of_one_that_is_gone(catalogue: Catalogue, ends: Any) -> None:
    number = make_run(catalogue, ["a"])
    catalogue.repeat(lambda connection: claim.claim_runs(connection, "first"))
    for state in (State.PAUSED, State.RUNNING):
        with catalogue.write() as connection:
            connection.execute(update(run).values(state=state))
            if state == State.PAUSED:
                ends(connection, "first")
    assert catalogue.repeat(lambda connection: claim.claim_runs(connection, "second")) == [number]


@pytest.mark.parametrize(("state", "taken"), [("RUNNING", 1), ("PAUSED", 1), ("CANCELING", 0)])
@both
def test_what_runs_in_a_run_that_is_not_being_ended_is_gone_on_with(
    catalogue: Catalogue, state: str, taken: int
) -> None:
    make_run(catalogue, ["k"], state=state)
    with catalogue.write() as connection:
        mine = {"owner": "gone", "fence": 1, "lease_until": 0.0}
        connection.execute(update(task).values(state=State.INITIALIZING, **mine))
        connection.execute(update(task).values(state=State.RUNNING))
        claimed = claim_left(connection, "next", [Leftover(1, 1, Digest("k"))])
    assert len(claimed) == taken
    flights = Flights(lambda _: InstantExecutor())
    flights.add(claimed, begun=True)
    assert flights.not_begun == [], "a supervisor would give it back for the run is paused"
