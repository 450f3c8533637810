"""A turn of a warm worker: some attempts that it makes one after the other, and what becomes of each."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from aliquot.blobs import Batch
from aliquot.executors import steps
from aliquot.executors.attempt import Attempt, Verdict
from aliquot.executors.captured import tail
from aliquot.executors.conclusions import SIGNALLED, fault_verdict, kernel_oom_verdict, signal_name
from aliquot.executors.warm_process import WarmProcess
from aliquot.executors.watch import Seen, Watch
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.blob import Blob
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, OutputFile, Usage

_TICK = 0.02
_LONG = 1.0
"""Seconds after which what waits behind a call is given to other workers."""

Ended = tuple[Attempt, Outcome]
Answer = tuple[Attempt, dict[str, Any], memoryview]


@dataclass(frozen=True, slots=True)
class Around:
    """What a turn needs of its executor.

    `ended` takes outcomes, and `give_back` attempts that were not made. `more` gives further attempts and their calls
    to a turn that has few left, often none.
    """

    watch: Watch
    open_batch: Callable[[Attempt], Batch]
    ended: Callable[[Sequence[Ended]], None]
    give_back: Callable[[Sequence[Attempt]], None]
    more: "Callable[[Turn], tuple[Sequence[Attempt], Sequence[bytes]]]"


class Turn:
    """The attempts of one turn, and what follows them while the worker is at it.

    The turn ends early when the process is gone, is worn, or makes others wait for long; what was not made is given
    back. `broken` says that the process is of no more use: gone, worn, or struck by a signal.
    """

    def __init__(self, process: WarmProcess, attempts: Sequence[Attempt], around: Around) -> None:
        self.process = self._process = process
        # Those without an answer: the first is the call that is made, number `_position` of the turn.
        self._attempts = deque(attempts)
        self._around = around
        self._position = 0
        self._watched: Attempt | None = None
        self._seen_at = (-1, 0.0)
        self._closing = False
        self._low = 0
        self._paced = (0, 0.0)
        self._struck_at = float("inf")
        self.broken = False

    @property
    def waiting(self) -> int:
        """Say how many calls the worker has before it, with the one that it makes."""
        return len(self._attempts)

    def pace(self) -> tuple[int, float]:
        """Give how many calls were made since the last time, and in how many seconds, without a worker's start."""
        made, since = self._paced
        self._paced = (self._position, time.monotonic())
        return self._position - made, self._paced[1] - since

    def run(self, calls: Sequence[bytes]) -> None:
        """Make the turn; `calls` are the attempts' own, in their order."""
        for attempt in self._attempts:
            attempt.running = True
        self._low = len(self._attempts) // 2
        self._paced = (0, time.monotonic())
        self._process.begin(calls)
        over = False
        while not over:
            gone = self._process.wait(_TICK)
            over = self._take_answers()
            if gone and not over:
                # What it wrote last may have come between the look at the answers and its end.
                over = self._take_answers() or self._bury()
            elif not over:
                self._attend()
                self._feed()
        self._unwatch()
        # A signal that was sent may still be on its way: no other turn shall meet it.
        self.broken |= self._struck_at != float("inf")
        self._return(list(self._attempts))

    def fail(self, error: Exception) -> None:
        """End what is left of a turn that could not be gone on with, by a fault of ours."""
        self.broken = True
        self._unwatch()
        words = f"A fault of Aliquot: {type(error).__name__}: {error}. Report it."
        left = list(self._attempts)
        self._attempts.clear()
        self._around.ended([(attempt, attempt.failed(Verdict(Cause.OURS, words))) for attempt in left])

    def _take_answers(self) -> bool:
        """Bring attempts to their end that were answered; says whether the turn is over."""
        ended: list[Ended] = []
        plain: list[Answer] = []
        over = False
        try:
            for header, body in self._process.answers():
                if "end" in header:
                    self.broken |= header["worn"]
                    over = self.broken or self._closing or not self._attempts
                    if not over:
                        # What was added last came too late for it.
                        self._process.go_on()
                    break
                if over := "broken" in header:
                    self._refuse(header["broken"])
                    break
                attempt = self._attempts[0]
                seen = self._unwatch() if self._watched is attempt else None
                attempt.began = header["started"]
                if not self._process.used:
                    self._process.used = True
                    self._paced = (0, time.monotonic() - max(0.0, time.time() - attempt.began))
                peak = max(header["rss"], seen.peak if seen else 0)
                if header["started"] + header["wall"] < self._struck_at:
                    attempt.ended_after(header["wall"])
                attempt.usage = Usage(header["wall"], header["cpu"], peak)
                if header["look"] or header["error"] or attempt.verdict:
                    ended.append((attempt, self._conclude(attempt, header, body)))
                else:
                    plain.append((attempt, header, body))
                self._attempts.popleft()
                self._position += 1
        finally:
            if plain:
                ended += self._complete(plain)
            if ended:
                self._around.ended(ended)
        return over

    def _conclude(self, attempt: Attempt, header: dict[str, Any], body: memoryview) -> Outcome:
        """Give the outcome of an attempt that failed, or that left what has to be looked at."""
        verdict = Verdict(Cause(header["cause"]), header["error"]) if header["error"] else None
        if header["look"]:
            outcome = self._look_at(attempt, header, body, verdict)
            self._process.directory.stdout.clear()
            self._process.directory.stderr.clear()
            self._process.go_on()
            return outcome
        verdict = attempt.verdict or verdict
        assert verdict
        return attempt.failed(verdict, 1)

    def _complete(self, answers: Sequence[Answer]) -> list[Ended]:
        """Give the outcomes of attempts that went well and whose results are in their answers, all stored at once."""
        try:
            batch = None
            for attempt, _, _ in answers:
                batch = self._around.open_batch(attempt)
            assert batch
            stored = iter(batch.add_all([data for _, header, body in answers for data in _contents(header, body)]))
            return [(attempt, _completed(attempt, header, stored)) for attempt, header, _ in answers]
        except Exception as error:  # noqa: BLE001  # a fault must end as outcomes, not as a thread that is gone
            verdict = fault_verdict(error, self._process.directory.folder)
            return [(attempt, attempt.failed(verdict)) for attempt, _, _ in answers]

    def _look_at(self, attempt: Attempt, header: dict[str, Any], body: memoryview, verdict: Verdict | None) -> Outcome:
        """Collect what could not be answered: logs, and results that lie in the folder."""
        directory = self._process.directory
        if "files" not in header or attempt.verdict:
            ending = steps.Ended(int(bool(verdict)), verdict)
            return self._safely(attempt, partial(_concluded, attempt, directory, ending))

        def work(batch: Batch) -> Outcome:
            stored = iter(batch.add_all(_contents(header, body)))
            outcome = _completed(attempt, header, stored)
            logs = steps.keep(directory.stdout, batch), steps.keep(directory.stderr, batch)
            return replace(outcome, stdout=logs[0], stderr=logs[1], tail=tail(directory.stdout, directory.stderr))

        return self._safely(attempt, work)

    def _safely(self, attempt: Attempt, work: Callable[[Batch], Outcome]) -> Outcome:
        """Do the last of an attempt; whatever happens, it gives an outcome."""
        try:
            return work(self._around.open_batch(attempt))
        except Exception as error:  # noqa: BLE001  # a fault of ours must end as an outcome, not as a thread that is gone
            return attempt.failed(fault_verdict(error, self._process.directory.folder))

    def _refuse(self, words: str) -> None:
        """Fail the whole turn: the function cannot be had, and no other attempt would find it."""
        self._process.end()
        self.broken = True
        directory = self._process.directory
        ended: list[Ended] = []
        while self._attempts:
            attempt = self._attempts.popleft()
            attempt.began = attempt.began or time.time()
            ending = steps.Ended(1, Verdict(Cause.USER, words))
            ended.append((attempt, self._safely(attempt, partial(_concluded, attempt, directory, ending))))
        self._around.ended(ended)

    def _bury(self) -> bool:
        """Find out what the process died of; that is the outcome of the attempt that it was making."""
        self.broken = True
        if not self._attempts:
            return True
        attempt = self._attempts[0]
        seen = self._unwatch() if self._watched is attempt else None
        code = os.waitstatus_to_exitcode(self._process.end())
        code = code if code >= 0 else SIGNALLED - code
        verdict = attempt.verdict or kernel_oom_verdict(code, seen.oom_kills if seen else None)
        if verdict and verdict.cause is Cause.OOM and (self._process.used or self._position):
            # The process held what earlier calls have left in it: a new one shows what this datum needs.
            return True
        if verdict is None and self._struck_at < time.time():
            # What was meant for the call before has come when that had ended.
            return True
        attempt.began = attempt.began or time.time()
        attempt.usage = Usage(wall=time.monotonic() - self._seen_at[1], peak_memory=seen.peak if seen else 0)
        directory = self._process.directory
        ending = steps.Ended(code, verdict or Verdict(Cause.USER, _death(code)))
        outcome = self._safely(attempt, partial(_concluded, attempt, directory, ending))
        self._attempts.popleft()
        self._around.ended([(attempt, outcome)])
        return True

    def _attend(self) -> None:
        """Hold the call that is being made to its limits, and let nobody wait behind a long one."""
        now = time.monotonic()
        if not self._attempts:
            return
        attempt = self._attempts[0]
        if self._seen_at[0] != self._position:
            self._unwatch()
            self._seen_at = (self._position, now)
            if not attempt.verdict:
                return
        if self._watched is None:
            attempt.began = time.time()
            with attempt.lock:
                attempt.stop = partial(self._strike, self._position)
            began = self._seen_at[1]
            self._around.watch.add(attempt, self._process.directory, self._process.memory, lambda: began)
            self._watched = attempt
        if len(self._attempts) == 1 or now - self._seen_at[1] < _LONG:
            return
        self._closing = True
        if self._process.page.until > self._position + 1:
            # Looked at in the next tick: until then the worker may not have seen it.
            self._process.page.until = self._position + 1
        elif self._process.page.current <= self._position:
            self._attempts.popleft()
            waiting = list(self._attempts)
            self._attempts = deque([attempt])
            self._return(waiting)

    def _strike(self, position: int, number: int) -> None:
        """Send a signal to the process, unless it has gone on to another call than the one that is meant."""
        if self._process.page.current <= position:
            self._struck_at = min(self._struck_at, time.time())
            self._process.signal(number)

    def _feed(self) -> None:
        """Put further calls behind those that wait, so that the worker goes on without a pause."""
        if self._closing or len(self._attempts) > self._low:
            return
        attempts, calls = self._around.more(self)
        if attempts:
            for attempt in attempts:
                attempt.running = True
            self._attempts.extend(attempts)
            self._low = len(self._attempts) // 2
            self._process.add(calls)

    def _unwatch(self) -> Seen | None:
        if self._watched is None:
            return None
        attempt, self._watched = self._watched, None
        with attempt.lock:
            attempt.stop = None
        return self._around.watch.remove(attempt)

    def _return(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            attempt.running = False
        if attempts:
            self._around.give_back(attempts)


def _concluded(attempt: Attempt, directory: WorkingDirectory, ending: steps.Ended, batch: Batch) -> Outcome:
    return steps.conclude(attempt, directory, batch, ending)


def _contents(header: dict[str, Any], body: memoryview) -> list[bytes]:
    """Cut an answer's files out of its frame."""
    files = header["files"]
    if len(files) == 1:
        return [bytes(body)]
    contents: list[bytes] = []
    start = 0
    for _, size in files:
        contents.append(bytes(body[start : start + size]))
        start += size
    return contents


def _completed(attempt: Attempt, header: dict[str, Any], stored: Iterator[Blob]) -> Outcome:
    """Give the outcome of an attempt that went well; the next blobs of `stored` are its files."""
    document, usage, began = attempt.document, attempt.usage, attempt.began
    outputs = tuple([OutputFile(path, *next(stored)) for path, _ in header["files"]])
    return Outcome(
        document.task, document.fence, State.COMPLETE, exit_code=0, outputs=outputs, exports=header["exports"],
        usage=usage, started_at=began, ended_at=began + usage.wall,
    )  # fmt: skip


def _death(code: int) -> str:
    name = signal_name(code - SIGNALLED) if code > SIGNALLED else None
    if name is None:
        return f"The function ended its whole process with exit code {code}; let it return or raise instead."
    more = " If the machine was short of memory, set the step's resources.memory." if name == "SIGKILL" else ""
    return f"The function's process was ended by {name} (exit code {code}), which Aliquot did not send.{more}"
