"""An executor on this machine: a queue, and as many threads as commands may run at once."""

import math
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from aliquot.blobs import Store
from aliquot.executors.attempt import Attempt
from aliquot.executors.conclusions import fault_verdict, system_verdict
from aliquot.executors.ledger import Ledger
from aliquot.executors.leftovers import LeftAttempt, take_over
from aliquot.executors.line import Line
from aliquot.executors.owner import Owner
from aliquot.executors.publisher import Publisher
from aliquot.executors.rounds import MOST_BYTES, Rounds, Several, weight
from aliquot.executors.steps import Runner, perform
from aliquot.executors.turns import Turns
from aliquot.executors.watch import Watch
from aliquot.executors.width import Width
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.digest import Digest
from aliquot.model.seams import Handle, Leftover, Sighting
from aliquot.model.task import Outcome, TaskDocument

_AHEAD_SECONDS = 2.0
_CROWDED_SECONDS = 0.7
_MOST_AHEAD = 2000
_MOST_SPARE = 4
_FEWEST = 2
_BRISK = 0.5
"""Seconds that commands take at most, on the average, for others to be laid out ahead of their turn."""


class SlotExecutor:
    """What the executors of this machine share: each slot is a thread with a working directory of its own.

    `prepare` makes a slot's directory and runner, and `find_again` those of an attempt whose owner is gone, which is
    watched on from a slot. An attempt waits in a queue until a slot is free.
    """

    name = "slots"

    def __init__(
        self,
        store: Store,
        owner: Owner,
        watch: Watch,
        turns: Turns,
        workers: int,
        prepare: Callable[[int], tuple[WorkingDirectory, Runner, Rounds | None]],
        find_again: Callable[[LeftAttempt], tuple[WorkingDirectory, Runner]],
    ) -> None:
        self._store = store
        self._owner = owner
        self._watch = watch
        self._turns = turns
        self._find_again = find_again
        # What was taken over: by task until it is submitted again, then by attempt until a slot watches it on.
        self._left: dict[int, LeftAttempt] = {}
        self._begun: dict[Attempt, LeftAttempt] = {}
        self._workers = max(1, workers)
        self._width = Width(self._workers)
        self._waiting = Line()
        # As many marks as attempts wait, and at the end one for each thread that shall go.
        self._queue: SimpleQueue[bool] = SimpleQueue()
        self._lock = threading.Lock()
        self._ledger = Ledger(self.name, owner.name)
        self._mean = 0.0
        self._several = Several()
        self._publisher = Publisher(store.batch(), lambda: self._ledger.active == 0, self._ledger.show, self._crowded)
        # Short commands wait in spare slots, laid out, for their turn: one starts as soon as another has ended.
        self._brisk = threading.Event()
        count = self._workers + min(self._workers, _MOST_SPARE)
        self._slots = [prepare(number) for number in range(count)]
        self._threads = [
            threading.Thread(
                target=self._serve, args=(*slot, number >= self._workers), name=f"aliquot-slot-{number}", daemon=True
            )
            for number, slot in enumerate(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def capacity(self) -> int:
        """Say how many attempts to have here at once: the slots, and what they can finish in the next moment."""
        ahead = self._workers * _AHEAD_SECONDS / self._mean if self._mean else self._workers
        return self._workers + min(_MOST_AHEAD, math.ceil(ahead))

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        """Put attempts in the queue, once for each task and fence."""
        handles, new = self._ledger.enter(documents)
        for attempt in new:
            if left := self._same_work(attempt.document):
                self._begun[attempt] = left
        with self._lock:
            self._waiting.extend(new)
            for _ in new:
                self._queue.put(True)
        return handles

    @property
    def runtime(self) -> str:
        """Name the command that containers are started with, nothing for processes."""
        return self._owner.runtime

    def take_over(self) -> list[Leftover]:
        """Take charge of the attempts of owners that are gone; gives all that nobody has submitted again yet."""
        for found in take_over(self._owner.work, self._owner.runtime):
            with self._lock:
                other = self._left.get(found.note.task)
                newer = other is None or other.note.fence < found.note.fence
                if newer:
                    self._left[found.note.task] = found
            useless = other if newer else found
            if useless:
                useless.end()
        with self._lock:
            notes = [left.note for left in self._left.values()]
        return [Leftover(note.task, note.fence, Digest(note.key)) for note in notes]

    def drop(self, tasks: Iterable[int]) -> None:
        """End the attempts at these tasks that were taken over and are not wanted."""
        for number in tasks:
            with self._lock:
                left = self._left.pop(number, None)
            if left:
                left.end()

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """See what became of attempts; one of another executor's is lost."""
        return self._ledger.look(handles)

    def fresh(self) -> list[Handle]:
        """Give the attempts whose outcome has appeared since the last time."""
        return self._ledger.fresh()

    def cancel(self, handles: Iterable[Handle]) -> None:
        """End attempts, those that wait as well as those that run."""

        def end(attempt: Attempt, outcome: Outcome) -> None:
            if left := self._begun.pop(attempt, None):
                left.end()
            self._end((attempt, outcome))

        self._ledger.cancel(handles, end)
        self._watch.hurry()

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
        """Take back attempts that no slot has taken yet; gives those. What others have begun is not put back."""
        return self._ledger.withdraw(handles, lambda attempt: attempt not in self._begun)

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of attempts that have ended; others stay."""
        self._ledger.forget(handles)

    def wait(self, seconds: float) -> None:
        """Return when outcomes have appeared since the last time, or after so many seconds."""
        self._ledger.wait(seconds)

    def close(self) -> None:
        """End everything that runs, and remove the working directories."""
        if not self._ledger.close():
            return
        self._watch.grace = 0.0
        self._watch.hurry()
        self._brisk.set()
        for _ in self._threads:
            self._queue.put(False)
        for thread in self._threads:
            thread.join()
        self._publisher.close()
        self._watch.close()
        self.drop(list(self._left))
        for directory, runner, rounds in self._slots:
            runner.close()
            if rounds:
                rounds.close()
            directory.close()
        self._turns.close()
        self._owner.release()

    def _serve(  # by a thread
        self, directory: WorkingDirectory, runner: Runner, rounds: Rounds | None, spare: bool
    ) -> None:
        while taken := self._next(several=rounds is not None, spare=spare):
            alone = taken[0]
            if rounds and len(taken) > 1 and not (alone := self._make_round(taken, rounds, spare=spare)):
                continue
            self._make(alone, directory, runner, spare=spare)

    def _make(self, attempt: Attempt, directory: WorkingDirectory, runner: Runner, *, spare: bool) -> None:
        """Make one attempt."""
        ours = False
        try:
            with self._room(attempt, spare=spare):
                if not (ours := attempt.claim()):
                    return
                if left := self._begun.pop(attempt, None):
                    outcome = self._watch_on(attempt, left)
                else:
                    outcome = perform(attempt, directory, self._store, runner, self._publisher.open_batch)
            if not left:
                # From here on the place is no longer what the command has left.
                runner.clear()
                self._several.learn(usual=directory.silent and directory.left_files is not None)
                with suppress(OSError):
                    directory.clean()
                self._learn(outcome)
        except Exception as error:  # noqa: BLE001  # must end as an outcome, not as a thread that is gone
            ours = ours or attempt.claim()
            outcome = attempt.failed(fault_verdict(error, directory.folder))
        if ours:
            self._end((attempt, outcome))

    def _make_round(self, taken: Sequence[Attempt], rounds: Rounds, *, spare: bool) -> Attempt | None:
        """Make several attempts; gives the first of them when it has to be made alone."""
        attempts = [attempt for attempt in taken if attempt.claim()]
        orders = rounds.prepare(attempts, self._store)
        if len(orders) < _FEWEST:
            for attempt in attempts[:1]:
                attempt.give_up()
            self._give_back(attempts[1:])
            return attempts[0] if attempts else None
        self._give_back(attempts[len(orders) :])
        del attempts[len(orders) :]
        waiting = dict.fromkeys(attempts)
        usual = True
        try:
            with self._room(attempts[0], spare=spare):
                if any(attempt.verdict for attempt in attempts):
                    self._give_back(attempts)
                    return None
                for ended, back in rounds.make(attempts, orders, self._publisher.open_batch):
                    for attempt in (*[each for each, _ in ended], *back):
                        del waiting[attempt]
                    usual = usual and not back
                    for _, outcome in ended:
                        self._learn(outcome)
                    self._end(*ended)
                    self._give_back(back)
        except Exception as error:  # noqa: BLE001  # must end as outcomes, not as a thread that is gone
            verdict = fault_verdict(error, str(self._owner.folder))
            self._end(*[(attempt, attempt.failed(verdict)) for attempt in waiting])
        self._several.learn(usual=usual)
        return None

    def _give_back(self, attempts: Sequence[Attempt]) -> None:
        """Let attempts wait again that were not begun, before all others."""
        if not attempts:
            return
        ended = [(each, each.failed(each.verdict)) for each in attempts if each.verdict]
        again = [each for each in attempts if not each.verdict]
        with self._lock:
            for attempt in reversed(again):
                attempt.give_up()
                self._waiting.appendleft(attempt)
                self._queue.put(True)
        self._end(*ended)

    def _learn(self, outcome: Outcome) -> None:
        """Take an attempt's time into the mean, and say whether it is worth while to lay out others ahead."""
        spent = max(0.0, outcome.ended_at - outcome.started_at)
        self._mean = spent if not self._mean else 0.9 * self._mean + 0.1 * spent
        if self._mean < _BRISK:
            self._brisk.set()
        else:
            self._brisk.clear()

    @contextmanager
    def _room(self, attempt: Attempt, *, spare: bool) -> Generator[None]:
        """Hold the room that an attempt takes beside the turn that its shepherd waits for."""
        cpus = attempt.document.resources.cpus
        if spare and cpus <= 1:
            yield
            return

        def abandoned() -> bool:
            return attempt.verdict is not None

        with self._width.take(cpus, abandoned):
            if cpus <= 1:
                yield
                return
            with self._turns.hold(min(self._workers, math.ceil(cpus)) - 1, abandoned):
                yield

    def _next(self, *, several: bool, spare: bool) -> list[Attempt]:
        """Take the next attempt, or a round; nothing when it is time to go."""
        if spare:
            self._brisk.wait()
        if not self._queue.get():
            return []
        with self._lock:
            taken = [self._waiting.popleft()]
            most = self._several.most(self._mean, len(self._waiting), len(self._slots)) if several else 1
            if most > 1 and not self._begun:
                self._take_more(taken, most)
        return taken

    def _take_more(self, taken: list[Attempt], most: int) -> None:
        """Take others for a round with the first, as long as they are small and need nobody to look after them."""
        held = weight(taken[0].document)
        while held is not None and len(taken) < most and self._waiting:
            more = weight(self._waiting.first().document)
            if more is None or (held := held + more) > MOST_BYTES:
                return
            try:
                mark = self._queue.get_nowait()
            except Empty:
                return
            if not mark:
                self._queue.put(mark)
                return
            taken.append(self._waiting.popleft())

    def _watch_on(self, attempt: Attempt, left: LeftAttempt) -> Outcome:
        """Bring an attempt to its outcome that others have begun."""
        try:
            directory, runner = self._find_again(left)
        except OSError as error:
            left.end()
            return attempt.failed(system_verdict(error, str(left.place)))
        turn = self._turns.take()
        try:
            outcome = perform(attempt, directory, self._store, runner, self._publisher.open_batch, begun=True)
        finally:
            if turn:
                self._turns.give()
        left.clear()
        runner.close()
        directory.close(keep=True)
        left.end()
        return outcome

    def _same_work(self, document: TaskDocument) -> LeftAttempt | None:
        """Find the attempt at a document's task that was taken over, if it does the same work under an older fence."""
        left = self._left.get(document.task)
        if left is None or left.note.key != document.key or left.note.fence >= document.fence:
            return None
        return self._left.pop(document.task)

    def _end(self, *ended: tuple[Attempt, Outcome]) -> None:
        if ended:
            self._ledger.end(len(ended))
            self._publisher.ended(*ended)

    def _crowded(self) -> bool:
        """Say whether more attempts wait than the slots will begin in the next moment."""
        return self._queue.qsize() * self._mean > _CROWDED_SECONDS * self._workers
