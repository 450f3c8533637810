"""The warm executor: Python functions, called in processes that live for many datums."""

import itertools
import math
import threading
import time
from collections.abc import Iterable, Sequence

from aliquot.blobs import Store
from aliquot.executors.attempt import Attempt
from aliquot.executors.command import default_path
from aliquot.executors.conclusions import fault_verdict
from aliquot.executors.distributions import python_identity
from aliquot.executors.ledger import Ledger
from aliquot.executors.line import Line
from aliquot.executors.owner import Owner
from aliquot.executors.publisher import Publisher
from aliquot.executors.warm_call import calls_of, weight
from aliquot.executors.warm_process import Code, WarmProcess, code_of, same_code
from aliquot.executors.warm_turn import Around, Ended, Turn
from aliquot.executors.watch import Watch
from aliquot.model.errors import AliquotError, Invalid
from aliquot.model.seams import Handle, Leftover, Sighting
from aliquot.model.task import Cause, TaskDocument

_AHEAD_SECONDS = 1.5
_MOST_AHEAD = 5000
_TURN_SECONDS = 0.3
"""How much a worker is given at a time; it gets more when it has half of it left."""
_MOST_CALLS = 1000
_MOST_SAID = 64 * 1024 * 1024
"""Bytes of calls and answers after which a turn is let come to its end, and its room on the disk is used again."""
_FIRST_CALLS = 8
_MOST_BYTES = 4 * 1024 * 1024
_CROWDED_SECONDS = 0.7
_IDLE_SECONDS = 30.0


class WarmExecutor:
    """Calls Python functions, `workers` at once, in processes that stay up for the next datum.

    A worker is given many datums at a time, each with an outcome of its own; one that dies, hangs or takes too much
    memory costs the datum that it was at. `path` and `grace` are as of commands.
    """

    name = "warm"

    def __init__(
        self, store: Store, owner: Owner, workers: int, path: str | None = None, *, grace: float = 3.0
    ) -> None:
        self._store = store
        self._path = path or default_path()
        self._owner = owner
        self._watch = Watch(grace)
        self._workers = max(1, workers)
        self._waiting = Line()
        self._changed = threading.Condition()
        self._ledger = Ledger(self.name, owner.name)
        self._begun: set[Attempt] = set()
        self._idle: list[WarmProcess] = []
        self._places = itertools.count(1)
        self._mean = 0.0
        self._publisher = Publisher(store.batch(), lambda: self._ledger.active == 0, self._ledger.show, self._crowded)
        self._around = Around(self._watch, self._publisher.open_batch, self._end, self._give_back, self._more)
        self._threads = [
            threading.Thread(target=self._serve, name=f"aliquot-warm-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def identity(self, image: str | None = None, *, python: bool = True) -> str:
        """Name the environment that functions run in: the interpreter, and what is installed beside it."""
        if image is not None or not python:
            raise Invalid(
                "function-expected", "Only functions run in this executor: no command, and nothing in an image."
            )
        return python_identity(self._path)

    @property
    def capacity(self) -> int:
        """Say how many attempts to have here at once: those of a first turn, or what is done in the next moment."""
        ahead = self._workers * _AHEAD_SECONDS / self._mean if self._mean else _FIRST_CALLS
        return self._workers + min(_MOST_AHEAD, math.ceil(ahead))

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        """Put attempts in the queue, once for each task and fence."""
        handles, new = self._ledger.enter(documents)
        with self._changed:
            self._waiting.extend(new)
            self._changed.notify_all()
        return handles

    def take_over(self) -> list[Leftover]:
        """Take charge of nothing: workers go with their supervisor, and their datums are done again."""
        return []

    def drop(self, tasks: Iterable[int]) -> None:
        """End nothing, since nothing is ever taken over."""

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """See what became of attempts; one of another executor's is lost."""
        return self._ledger.look(handles)

    def fresh(self) -> list[Handle]:
        """Give the attempts whose outcome has appeared since the last time."""
        return self._ledger.fresh()

    def cancel(self, handles: Iterable[Handle]) -> None:
        """End attempts, those that wait as well as those that run."""
        self._ledger.cancel(handles, lambda attempt, outcome: self._end([(attempt, outcome)]))
        self._watch.hurry()

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
        """Take back attempts that no worker has been given yet; gives those."""
        return self._ledger.withdraw(handles)

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of attempts that have ended; others stay."""
        self._ledger.forget(handles)

    def wait(self, seconds: float) -> None:
        """Return when outcomes have appeared since the last time, or after so many seconds."""
        self._ledger.wait(seconds)

    def close(self) -> None:
        """End everything that runs, and remove the working folders."""
        if not self._ledger.close():
            return
        self._watch.grace = 0.0
        self._watch.hurry()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for process in self._idle:
            process.close()
        self._publisher.close()
        self._watch.close()
        self._owner.release()

    def _serve(self) -> None:
        while (attempts := self._next()) is not None:
            try:
                self._make(attempts)
            except Exception as error:  # noqa: BLE001  # must end as outcomes, not as a thread that is gone
                self._fail_begun(attempts, error)

    def _learn(self, turn: Turn) -> None:
        """Take into the mean what calls have taken since the last time."""
        made, seconds = turn.pace()
        if made:
            self._mean = 0.5 * (self._mean or seconds / made) + 0.5 * seconds / made

    def _fail_begun(self, attempts: Sequence[Attempt], error: Exception) -> None:
        """End the attempts of a turn that still have no outcome."""
        with self._changed:
            waiting = set(self._waiting)
            open_ones = [each for each in attempts if each in self._begun and each not in waiting]
        verdict = fault_verdict(error, str(self._owner.folder))
        self._end([(attempt, attempt.failed(verdict)) for attempt in open_ones])

    def _next(self) -> list[Attempt] | None:
        """Take attempts for one turn: of one function, as many as are done in a moment, and not all from the others."""
        while True:
            self._end_idle()
            with self._changed:
                if not self._waiting:
                    if self._ledger.closed:
                        return None
                    self._changed.wait(_IDLE_SECONDS / 3)
                    continue
                attempts = self._some(self._most())
            if taken := self._claimed(attempts):
                return taken

    def _most(self) -> int:
        most = min(_MOST_CALLS, math.ceil(_TURN_SECONDS / self._mean)) if self._mean else _FIRST_CALLS
        return min(most, math.ceil(len(self._waiting) / self._workers))

    def _some(self, most: int) -> list[Attempt]:
        attempts = [self._waiting.popleft()]
        size = weight(attempts[0].document)
        if size is None:
            return attempts
        first = attempts[0].document
        while self._waiting and len(attempts) < most:
            document = self._waiting.first().document
            more = weight(document)
            if more is None or (size := size + more) > _MOST_BYTES or not same_code(first, document):
                break
            attempts.append(self._waiting.popleft())
        return attempts

    def _claimed(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Keep the attempts that are still to be made, and end those that were condemned while they waited."""
        taken: list[Attempt] = []
        for attempt in attempts:
            if attempt not in self._begun and not attempt.claim():
                continue
            self._begun.add(attempt)
            if attempt.verdict:
                self._end([(attempt, attempt.failed(attempt.verdict))])
            else:
                taken.append(attempt)
        return taken

    def _make(self, attempts: Sequence[Attempt]) -> None:
        """Make attempts in a worker that fits; they end, or they go back into the queue."""
        code = code_of(attempts[0].document)
        now = time.time()
        for attempt in attempts:
            attempt.began = now
        try:
            process = self._take_process(code) or self._start(code)
        except (AliquotError, OSError) as error:
            verdict = fault_verdict(error, str(self._owner.folder))
            self._end([(attempt, attempt.failed(verdict)) for attempt in attempts])
            return
        ready, calls = self._called(attempts, process)
        if not ready:
            process.close()
            return
        turn = Turn(process, ready, self._around)
        try:
            turn.run(calls)
            self._learn(turn)
        except Exception as error:  # noqa: BLE001  # a fault of ours must end as outcomes, not as a thread that is gone
            turn.fail(error)
        self._put_back(process, broken=turn.broken)

    def _called(self, attempts: Sequence[Attempt], process: WarmProcess) -> tuple[list[Attempt], list[bytes]]:
        """Make the calls of attempts; one whose files cannot be had ends."""
        folder = process.directory.folder
        ready: list[Attempt] = []
        calls: list[bytes] = []
        for attempt, call in zip(attempts, calls_of(attempts, self._store, folder), strict=True):
            if isinstance(call, bytes):
                ready.append(attempt)
                calls.append(call)
            else:
                self._end([(attempt, attempt.failed(fault_verdict(call, folder)))])
        return ready, calls

    def _more(self, turn: Turn) -> tuple[Sequence[Attempt], Sequence[bytes]]:
        """Give a worker that has little left further attempts of its function, if theirs is the next turn."""
        self._learn(turn)
        taken: list[Attempt] = []
        with self._changed:
            most = self._most() - turn.waiting
            if most < 1 or turn.process.said > _MOST_SAID:
                return (), ()
            first = self._waiting.first().document
            if weight(first) is None or code_of(first) != turn.process.code:
                return (), ()
            taken = self._some(most)
        try:
            return self._called(taken := self._claimed(taken), turn.process)
        except Exception:
            self._give_back([each for each in taken if each in self._begun])
            raise

    def _start(self, code: Code) -> WarmProcess:
        place = self._owner.folder / str(next(self._places))
        return WarmProcess(code, place, self._store, self._path, self._owner.name)

    def _take_process(self, code: Code) -> WarmProcess | None:
        with self._changed:
            found = next((each for each in reversed(self._idle) if each.code == code), None)
            if found:
                self._idle.remove(found)
            return found

    def _put_back(self, process: WarmProcess, *, broken: bool) -> None:
        """Keep a worker for its function's next turn; the one that was idle longest makes room."""
        if broken:
            process.close()
            return
        process.idle_since = time.monotonic()
        with self._changed:
            self._idle.append(process)
            oldest = self._idle.pop(0) if len(self._idle) > 2 * self._workers else None
        if oldest:
            oldest.close()

    def _end_idle(self) -> None:
        long_ago = time.monotonic() - _IDLE_SECONDS
        with self._changed:
            old = [each for each in self._idle if each.idle_since < long_ago]
            self._idle = [each for each in self._idle if each.idle_since >= long_ago]
        for each in old:
            each.close()

    def _give_back(self, attempts: Sequence[Attempt]) -> None:
        with self._changed:
            for attempt in reversed(attempts):
                again = attempt
                if attempt.verdict and attempt.verdict.cause is Cause.OOM:
                    again = self._ledger.renew(attempt)
                    self._begun.discard(attempt)
                    self._begun.add(again)
                self._waiting.appendleft(again)
            self._changed.notify_all()

    def _end(self, ended: Sequence[Ended]) -> None:
        with self._changed:
            self._begun.difference_update([attempt for attempt, _ in ended])
        self._ledger.end(len(ended))
        self._publisher.ended(*ended)

    def _crowded(self) -> bool:
        """Say whether more attempts wait than the workers will begin in the next moment."""
        return len(self._waiting) * self._mean > _CROWDED_SECONDS * self._workers
