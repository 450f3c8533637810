"""Rounds: several small attempts that a slot's shepherd makes one after the other, for one message to and fro."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from aliquot.blobs import Batch, Store
from aliquot.executors import steps
from aliquot.executors.attempt import Attempt, AttemptFailed
from aliquot.executors.command import task_mark
from aliquot.executors.conclusions import fault_verdict, spawn_verdict, system_verdict
from aliquot.executors.note import Note
from aliquot.executors.order import Order, RoundAnswer
from aliquot.executors.owner import end_marked
from aliquot.executors.parcel import fits
from aliquot.executors.process_runner import ProcessRunner, conclude, lost, take_note
from aliquot.executors.slot import LayingFailed, ShepherdLost, Slot
from aliquot.executors.watch import Seen, Watch
from aliquot.executors.working_directory import WorkingDirectory, packed
from aliquot.model.state import State
from aliquot.model.task import Outcome, OutputFile, TaskDocument, Usage

MOST_BYTES = 1024 * 1024
"""Bytes of inputs that go with a round at most."""

_MOST = 32
_SECONDS = 0.15
_UNSEEN = Seen(0, None)

Ended = tuple[Attempt, Outcome]


def weight(document: TaskDocument) -> int | None:
    """Give the bytes of an attempt's inputs; None for one that goes alone, since somebody has to look after it."""
    limits = document.resources
    if not document.command or document.ensure or document.image is not None or limits.cpus > 1:
        return None
    if limits.memory is not None or limits.disk is not None:
        return None
    sizes = [file.blob.size for file in document.files]
    return sum(sizes) if fits(sizes) else None


class Several:
    """How many attempts to take at once: few at first, more while all goes as usual."""

    def __init__(self) -> None:
        self._most = 1

    def most(self, mean: float, waiting: int, slots: int) -> int:
        """Say how many, where one takes `mean` seconds and so many wait for so many slots."""
        if not mean:
            return 1
        return min(self._most, int(_SECONDS / mean), waiting // slots)

    def learn(self, *, usual: bool) -> None:
        """Take fewer when something was out of the ordinary: what was laid out behind it was so for nothing."""
        self._most = min(_MOST, 2 * self._most) if usual else max(1, self._most // 2)


class Rounds:
    """Makes the rounds of one slot, each attempt in a folder of its own; `open_folder` gives the one of a number."""

    def __init__(
        self,
        slot: Slot,
        watch: Watch,
        runner: ProcessRunner,
        owner: str,
        open_folder: Callable[[int], WorkingDirectory],
    ) -> None:
        self._slot = slot
        self._watch = watch
        self._runner = runner
        self._owner = owner
        self._open_folder = open_folder
        self._directories: list[WorkingDirectory] = []

    def prepare(self, attempts: Sequence[Attempt], store: Store) -> list[Order]:
        """Make the orders of attempts, up to the first that has to go alone: it is found out there what is wrong."""
        orders: list[Order] = []
        try:
            while len(self._directories) < len(attempts):
                self._directories.append(self._open_folder(len(self._directories)))
            contents = iter(store.read_all_checked([file.blob for each in attempts for file in each.document.files]))
            for attempt, directory in zip(attempts, self._directories, strict=False):
                attempt.check()
                files = packed(attempt.document, contents)
                if files is None:
                    break
                directory.hand_over(files)
                orders.append(self._runner.order(attempt, directory))
        except Exception:  # noqa: BLE001  # made alone, the attempt meets it again, and it is told there
            return orders
        return orders

    def make(
        self, attempts: Sequence[Attempt], orders: Sequence[Order], open_batch: Callable[[Attempt], Batch]
    ) -> Iterator[tuple[list[Ended], Sequence[Attempt]]]:
        """Make attempts; gives, in one or more parts, outcomes and what goes back because it was not begun."""
        progress = _Progress(attempts, self._directories, self._slot, self._watch)
        self._watch.follow(progress.look)
        stay: list[int] = []
        try:
            for answer in self._slot.make(orders):
                back = progress.take(answer)
                ended = self._conclude(attempts, orders, answer, progress, open_batch)
                stay += [number for number, _, files in answer.ended if files is None]
                if answer.error:
                    error = OSError(answer.error, os.strerror(answer.error))
                    ended.append(self._not_laid(back[0], error))
                    back = back[1:]
                if answer.over:
                    self._clean(stay, silent=answer.silent)
                yield ended, back
        except LayingFailed as error:
            yield [self._not_laid(attempts[0], error)], attempts[1:]
        except ShepherdLost:
            yield self._lose(progress)
        finally:
            self._watch.unfollow(progress.look)
            progress.close()

    def close(self) -> None:
        """Remove the folders beside the slot's first."""
        for directory in self._directories[1:]:
            directory.remove()

    def _conclude(
        self,
        attempts: Sequence[Attempt],
        orders: Sequence[Order],
        answer: RoundAnswer,
        progress: "_Progress",
        open_batch: Callable[[Attempt], Batch],
    ) -> list[Ended]:
        """Bring the attempts of an answer to their outcomes; those that went as most do all at once."""
        usual: list[tuple[Attempt, Note, Sequence[tuple[str, bytes]]]] = []
        ended: list[Ended] = []
        last = answer.ended[-1][0] if answer.ended and answer.over else -1
        for number, note, files in answer.ended:
            attempt = attempts[number]
            seen = progress.seen.get(number, _UNSEEN)
            silent = answer.silent or number != last
            take_note(attempt, note)
            self._directories[number].doubted = False
            if files is None or attempt.verdict or not silent:
                directory = self._directories[number]
                directory.left_files, directory.silent = files, silent
                ended.append((attempt, _collected(attempt, orders[number], directory, open_batch, note, seen)))
            else:
                attempt.usage = Usage(note.wall, note.cpu, max(seen.peak, note.peak))
                usual.append((attempt, note, files))
        if usual:
            ended += self._complete(usual, open_batch)
        return ended

    def _complete(
        self,
        usual: Sequence[tuple[Attempt, Note, Sequence[tuple[str, bytes]]]],
        open_batch: Callable[[Attempt], Batch],
    ) -> list[Ended]:
        try:
            batch, *_ = [open_batch(attempt) for attempt, _, _ in usual]
            stored = iter(batch.add_all([data for _, _, files in usual for _, data in files]))
            return [
                (attempt, _completed(attempt, note, tuple([OutputFile(path, *next(stored)) for path, _ in files])))
                for attempt, note, files in usual
            ]
        except Exception as error:  # noqa: BLE001  # a fault must end as outcomes, not as a thread that is gone
            verdict = fault_verdict(error, self._directories[0].folder)
            return [(attempt, attempt.failed(verdict)) for attempt, _, _ in usual]

    def _not_laid(self, attempt: Attempt, error: OSError) -> Ended:
        return attempt, attempt.failed(attempt.verdict or system_verdict(error, self._directories[0].folder))

    def _clean(self, stay: Sequence[int], *, silent: bool) -> None:
        """Have the folders emptied whose results were collected here, and the logs."""
        if stay:
            self._slot.clear()
        with suppress(OSError):
            for number in stay:
                self._directories[number].clean()
            if not silent:
                self._clear_logs()

    def _clear_logs(self) -> None:
        self._directories[0].stdout.clear()
        self._directories[0].stderr.clear()

    def _lose(self, progress: "_Progress") -> tuple[list[Ended], Sequence[Attempt]]:
        """End the attempt that ran when the shepherd was lost; the others are made again, or were not begun."""
        left = progress.left()
        number = progress.now()
        number = number if number is not None and number in left else left.start
        attempts = progress.attempts
        # The next one may have begun just before its shepherd would have noted it.
        for each in attempts[number : min(number + 2, left.stop)]:
            end_marked(self._owner, task_mark(each.document))
        self._slot.clear()
        self._clear_logs()
        attempt = attempts[number]
        outcome = attempt.failed(attempt.verdict or lost().verdict)
        return [(attempt, outcome)], [attempts[each] for each in left if each != number]


class _Progress:
    """How far a round is, for the watch: the attempt that runs now is held to its limits like any other."""

    def __init__(
        self, attempts: Sequence[Attempt], directories: Sequence[WorkingDirectory], slot: Slot, watch: Watch
    ) -> None:
        self.attempts = attempts
        self.seen: dict[int, Seen] = {}
        self._directories = directories
        self._slot = slot
        self._watch = watch
        self._numbers = {(each.document.task, each.document.fence): number for number, each in enumerate(attempts)}
        self._first, self._until = 0, len(attempts)
        self._watched: int | None = None
        self._looked_at: int | None = None
        self._revoked = False
        self._lock = threading.Lock()

    def now(self) -> int | None:
        """Give the number of the attempt that runs, as far as its shepherd has noted it."""
        note = self._slot.now()
        return self._numbers.get((note.task, note.fence)) if note else None

    def left(self) -> range:
        """Give the numbers of those that were not answered yet."""
        return range(self._first, self._until)

    def take(self, answer: RoundAnswer) -> Sequence[Attempt]:
        """Note what was answered; gives the attempts that go back."""
        with self._lock:
            if self._watched is not None and (answer.over or any(self._watched == each[0] for each in answer.ended)):
                self._unwatch()
            back = self.attempts[answer.begun : self._until]
            self._until = answer.begun
            self._first = answer.ended[-1][0] + 1 if answer.ended else self._first
        return back

    def look(self) -> None:
        """See that the watch knows which attempt runs, and that none begins which was canceled."""
        number = self.now()
        with self._lock:
            if number is None or number not in self.left():
                waiting = self.left()
            else:
                waiting = range(number + 1, self._until)
                # One that is gone at the next look needs no looking after.
                if number != self._watched and (number == self._looked_at or self.attempts[number].verdict):
                    self._unwatch()
                    self._watched = number
                    self._begin_to_watch(self.attempts[number], self._directories[number])
                self._looked_at = number
            if not self._revoked and any(self.attempts[each].verdict for each in waiting):
                self._revoked = True
                self._slot.revoke()

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._unwatch()
            self._first = self._until

    def _begin_to_watch(self, attempt: Attempt, directory: WorkingDirectory) -> None:
        command = self._slot.command(attempt.document)
        with attempt.lock:
            attempt.stop = command.signal
        self._watch.add(attempt, directory, command.memory, command.since)

    def _unwatch(self) -> None:
        if self._watched is None:
            return
        attempt = self.attempts[self._watched]
        with attempt.lock:
            attempt.stop = None
        self.seen[self._watched] = self._watch.remove(attempt)
        self._watched = None


def _collected(
    attempt: Attempt,
    order: Order,
    directory: WorkingDirectory,
    open_batch: Callable[[Attempt], Batch],
    note: Note,
    seen: Seen,
) -> Outcome:
    """Give the outcome of an attempt that printed or failed, or whose results lie in its folder."""
    try:
        if note.error:
            verdict = spawn_verdict(OSError(note.error, os.strerror(note.error)), order.arguments[0])
            return attempt.failed(attempt.verdict or verdict)
        return steps.conclude(attempt, directory, open_batch(attempt), conclude(attempt, note, seen))
    except AttemptFailed as failure:
        return attempt.failed(failure.verdict)
    except Exception as error:  # noqa: BLE001  # whatever it is must end as an outcome, not as a thread that is gone
        return attempt.failed(fault_verdict(error, directory.folder))


def _completed(attempt: Attempt, note: Note, outputs: tuple[OutputFile, ...]) -> Outcome:
    return Outcome(
        attempt.document.task, attempt.document.fence, State.COMPLETE, exit_code=0, outputs=outputs,
        usage=attempt.usage, started_at=note.began_at, ended_at=note.began_at + note.wall,
    )  # fmt: skip
