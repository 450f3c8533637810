"""A turn of a warm worker: some attempts that it makes one after the other, and what becomes of each."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from aliquot.blobs import Batch, Store
from aliquot.executors import warm_wire as wire
from aliquot.executors.attempt import Attempt, Verdict
from aliquot.executors.captured import tail
from aliquot.executors.conclusions import SIGNALLED, kernel_oom_verdict, signal_name, system_verdict
from aliquot.executors.steps import Ended, conclude, keep
from aliquot.executors.warm_process import WarmProcess
from aliquot.executors.watch import Seen, Watch
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.errors import AliquotError
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, OutputFile, TaskDocument, Usage

_TICK = 0.02
_LONG = 1.0
"""Seconds after which what waits behind a call is given to other workers."""


class Turn:
    """The attempts of one turn. `ended` is told of each that has an outcome; `left` are those that were not made.

    The turn ends early when the process is gone (then `broken`), is worn, or makes others wait for long.
    """

    def __init__(
        self,
        process: WarmProcess,
        attempts: Sequence[Attempt],
        watch: Watch,
        open_batch: Callable[[Attempt], Batch],
        ended: Callable[[Attempt, Outcome], None],
        give_back: Callable[[Sequence[Attempt]], None],
    ) -> None:
        self._process = process
        self._attempts = list(attempts)
        self._watch = watch
        self._open_batch = open_batch
        self._ended = ended
        self._give_back = give_back
        self._position = 0
        self._watched: Attempt | None = None
        self._seen_at = (-1, 0.0)
        self.broken = False

    def run(self, calls: Sequence[bytes]) -> None:
        """Make the turn; `calls` are the attempts' own, in their order."""
        for attempt in self._attempts:
            attempt.running = True
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
        self._unwatch()
        self._process.used = True
        self._return(self._attempts[self._position :])

    def fail(self, error: Exception) -> None:
        """End what is left of a turn that could not be gone on with, by a fault of ours."""
        self.broken = True
        self._unwatch()
        words = f"A fault of Aliquot: {type(error).__name__}: {error}. Report it."
        for attempt in self._attempts[self._position :]:
            self._ended(attempt, attempt.failed(Verdict(Cause.OURS, words)))

    def _take_answers(self) -> bool:
        """Bring attempts to their end that were answered; says whether the turn is over."""
        for header, body in self._process.answers():
            if "end" in header:
                self.broken |= header["worn"]
                return True
            if "broken" in header:
                return self._refuse(header["broken"])
            attempt = self._attempts[self._position]
            seen = self._unwatch() if self._watched is attempt else None
            outcome = self._conclude(attempt, header, body, seen)
            self._position += 1
            self._ended(attempt, outcome)
        return False

    def _conclude(self, attempt: Attempt, header: dict[str, Any], body: memoryview, seen: Seen | None) -> Outcome:
        attempt.began = header["started"]
        peak = max(header["rss"], seen.peak if seen else 0)
        attempt.usage = Usage(wall=header["wall"], cpu=header["cpu"], peak_memory=peak)
        verdict = Verdict(Cause(header["cause"]), header["error"]) if header["error"] else None
        if header["look"]:
            outcome = self._look_at(attempt, header, body, verdict)
            self._process.directory.stdout.clear()
            self._process.directory.stderr.clear()
            self._process.go_on()
            return outcome
        verdict = attempt.verdict or verdict
        return (
            attempt.failed(verdict, 1) if verdict else self._safely(attempt, partial(_complete, attempt, header, body))
        )

    def _look_at(self, attempt: Attempt, header: dict[str, Any], body: memoryview, verdict: Verdict | None) -> Outcome:
        """Collect what could not be answered: logs, and results that lie in the folder."""
        directory = self._process.directory
        if "files" not in header or attempt.verdict:
            return self._safely(attempt, partial(_concluded, attempt, directory, Ended(int(bool(verdict)), verdict)))

        def work(batch: Batch) -> Outcome:
            outcome = _complete(attempt, header, body, batch)
            logs = keep(directory.stdout, batch), keep(directory.stderr, batch)
            return replace(outcome, stdout=logs[0], stderr=logs[1], tail=tail(directory.stdout, directory.stderr))

        return self._safely(attempt, work)

    def _safely(self, attempt: Attempt, work: Callable[[Batch], Outcome]) -> Outcome:
        """Do the last of an attempt; whatever happens, it gives an outcome."""
        try:
            return work(self._open_batch(attempt))
        except AliquotError as error:
            return attempt.failed(Verdict(Cause.OURS, error.message))
        except OSError as error:
            return attempt.failed(system_verdict(error, self._process.directory.folder))
        except Exception as error:  # noqa: BLE001  # a fault of ours must end as an outcome, not as a thread that is gone
            words = f"A fault of Aliquot: {type(error).__name__}: {error}. Report it."
            return attempt.failed(Verdict(Cause.OURS, words))

    def _refuse(self, words: str) -> bool:
        """Fail the whole turn: the function cannot be had, and no other attempt would find it."""
        self._process.end()
        self.broken = True
        directory = self._process.directory
        for attempt in self._attempts[self._position :]:
            attempt.began = attempt.began or time.time()
            ended = Ended(1, Verdict(Cause.USER, words))
            outcome = self._safely(attempt, partial(_concluded, attempt, directory, ended))
            self._ended(attempt, outcome)
        self._position = len(self._attempts)
        return True

    def _bury(self) -> bool:
        """Find out what the process died of; that is the outcome of the attempt that it was making."""
        self.broken = True
        if self._position == len(self._attempts):
            return True
        attempt = self._attempts[self._position]
        seen = self._unwatch() if self._watched is attempt else None
        code = os.waitstatus_to_exitcode(self._process.end())
        code = code if code >= 0 else SIGNALLED - code
        verdict = attempt.verdict or kernel_oom_verdict(code, seen.oom_kills if seen else None)
        if verdict and verdict.cause is Cause.OOM and (self._process.used or self._position):
            # The process held what earlier calls have left in it: a new one shows what this datum needs.
            return True
        attempt.began = attempt.began or time.time()
        attempt.usage = Usage(wall=time.monotonic() - self._seen_at[1], peak_memory=seen.peak if seen else 0)
        directory = self._process.directory
        ended = Ended(code, verdict or Verdict(Cause.USER, _death(code)))
        outcome = self._safely(attempt, partial(_concluded, attempt, directory, ended))
        self._position += 1
        self._ended(attempt, outcome)
        return True

    def _attend(self) -> None:
        """Hold the call that is being made to its limits, and let nobody wait behind a long one."""
        now = time.monotonic()
        if self._position == len(self._attempts):
            return
        if self._seen_at[0] != self._position:
            self._unwatch()
            self._seen_at = (self._position, now)
            if not self._attempts[self._position].verdict:
                return
        attempt = self._attempts[self._position]
        if self._watched is None:
            attempt.began = time.time()
            with attempt.lock:
                attempt.stop = self._process.signal
            began = self._seen_at[1]
            self._watch.add(attempt, self._process.directory, self._process.memory, lambda: began)
            self._watched = attempt
        waiting = self._attempts[self._position + 1 :]
        if not waiting or now - self._seen_at[1] < _LONG:
            return
        if self._process.page.until > self._position + 1:
            # Looked at in the next tick: until then the worker may not have seen it.
            self._process.page.until = self._position + 1
        elif self._process.page.current <= self._position:
            del self._attempts[self._position + 1 :]
            self._return(waiting)

    def _unwatch(self) -> Seen | None:
        if self._watched is None:
            return None
        attempt, self._watched = self._watched, None
        with attempt.lock:
            attempt.stop = None
        return self._watch.remove(attempt)

    def _return(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            attempt.running = False
        if attempts:
            self._give_back(attempts)


def _concluded(attempt: Attempt, directory: WorkingDirectory, ended: Ended, batch: Batch) -> Outcome:
    return conclude(attempt, directory, batch, ended)


def is_large(document: TaskDocument) -> bool:
    """Say whether a datum's files are put into the folder, and not into the call."""
    sizes = [file.blob.size for file in document.files if file.path.startswith("in/")]
    return sum(sizes) > wire.MOST or max(sizes, default=0) >= wire.SMALL


def call_of(document: TaskDocument, store: Store, folder: str) -> bytes:
    """Make the call of an attempt, with its files in it; large ones are put into the folder instead."""
    assert document.python is not None
    large = is_large(document)
    listed: list[tuple[str, int]] = []
    parts: list[bytes] = []
    for file in document.files:
        if not file.path.startswith("in/"):
            continue
        if large:
            target = Path(folder, file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            store.fetch(file.blob, target)
            listed.append((file.path, -1))
        else:
            parts.append(store.read_checked(file.blob))
            listed.append((file.path, file.blob.size))
    call = document.python
    look = document.resources.disk is not None or bool(document.ensure)
    return wire.frame({"values": call.values, "inputs": call.inputs, "files": listed, "look": look}, parts)


def _complete(attempt: Attempt, header: dict[str, Any], body: memoryview, batch: Batch) -> Outcome:
    outputs: list[OutputFile] = []
    start = 0
    for path, size in header["files"]:
        blob = batch.add_bytes(bytes(body[start : start + size]))
        outputs.append(OutputFile(path, blob.digest, size))
        start += size
    return Outcome(
        task=attempt.document.task,
        fence=attempt.document.fence,
        state=State.COMPLETE,
        exit_code=0,
        outputs=tuple(outputs),
        exports=header["exports"],
        usage=attempt.usage,
        started_at=attempt.began,
        ended_at=attempt.began + attempt.usage.wall,
    )


def _death(code: int) -> str:
    name = signal_name(code - SIGNALLED) if code > SIGNALLED else None
    if name is None:
        return f"The function ended its whole process with exit code {code}; let it return or raise instead."
    more = " If the machine was short of memory, set the step's resources.memory." if name == "SIGKILL" else ""
    return f"The function's process was ended by {name} (exit code {code}), which Aliquot did not send.{more}"
