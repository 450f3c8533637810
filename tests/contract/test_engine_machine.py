"""Supervisors that claim, finish, fail, lapse and die in any order, against a model of what must hold all along."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import event as happenings
from sqlalchemy import select, update

from aliquot.blobs import Store, open_store
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import attempt, event, output, published, result, run, task
from aliquot.engine import claim, control
from aliquot.engine.supervise import Supervisor
from aliquot.model.blob import Location
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import Conflict, Unavailable
from aliquot.model.retry import Retry
from aliquot.model.state import CHANGES, ENDED, State
from aliquot.model.task import Cause, Outcome, OutputFile, TaskDocument
from instant_executor import InstantExecutor
from postgresql import Cluster
from small_lab import SmallLab

SUPERVISORS = 3
RETRY = {"backoff": "0s", "on": {"user": 2, "lost": 3, "ours": 2, "oom": 1}}
FAILURES = {
    Cause.USER: State.EXECUTOR_ERROR,
    Cause.OOM: State.EXECUTOR_ERROR,
    Cause.OURS: State.SYSTEM_ERROR,
    Cause.LOST: State.SYSTEM_ERROR,
}
PIPELINE = {
    "pipeline": "chain",
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "one": {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": "1", "retry": RETRY},
        "two": {"inputs": {"file": {"from": "one", "glob": "/*"}}, "command": "2", "retry": RETRY},
        "all": {"inputs": {"files": {"from": "two", "glob": "/"}}, "command": "3", "retry": RETRY},
    },
    "outputs": {"texts": {"from": "two", "publish": "copies"}, "all": {"from": "all", "publish": "all"}},
}
which = st.integers(0, SUPERVISORS - 1)
pick = st.integers(0, 1_000)


def good(document: TaskDocument) -> Outcome:
    """End well, with a content that no other attempt has."""
    inputs = [file.path.split("/", 2)[2] for file in document.files if file.path.startswith("in/")]
    content = f"{document.task}-{document.fence}".encode()
    digest = digest_bytes(content)
    files = tuple(OutputFile(f"/{path}", digest, len(content)) for path in inputs)
    where = (Location(digest, len(content)),)
    return Outcome(
        document.task, document.fence, State.COMPLETE, exit_code=0, outputs=files, locations=where, ended_at=1.0
    )


def bad(document: TaskDocument, cause: Cause) -> Outcome:
    return Outcome(document.task, document.fence, FAILURES[cause], cause, exit_code=1, message="no", ended_at=1.0)


class _LabWithoutProcesses(SmallLab):
    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        self.catalogue, self.store, self.folder = catalogue, store, folder


class EngineMachine(RuleBasedStateMachine):
    """What the rules do is not decided by the model: it only says what may never be seen."""

    make_catalogue: Callable[[], Catalogue]
    folder: Path
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        place = self.folder / str(next(self.numbers))
        place.mkdir()
        self.catalogue = type(self).make_catalogue()
        self.store = open_store(str(place / "store"))
        self.lab = _LabWithoutProcesses(self.catalogue, self.store, place)
        self.said: dict[tuple[int, int], Outcome] = {}
        self.executors: list[InstantExecutor] = []
        self.supervisors: list[Supervisor] = []
        for _ in range(SUPERVISORS):
            self.executors.append(self._executor())
            self.supervisors.append(self._supervisor(self.executors[-1]))
        self.old: list[tuple[Supervisor, InstantExecutor]] = []
        self.files = 3
        self.lab.add("texts", {f"/{number}": str(number) for number in range(self.files)})
        self.lab.apply(PIPELINE)
        self.fences: dict[int, int] = {}
        self.seen: dict[str, tuple[Any, ...]] = {}
        self.now: dict[tuple[str, int], State] = {}
        self.last_event = 0
        self.lab.start("chain")

    # --- what happens ------------------------------------------------------------------------------------------------

    @rule()
    def start(self) -> None:
        self.lab.start("chain")

    @rule()
    def add_a_file(self) -> None:
        self.lab.add("texts", {f"/{self.files}": str(self.files)})
        self.files += 1

    @rule(mine=which, times=st.integers(1, 4))
    def cycle(self, mine: int, times: int) -> None:
        for _ in range(times):
            with suppress(Unavailable):
                self.supervisors[mine].cycle()

    @rule(mine=which, at=st.integers(1, 4))
    def cycle_whose_commit_has_no_answer(self, mine: int, at: int) -> None:
        with _lost_answer(self.catalogue, at), suppress(Unavailable):
            self.supervisors[mine].cycle()

    @rule(mine=which, chosen=pick, cause=st.sampled_from([None, None, None, *FAILURES]))
    def end_an_attempt(self, mine: int, chosen: int, cause: Cause | None) -> None:
        under_way = [each for each in self.executors[mine].documents.values() if not self._is_said(each)]
        if under_way:
            document = under_way[chosen % len(under_way)]
            self._say(document, bad(document, cause) if cause else good(document))

    @rule(mine=which)
    def end_all_attempts(self, mine: int) -> None:
        self._say_all(self.executors[mine])

    @rule(mine=which, chosen=pick)
    def lose_an_attempt(self, mine: int, chosen: int) -> None:
        handles = [each for each, document in self.executors[mine].documents.items() if not self._is_said(document)]
        if handles:
            del self.executors[mine].documents[handles[chosen % len(handles)]]

    @rule(mine=which)
    def hang_for_longer_than_a_lease(self, mine: int) -> None:
        self._lapse(self.supervisors[mine].owner)

    @rule(mine=which, other=which, before=st.booleans())
    def hang_while_another_goes_on_and_wake_with_news(self, mine: int, other: int, before: bool) -> None:
        self.cycle(mine, 2)
        self._lapse(self.supervisors[mine].owner)
        self.cycle(other, 3)
        if before:
            self.end_all_attempts(other)
        self.end_all_attempts(mine)
        self.cycle(mine, 1)

    @precondition(lambda self: self.old)
    @rule(chosen=pick)
    def one_that_was_taken_for_dead_has_news(self, chosen: int) -> None:
        supervisor, executor = self.old[chosen % len(self.old)]
        self._say_all(executor)
        with suppress(Unavailable):
            supervisor.cycle()

    @rule(mine=which)
    def die_and_be_found(self, mine: int) -> None:
        owner = self.supervisors[mine].owner
        self.catalogue.repeat(lambda connection: claim.let_go(connection, owner))
        self._replace(mine)

    @rule(mine=which)
    def stop_in_order(self, mine: int) -> None:
        self.supervisors[mine].close()
        self._replace(mine, old=False)

    @rule(chosen=pick)
    def cancel(self, chosen: int) -> None:
        self._steer(chosen, control.cancel)

    @rule(chosen=pick)
    def pause(self, chosen: int) -> None:
        self._steer(chosen, control.pause)

    @rule(chosen=pick)
    def resume(self, chosen: int) -> None:
        self._steer(chosen, control.resume)

    @precondition(lambda self: self.last_event > 0)
    @rule(chosen=pick)
    def retry(self, chosen: int) -> None:
        self._steer(chosen, lambda connection, number: control.retry(connection, number, "tester"))

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def states_change_as_the_table_says(self) -> None:
        with self.catalogue.read() as connection:
            new = connection.execute(select(event).where(event.c.id > self.last_event).order_by(event.c.id)).all()
        for row in new:
            subject = (row.kind, row.subject)
            before, after = State(row.before), State(row.after)
            assert after in CHANGES[row.kind][before], row
            assert self.now.get(subject, State.QUEUED) is before, row
            self.now[subject] = after
            self.last_event = row.id

    @invariant()
    def fences_only_grow_and_each_key_is_under_way_once(self) -> None:
        live: dict[str, int] = {}
        for row in self._rows(task):
            assert row.fence >= self.fences.get(row.id, 0), row
            self.fences[row.id] = row.fence
            if row.state in claim.UNDER_WAY and row.lease_until >= time.time():
                assert live.setdefault(row.key, row.id) == row.id, row

    @invariant()
    def each_key_has_one_result_and_keeps_it(self) -> None:
        files: dict[str, set[Any]] = {}
        for row in self._rows(output):
            files.setdefault(row.key, set()).add((row.path, row.digest))
        found = {row.key: (row.task_id, row.created_at, frozenset(files[row.key])) for row in self._rows(result)}
        assert files.keys() == found.keys()
        for key, before in self.seen.items():
            assert found[key] == before
        self.seen = found

    @invariant()
    def what_is_complete_was_said_under_the_last_fence(self) -> None:
        attempts = {(row.task_id, row.fence): row for row in self._rows(attempt)}
        results = {row.key for row in self._rows(result)}
        makers = {number: digests for number, _, digests in self.seen.values()}
        for row in self._rows(task):
            if row.state != State.COMPLETE:
                assert row.id not in makers, f"task {row.id} has a result and is {row.state}"
                continue
            assert row.key in results, row
            if row.reused:
                continue
            made = attempts.get((row.id, row.fence))
            assert made, f"task {row.id} is complete without an attempt under its fence: {row}, {list(attempts)}"
            assert made.state == State.COMPLETE
            said = self.said[row.id, row.fence]
            assert said.state is State.COMPLETE
            if row.id in makers:
                assert makers[row.id] == {(each.path, each.digest) for each in said.outputs}
        for place, row in attempts.items():
            assert row.state != State.COMPLETE or self.fences[place[0]] == place[1], row

    @invariant()
    def budgets_are_kept(self) -> None:
        budget = Retry.model_validate(RETRY)
        ending = {row.id for row in self._rows(run) if row.cancel_asked or row.stop_asked}
        for row in self._rows(task):
            for cause, times in (row.failures or {}).items():
                assert times <= budget.budget(Cause(cause)), row
            assert row.attempts == sum((row.failures or {}).values()), row
            failed = row.state in {State.EXECUTOR_ERROR, State.SYSTEM_ERROR} and not row.reused
            if failed and row.run_id not in ending:
                assert row.failures[row.cause] == budget.budget(Cause(row.cause)), row

    def teardown(self) -> None:
        try:
            self._end_undisturbed()
            self._late_words_touch_no_row()
        finally:
            for executor in [*self.executors, *[each for _, each in self.old]]:
                executor.close()
            self.store.close()
            self.catalogue.close()

    def _end_undisturbed(self) -> None:
        for row in self._rows(run):
            if row.state == State.PAUSED and not row.cancel_asked:
                self._steer(0, control.resume, row.id)
        for place in range(SUPERVISORS):
            self._replace(place)
        with self.catalogue.write() as connection:
            for table in (run, task):
                connection.execute(update(table).where(table.c.lease_until > 0).values(lease_until=0.0))
        last = InstantExecutor(self._good_at_once)
        supervisor = Supervisor(self.catalogue, self.store, lambda _: last)
        deadline = time.monotonic() + 120
        while any(row.state not in ENDED for row in self._rows(run)):
            assert time.monotonic() < deadline, self._rows(run)
            if not supervisor.cycle():
                supervisor.wait(0.01)
        self.states_change_as_the_table_says()
        self.fences_only_grow_and_each_key_is_under_way_once()
        self.each_key_has_one_result_and_keeps_it()
        self.what_is_complete_was_said_under_the_last_fence()
        self.budgets_are_kept()
        canceled = {row.id for row in self._rows(run) if row.cancel_asked}
        assert {row.id for row in self._rows(run) if row.state == State.CANCELED} <= canceled
        assert all(row.ended_at is not None for row in self._rows(task))
        assert all(row.ended_at is not None for row in self._rows(attempt))

    def _late_words_touch_no_row(self) -> None:
        tables = (run, task, attempt, result, output, event, published)
        before = [self._rows(table) for table in tables]
        for supervisor, executor in self.old:
            self._say_all(executor)
            for _ in range(3):
                supervisor.cycle()
        assert [self._rows(table) for table in tables] == before

    # --- how ---------------------------------------------------------------------------------------------------------

    def _executor(self) -> InstantExecutor:
        return InstantExecutor(lambda document: self.said.get((document.task, document.fence)))

    def _supervisor(self, executor: InstantExecutor) -> Supervisor:
        return Supervisor(self.catalogue, self.store, lambda _: executor)

    def _replace(self, mine: int, *, old: bool = True) -> None:
        if old:
            self.old.append((self.supervisors[mine], self.executors[mine]))
        self.executors[mine] = self._executor()
        self.supervisors[mine] = self._supervisor(self.executors[mine])

    def _is_said(self, document: TaskDocument) -> bool:
        return (document.task, document.fence) in self.said

    def _say_all(self, executor: InstantExecutor) -> None:
        for document in executor.documents.values():
            if not self._is_said(document):
                self._say(document, good(document))

    def _say(self, document: TaskDocument, outcome: Outcome) -> None:
        self.said[document.task, document.fence] = outcome

    def _good_at_once(self, document: TaskDocument) -> Outcome:
        return self.said.setdefault((document.task, document.fence), good(document))

    def _lapse(self, owner: str) -> None:
        with self.catalogue.write() as connection:
            for table in (run, task):
                lapsed = update(table).where(table.c.owner == owner, table.c.lease_until > 0)
                connection.execute(lapsed.values(lease_until=time.time() - 1))

    def _steer(self, chosen: int, do: Callable[..., Any], number: int | None = None) -> None:
        numbers = [row.id for row in self._rows(run)]
        with suppress(Conflict), self.catalogue.write() as connection:
            do(connection, number or numbers[chosen % len(numbers)])

    def _rows(self, table: Any) -> list[Any]:
        with self.catalogue.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key)).all())


@contextmanager
def _lost_answer(catalogue: Catalogue, at: int) -> Iterator[None]:
    """Make a commit, and lose its answer: the one of that number among those that write."""
    left = [at]

    def lose(connection: Any) -> None:
        if connection.info.get("writes"):
            left[0] -= 1
            if left[0] == 0:
                connection.connection.commit()
                raise Unavailable("catalogue-unavailable", "The answer was lost.")

    happenings.listen(catalogue.engine, "commit", lose)
    try:
        yield
    finally:
        happenings.remove(catalogue.engine, "commit", lose)


def run_machine(machine: type[RuleBasedStateMachine], examples: int, seconds: float) -> None:
    """Try so many orders of events, five at a time, or fewer on a machine that is slow."""
    until = time.monotonic() + seconds
    limits = settings(
        max_examples=5, stateful_step_count=40, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for _ in range(0, examples, 5):
        run_state_machine_as_test(machine, settings=limits)
        if time.monotonic() > until:
            break


def _quick(catalogue: Catalogue) -> Catalogue:
    """Let a SQLite catalogue forget all at a power cut, which is not what is tested here."""

    @happenings.listens_for(catalogue.engine, "connect")
    def _(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA synchronous=OFF")

    catalogue.engine.dispose()
    return catalogue


@pytest.mark.timeout(300)
def test_no_order_of_events_breaks_the_engine_on_sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    empty: Path = request.getfixturevalue("_empty_catalogue")
    numbers = itertools.count()

    def make() -> Catalogue:
        # Not by chance: hypothesis lets every example have the same.
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(empty, path)
        return _quick(open_catalogue(f"sqlite:///{path}"))

    class Machine(EngineMachine):
        make_catalogue = staticmethod(make)
        folder = tmp_path

    run_machine(Machine, examples=20, seconds=20)


@pytest.mark.timeout(300)
def test_no_order_of_events_breaks_the_engine_on_postgresql(postgresql_cluster: Cluster, tmp_path: Path) -> None:
    def prepare(url: str) -> None:
        open_catalogue(url).close()

    template = postgresql_cluster.template("engine_machine", prepare)

    class Machine(EngineMachine):
        make_catalogue = staticmethod(
            lambda: open_catalogue(postgresql_cluster.url(postgresql_cluster.create(template)))
        )
        folder = tmp_path

    run_machine(Machine, examples=5, seconds=10)
