"""The steps of one attempt, wherever its command runs: lay out, run, collect."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from aliquot.blobs import Batch, Store
from aliquot.executors.attempt import Attempt, AttemptFailed, Verdict
from aliquot.executors.captured import CapturedLog, tail
from aliquot.executors.collect import collect_outputs, keep_files, read_exports
from aliquot.executors.conclusions import exit_verdict, fault_verdict
from aliquot.executors.ensure import Given, judge, passed_on, reads_tables
from aliquot.executors.watch import over_disk_limit
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.digest import Digest
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, OutputFile, Usage


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code as a shell gives it, and a verdict where the runner knows more than that.

    `gone`: whoever could still write to what it has left is gone with it.
    """

    exit_code: int
    verdict: Verdict | None = None
    gone: bool = False


class Runner(Protocol):
    """Runs an attempt's command in its working directory and returns when nothing of it is left.

    It sets the attempt's `running`, `stop` and `usage`, and raises `AttemptFailed` for a command that cannot be begun.
    """

    def run(self, attempt: Attempt, directory: WorkingDirectory) -> Ended:
        """Run the command to its end."""
        ...

    def clear(self) -> None:
        """Note that what the command has left was collected, and that its place is used again."""
        ...

    def close(self) -> None:
        """Let go of what was prepared."""
        ...


def perform(
    attempt: Attempt,
    directory: WorkingDirectory,
    store: Store,
    runner: Runner,
    open_batch: Callable[[Attempt], Batch],
    *,
    begun: bool = False,
) -> Outcome:
    """Make an attempt; whatever happens, it gives an outcome, whose bytes are safe once the batch is flushed.

    `open_batch` is asked for the batch when the command has ended, before anything is added to it. One that others
    have `begun` is not laid out: its runner watches it on.
    """
    attempt.began = time.time()
    try:
        attempt.check()
        if attempt.document.only_checks:
            return _pass_on(attempt, directory, store, open_batch)
        if not begun:
            directory.lay_out(attempt, store)
        ended = runner.run(attempt, directory)
        return conclude(attempt, directory, open_batch(attempt), ended)
    except AttemptFailed as failure:
        return attempt.failed(failure.verdict)
    except Exception as error:  # noqa: BLE001  # whatever it is must end as an outcome, not as a thread that is gone
        return attempt.failed(fault_verdict(error, directory.folder))


def conclude(attempt: Attempt, directory: WorkingDirectory, batch: Batch, ended: Ended) -> Outcome:
    """Collect what an attempt has left when it ended: results, the reason if it failed, and logs."""
    verdict = attempt.verdict or ended.verdict
    if verdict is None and ended.exit_code:
        printed = not directory.silent and bool(tail(directory.stdout, directory.stderr))
        verdict = exit_verdict(ended.exit_code, directory.folder, printed=printed)
    limit = attempt.document.resources.disk
    if verdict is None and limit is not None and (over := over_disk_limit(directory.folder, limit)):
        verdict = Verdict(Cause.USER, over)
    exports: Any = None
    outputs: tuple[OutputFile, ...] = ()
    if verdict is None:
        try:
            if directory.left_files is None:
                exports = read_exports(directory.out)
                outputs = collect_outputs(attempt, directory.out, batch, gone=ended.gone)
            else:
                outputs = keep_files(directory.left_files, batch)
            if attempt.document.ensure:
                # What is found stands in the log.
                directory.silent = False
                files = [Given(each.path, each.digest, each.size, f"out{each.path}") for each in outputs]
                verdict = judge(attempt, files, directory.folder, directory.stderr)
        except AttemptFailed as failure:
            verdict = failure.verdict
    return _outcome(attempt, directory, batch, verdict, ended.exit_code, outputs, exports)


def _pass_on(
    attempt: Attempt, directory: WorkingDirectory, store: Store, open_batch: Callable[[Attempt], Batch]
) -> Outcome:
    """Make an attempt that runs nothing: check the files that it is given, and let them be what it gives."""
    attempt.running = True
    files = attempt.document.files
    directory.lay_out(attempt, store, files if reads_tables(attempt.document) else ())
    given = passed_on(files)
    verdict = judge(attempt, given, directory.folder, directory.stderr)
    attempt.usage = Usage(wall=time.time() - attempt.began)
    outcome = _outcome(attempt, directory, open_batch(attempt), attempt.verdict or verdict, None)
    if outcome.state is not State.COMPLETE:
        return outcome
    outputs = sorted((OutputFile(each.path, each.digest, each.size) for each in given), key=lambda each: each.path)
    return replace(outcome, outputs=tuple(outputs))


def _outcome(
    attempt: Attempt,
    directory: WorkingDirectory,
    batch: Batch,
    verdict: Verdict | None,
    exit_code: int | None,
    outputs: tuple[OutputFile, ...] = (),
    exports: Any = None,
) -> Outcome:
    """Give the outcome of an attempt with its logs, and with what it gives unless it has failed."""
    stdout, stderr = (
        (None, None) if directory.silent else (keep(directory.stdout, batch), keep(directory.stderr, batch))
    )
    last = tail(directory.stdout, directory.stderr) if stdout or stderr else ""
    if verdict is not None:
        return replace(attempt.failed(verdict, exit_code, last), stdout=stdout, stderr=stderr)
    return Outcome(
        task=attempt.document.task,
        fence=attempt.document.fence,
        state=State.COMPLETE,
        exit_code=exit_code,
        outputs=outputs,
        exports=exports,
        stdout=stdout,
        stderr=stderr,
        tail=last,
        usage=attempt.usage,
        started_at=attempt.began,
        ended_at=time.time(),
        image_digest=attempt.image_digest,
    )


def keep(log: CapturedLog, batch: Batch) -> Digest | None:
    """Store what a command printed, if anything."""
    content = log.content()
    if content is None:
        return None
    return (batch.add_file(content) if isinstance(content, Path) else batch.add_bytes(content)).digest
