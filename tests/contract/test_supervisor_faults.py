"""A supervisor among faults: a catalogue that fails at any statement or commit, supervisors that die, poisoned work."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, select, text, update
from sqlalchemy.exc import OperationalError

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import attempt, blob, definition, output, result, run, task, version
from aliquot.engine.control import cancel
from aliquot.engine.supervise import MOST_TAKEOVERS, Supervisor
from aliquot.model.errors import Missing, Unavailable
from aliquot.model.state import ENDED, State
from aliquot.model.task import Cause, Outcome, OutputFile, TaskDocument
from instant_executor import InstantExecutor, copied
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def pipeline(**step: Any) -> dict[str, Any]:
    first = {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": "cp"} | step
    return {
        "pipeline": "copy",
        "inputs": {"texts": {"dataset": "texts"}},
        "steps": {"one": first, "two": {"inputs": {"all": {"from": "one", "glob": "/"}}, "command": "cp all"}},
        "outputs": {"copies": {"from": "two", "publish": "copies"}},
    }


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {"/a": "1", "/b": "2"})
    made.apply(pipeline())
    yield made
    made.close()


class Fault:
    """Fails the catalogue once: at a statement, before a commit, or after one that was made (`answer`)."""

    def __init__(self, engine: Engine, kind: str, at: int) -> None:
        self.engine, self.kind, self.left = engine, kind, at
        self.failed = False

    def __enter__(self) -> Self:
        event.listen(self.engine, "before_cursor_execute", self._statement)
        event.listen(self.engine, "commit", self._commit)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._statement)
        event.remove(self.engine, "commit", self._commit)

    def _statement(self, *_: object) -> None:
        if self.kind == "statement":
            self._count()

    def _commit(self, connection: Connection) -> None:
        if self.kind in {"commit", "answer"} and connection.info.get("writes"):
            if self.kind == "answer" and self.left == 1:
                connection.connection.commit()
            self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed = True
            raise OperationalError("injected", None, Exception("the connection was lost"))


def drive(supervisor: Supervisor, lab: SmallLab, number: int, cycles: int = 60) -> int:
    """Cycle until the run has ended; gives how often the catalogue was out of reach."""
    unavailable = 0
    for _ in range(cycles):
        try:
            supervisor.cycle()
            if State(lab.row(number).state) in ENDED:
                return unavailable
        except Unavailable:
            unavailable += 1
    raise AssertionError(f"the run did not end: {lab.row(number)}, {lab.tasks(number)}")


def supervisor_of(lab: SmallLab, executor: InstantExecutor) -> Supervisor:
    return Supervisor(lab.catalogue, lab.store, lambda _: executor)


def versions(lab: SmallLab) -> int:
    with lab.catalogue.read() as connection:
        return connection.execute(select(func.count()).select_from(version)).scalar_one()


KINDS = pytest.mark.parametrize(
    ("catalogue", "kind"),
    [("sqlite", "statement"), ("sqlite", "commit"), ("sqlite", "answer"), ("postgresql", "commit"),
     ("postgresql", "answer")],
    indirect=["catalogue"],
)  # fmt: skip


@KINDS
def test_a_catalogue_that_fails_at_any_moment_delays_and_loses_nothing(lab: SmallLab, kind: str) -> None:
    executor = InstantExecutor()
    supervisor = supervisor_of(lab, executor)
    drive(supervisor, lab, lab.start("copy"))
    for at in range(1, 500):
        lab.add("texts", {f"/{at}": f"new {at}"})
        number = lab.start("copy")
        before = versions(lab)
        executor.started.clear()
        with Fault(lab.catalogue.engine, kind, at) as fault:
            drive(supervisor, lab, number)
        assert lab.row(number).state == State.COMPLETE, (at, lab.row(number).message)
        assert lab.content("copies") == lab.content("texts"), at
        assert versions(lab) == before + 1, at
        assert len(executor.started) == 2, (at, executor.started)
        if not fault.failed:
            assert at > 5
            break
    else:
        raise AssertionError("the fault never missed")
    with lab.catalogue.read() as connection:
        ran = connection.execute(select(func.count()).where(~task.c.reused)).scalar_one()
        assert connection.execute(select(func.count()).select_from(attempt)).scalar_one() == ran
        assert connection.execute(select(func.count()).where(attempt.c.ended_at.is_(None))).scalar_one() == 0


@KINDS
def test_a_supervisor_that_dies_at_any_moment_leaves_a_run_that_another_ends(lab: SmallLab, kind: str) -> None:
    for at in range(1, 500):
        lab.add("texts", {f"/{at}": f"new {at}"})
        number = lab.start("copy")
        before = versions(lab)
        dying = supervisor_of(lab, InstantExecutor())
        with Fault(lab.catalogue.engine, kind, at) as fault:
            for _ in range(60):
                try:
                    dying.cycle()
                    if State(lab.row(number).state) in ENDED:
                        break
                except Unavailable:
                    break
        with lab.catalogue.write() as connection:
            for table in (run, task):
                connection.execute(update(table).where(table.c.owner == dying.owner).values(lease_until=0.0))
        next_one = supervisor_of(lab, InstantExecutor())
        if State(lab.row(number).state) not in ENDED:
            drive(next_one, lab, number)
        assert lab.row(number).state == State.COMPLETE, (at, lab.row(number).message)
        assert lab.content("copies") == lab.content("texts"), at
        assert versions(lab) == before + 1, at
        if not fault.failed:
            break
    else:
        raise AssertionError("the fault never missed")


@both
def test_an_outcome_that_no_row_can_hold_is_one_tasks_failure(lab: SmallLab) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        done = copied(document)
        if document.name == "copy/one/1":
            return replace(done, outputs=(OutputFile("/x", None, "much"),))  # type: ignore[arg-type]
        return done

    lab.apply(pipeline(retry={"attempts": 1}))
    number = lab.start("copy")
    drive(supervisor_of(lab, InstantExecutor(outcome)), lab, number)
    first, second = lab.tasks(number, "one")
    assert (first.state, first.cause) == (State.SYSTEM_ERROR, Cause.OURS)
    assert "could not be recorded" in first.message
    assert second.state == State.COMPLETE
    assert lab.row(number).parked == 1


@both
def test_long_and_unholdable_messages_are_cut(lab: SmallLab) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        return Outcome(
            document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, 1, "m" * 10**6 + "\0",
            tail="\ud800" + "t\0" * 10**6, ended_at=1.0,
        )  # fmt: skip

    number = lab.start("copy")
    drive(supervisor_of(lab, InstantExecutor(outcome)), lab, number)
    assert all(0 < len(row.message) < 3000 for row in lab.tasks(number, "one"))
    with lab.catalogue.read() as connection:
        assert all(len(tail) < 25_000 for tail in connection.execute(select(attempt.c.tail)).scalars())


@both
def test_exports_that_do_not_fit_are_the_users_error(lab: SmallLab) -> None:
    lab.apply(pipeline(exports={"n": "length(summary)"}))
    number = lab.start("copy")
    executor = InstantExecutor(lambda document: replace(copied(document), exports={"summary": 3}))
    drive(supervisor_of(lab, executor), lab, number)
    assert {row.state for row in lab.tasks(number, "one")} == {State.EXECUTOR_ERROR}
    assert "The export n cannot be read" in lab.tasks(number, "one")[0].message


@both
@pytest.mark.parametrize("place", ["identity", "choice"])
def test_an_executor_that_cannot_be_had_fails_the_run_with_its_sentence(lab: SmallLab, place: str) -> None:
    executor = InstantExecutor()
    fault = Missing("image-missing", "The image x is not here, and its registry has none of that name.")

    def choose(image: str | None) -> InstantExecutor:
        if place == "choice" and image:
            raise fault
        return executor

    executor.fault = fault if place == "identity" else None
    lab.apply(pipeline(image="x"))
    number = lab.start("copy")
    drive(Supervisor(lab.catalogue, lab.store, choose), lab, number)
    row = lab.row(number)
    assert (row.state, row.message) == (State.SYSTEM_ERROR, fault.message)


@both
def test_an_image_whose_registry_is_down_is_waited_for(lab: SmallLab) -> None:
    executor = InstantExecutor()
    executor.fault = Unavailable("image-unavailable", "The registry does not answer.")
    lab.apply(pipeline(image="x"))
    number = lab.start("copy")
    supervisor = supervisor_of(lab, executor)
    for _ in range(5):
        supervisor.cycle()
    row = lab.row(number)
    assert (row.state, row.message) == (State.RUNNING, "waits: The registry does not answer.")
    executor.fault = None
    # Another supervisor knows of no pause.
    with lab.catalogue.write() as connection:
        connection.execute(update(run).values(lease_until=0.0))
    drive(supervisor_of(lab, executor), lab, number)
    assert (lab.row(number).state, lab.row(number).message) == (State.COMPLETE, "")


class SlowRegistry(InstantExecutor):
    """Gives an image only when it may; what has no image is there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()

    def identity(self, image: str | None, *, python: bool = False) -> str:
        if image:
            assert self.may.wait(60)
        return super().identity(image, python=python)


@both
def test_an_image_that_is_long_in_coming_holds_up_no_other_run(lab: SmallLab) -> None:
    executor = SlowRegistry()
    other = lab.start("copy")
    lab.apply(pipeline(image="large"))
    waits = lab.start("copy")
    supervisor = supervisor_of(lab, executor)
    drive(supervisor, lab, other)
    row = lab.row(waits)
    assert row.state == State.RUNNING
    assert row.message == "waits: The image large is being fetched; the run goes on when it is here."
    executor.may.set()
    until = time.monotonic() + 60
    while State(lab.row(waits).state) not in ENDED and time.monotonic() < until:
        supervisor.cycle()
        supervisor.wait(0.05)
    assert (lab.row(waits).state, lab.row(waits).message) == (State.COMPLETE, "")


@both
def test_what_may_pass_is_tried_again_later_and_counts_apart(lab: SmallLab) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        return Outcome(
            document.task, document.fence, State.SYSTEM_ERROR, Cause.OURS, message="full", ended_at=1.0, may_pass=True
        )

    number = lab.start("copy")
    executor = InstantExecutor(outcome)
    supervisor = supervisor_of(lab, executor)
    for _ in range(5):
        supervisor.cycle()
    assert len(executor.started) == 2
    assert {(row.state, row.attempts) for row in lab.tasks(number)} == {(State.QUEUED, 1)}
    assert all(row.failures == {"waited": 1} for row in lab.tasks(number))
    executor.outcome = copied
    with lab.catalogue.write() as connection:
        connection.execute(update(task).values(not_before=0.0))
    drive(supervisor, lab, number)
    assert lab.row(number).parked == 0


@both
def test_lost_supervisors_leave_the_budget_of_failed_attempts_alone(lab: SmallLab) -> None:
    lab.apply(pipeline(retry={"attempts": 2, "on": ["user"], "backoff": "0s"}))

    def outcome(document: TaskDocument) -> Outcome:
        return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, 1, ended_at=1.0)

    number = lab.start("copy")
    for _ in range(4):
        dying = supervisor_of(lab, InstantExecutor(lambda _: None))
        for _ in range(4):
            dying.cycle()
        with lab.catalogue.write() as connection:
            for table in (run, task):
                connection.execute(update(table).where(table.c.ended_at.is_(None)).values(lease_until=0.0))
    executor = InstantExecutor(outcome)
    drive(supervisor_of(lab, executor), lab, number)
    assert sorted(executor.started) == ["copy/one/1"] * 2 + ["copy/one/2"] * 2
    assert {(row.attempts, row.takeovers) for row in lab.tasks(number, "one")} == {(2, 4)}


@both
def test_an_input_that_nobody_can_find_fails_its_task_alone(lab: SmallLab) -> None:
    with lab.catalogue.write() as connection:
        digest = connection.execute(text("SELECT digest FROM entry WHERE path = '/a'")).scalar_one()
        connection.execute(delete(blob).where(blob.c.digest == digest))
    number = lab.start("copy")
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    first, second = lab.tasks(number, "one")
    assert (first.state, first.cause, second.state) == (State.SYSTEM_ERROR, Cause.REFUSED, State.COMPLETE)
    assert "does not know where" in first.message
    assert lab.content("copies") == {"/b": b"2"}


@both
def test_a_run_whose_definition_cannot_be_read_fails_and_the_next_runs(lab: SmallLab) -> None:
    broken = lab.start("copy")
    with lab.catalogue.write() as connection:
        connection.execute(update(definition).values(document={"pipeline": "copy", "steps": 1}, current=False))
    lab.apply(pipeline())
    good = lab.start("copy")
    supervisor = supervisor_of(lab, InstantExecutor())
    drive(supervisor, lab, good)
    assert lab.row(good).state == State.COMPLETE
    drive(supervisor, lab, broken)
    assert lab.row(broken).state == State.SYSTEM_ERROR
    assert "apply it again" in lab.row(broken).message


@both
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"one/1": "/x", "one/2": "/x/y"}, "one a file and the other a folder"),
        ({"one/1": "/x/y", "one/2": "/x"}, "one a file and the other a folder"),
        ({"one/1": "/x", "one/2": "/x"}, "each its own content"),
    ],
)
def test_tasks_whose_files_clash_fail_the_step_that_takes_them(
    lab: SmallLab, files: dict[str, str], words: str
) -> None:
    def outcome(document: TaskDocument) -> Outcome:
        done = copied(document)
        path = files.get(document.name.removeprefix("copy/"))
        return replace(done, outputs=(replace(done.outputs[0], path=path),)) if path else done

    number = lab.start("copy")
    drive(supervisor_of(lab, InstantExecutor(outcome)), lab, number)
    row = lab.row(number)
    assert row.state == State.EXECUTOR_ERROR
    assert words in row.message
    assert "one/1" in row.message
    assert "one/2" in row.message


@both
def test_empty_files_and_empty_outputs_are_files_and_outputs(lab: SmallLab) -> None:
    lab.add("texts", {"/empty": ""})
    number = lab.start("copy")
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    assert lab.content("copies") == {"/a": b"1", "/b": b"2", "/empty": b""}
    none = lab.start("copy", publish=False)
    nothing = InstantExecutor(lambda document: replace(copied(document), outputs=()))
    drive(supervisor_of(lab, nothing), lab, none)
    assert lab.row(none).state == State.COMPLETE


@both
def test_a_step_without_datums_is_complete(lab: SmallLab) -> None:
    document = pipeline()
    document["steps"]["two"]["inputs"]["all"] = {"from": "one", "glob": "/{n}.no", "group_by": "$n"}
    lab.apply(document)
    number = lab.start("copy")
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    assert lab.row(number).state == State.COMPLETE
    assert lab.content("copies") == {}


@both
def test_a_stopped_run_whose_supervisor_died_ends_with_the_reason(lab: SmallLab) -> None:
    lab.apply(pipeline(failures="stop"))
    outcomes = {"copy/one/1": State.EXECUTOR_ERROR}

    def outcome(document: TaskDocument) -> Outcome | None:
        if document.name in outcomes:
            return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, 1, ended_at=1.0)
        return None

    number = lab.start("copy")
    dying = supervisor_of(lab, InstantExecutor(outcome))
    for _ in range(3):
        dying.cycle()
    assert [row.state for row in lab.tasks(number)] == [State.EXECUTOR_ERROR, State.INITIALIZING]
    with lab.catalogue.write() as connection:
        for table in (run, task):
            connection.execute(update(table).values(lease_until=0.0))
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    assert [row.state for row in lab.tasks(number)] == [State.EXECUTOR_ERROR, State.CANCELED]
    assert lab.row(number).state == State.EXECUTOR_ERROR
    assert "1 of 2 datums of step one failed" in lab.row(number).message


@both
@pytest.mark.parametrize("cycles", [0, 1, 2, 3])
def test_a_cancelled_run_whose_supervisor_died_is_cancelled(lab: SmallLab, cycles: int) -> None:
    number = lab.start("copy")
    dying = supervisor_of(lab, InstantExecutor(lambda _: None))
    for _ in range(cycles):
        dying.cycle()
    with lab.catalogue.write() as connection:
        cancel(connection, number)
    if cycles == 3:
        dying.cycle()
        assert lab.row(number).state == State.CANCELING
    with lab.catalogue.write() as connection:
        for table in (run, task):
            connection.execute(update(table).values(lease_until=0.0))
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    assert lab.row(number).state == State.CANCELED
    assert {row.state for row in lab.tasks(number)} <= {State.CANCELED}


@both
def test_a_run_that_was_stopped_for_a_fault_does_not_publish_what_is_left(lab: SmallLab) -> None:
    number = lab.start("copy")
    supervisor = supervisor_of(lab, InstantExecutor(lambda _: None))
    for _ in range(3):
        supervisor.cycle()
    with lab.catalogue.write() as connection:
        connection.execute(update(run).values(stop_asked=True, message="because"))
    drive(supervisor, lab, number)
    assert (lab.row(number).state, lab.row(number).message) == (State.SYSTEM_ERROR, "because")
    with lab.catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(version)).scalar_one() == 1


@both
def test_a_paused_run_rests_and_goes_on(lab: SmallLab) -> None:
    number = lab.start("copy")
    executor = InstantExecutor()
    supervisor = supervisor_of(lab, executor)
    supervisor.cycle()
    with lab.catalogue.write() as connection:
        connection.execute(update(run).values(state=State.PAUSED))
    for _ in range(5):
        supervisor.cycle()
    assert executor.started == []
    with lab.catalogue.write() as connection:
        connection.execute(update(run).values(state=State.RUNNING))
    drive(supervisor, lab, number)
    assert lab.row(number).state == State.COMPLETE


@both
def test_a_task_that_takes_its_supervisors_with_it_is_not_tried_for_ever(lab: SmallLab) -> None:
    number = lab.start("copy")
    for _ in range(MOST_TAKEOVERS + 5):
        dying = supervisor_of(lab, InstantExecutor(lambda _: None))
        for _ in range(4):
            dying.cycle()
        with lab.catalogue.write() as connection:
            for table in (run, task):
                connection.execute(update(table).where(table.c.ended_at.is_(None)).values(lease_until=0.0))
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    assert {(row.state, row.cause) for row in lab.tasks(number, "one")} == {(State.SYSTEM_ERROR, Cause.LOST)}
    assert "supervisors" in lab.tasks(number, "one")[0].message


@both
def test_a_retry_waits_for_its_time(lab: SmallLab) -> None:
    lab.apply(pipeline(retry={"attempts": 2, "on": ["user"], "backoff": "1h"}))

    def outcome(document: TaskDocument) -> Outcome:
        return Outcome(document.task, document.fence, State.EXECUTOR_ERROR, Cause.USER, 1, ended_at=1.0)

    number = lab.start("copy")
    executor = InstantExecutor(outcome)
    supervisor = supervisor_of(lab, executor)
    for _ in range(10):
        supervisor.cycle()
    assert len(executor.started) == 2
    assert all(row.not_before > time.time() + 2000 for row in lab.tasks(number))
    assert not supervisor.busy
    assert not supervisor.cycle(), "a supervisor must not spin while it waits"


@both
def test_a_supervisor_that_stops_in_order_leaves_no_attempt_behind(lab: SmallLab) -> None:
    number = lab.start("copy")
    first = supervisor_of(lab, InstantExecutor(lambda _: None))
    first.open()
    for _ in range(3):
        first.cycle()
    first.close()
    assert {(row.state, row.owner) for row in lab.tasks(number)} == {(State.QUEUED, None)}
    drive(supervisor_of(lab, InstantExecutor()), lab, number)
    assert lab.row(number).state == State.COMPLETE
    assert {row.attempts for row in lab.tasks(number)} == {0}


@both
def test_results_and_outputs_agree(lab: SmallLab) -> None:
    drive(supervisor_of(lab, InstantExecutor()), lab, lab.start("copy"))
    with lab.catalogue.read() as connection:
        keys = set(connection.execute(select(result.c.key)).scalars())
        assert keys == set(connection.execute(select(output.c.key)).scalars())


@both
def test_a_host_leaves_alone_what_it_cannot_run_and_does_the_rest(lab: SmallLab) -> None:
    lab.apply(pipeline(image="debian"))
    lab.apply(pipeline(command="cp plain") | {"pipeline": "plain", "outputs": {}})
    executor = InstantExecutor()
    number = lab.start("copy")
    planner = supervisor_of(lab, executor)
    planner.cycle()
    assert [row.state for row in lab.tasks(number)] == [State.QUEUED] * 2
    planner.close()

    def without_containers(image: str | None) -> InstantExecutor:
        if image is not None:
            raise Unavailable("container-runtime-missing", "There is no podman here.")
        return executor

    plain = lab.start("plain")
    worker = Supervisor(lab.catalogue, lab.store, without_containers)
    drive(worker, lab, plain)
    worker.cycle()
    assert lab.row(plain).state == State.COMPLETE
    left = lab.tasks(number)
    assert [(row.state, row.owner, row.attempts) for row in left] == [(State.QUEUED, None, 0)] * 2
    assert max(row.fence for row in left) == 1, "it has claimed again what it cannot run"
    worker.close()
    drive(supervisor_of(lab, executor), lab, number)
    assert lab.row(number).state == State.COMPLETE
