"""One attempt at a task, as the threads of an executor share it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument, Usage

STATES = {
    Cause.USER: State.EXECUTOR_ERROR,
    Cause.OOM: State.EXECUTOR_ERROR,
    Cause.TIMEOUT: State.EXECUTOR_ERROR,
    Cause.LOST: State.SYSTEM_ERROR,
    Cause.REFUSED: State.SYSTEM_ERROR,
    Cause.OURS: State.SYSTEM_ERROR,
    Cause.CANCELED: State.CANCELED,
}
"""In which state an attempt ends, by the cause of its failure."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an attempt has failed, the sentence that says so, and whether it may go away by itself."""

    cause: Cause
    message: str
    may_pass: bool = False


class AttemptFailed(Exception):
    """Ends an attempt early; carries its verdict and never leaves the executor."""

    def __init__(self, cause: Cause, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.verdict = Verdict(cause, message, may_pass)


class Attempt:
    """One attempt: its document, how far it is, and how to end it.

    `stop` sends a signal to everything that the command started, and does nothing before and after.
    """

    __slots__ = (
        "_behind", "_claimed", "_verdict", "_wall", "began", "document", "handle", "image_digest", "lock", "running",
        "stop", "usage",
    )  # fmt: skip

    def __init__(self, handle: Handle, document: TaskDocument) -> None:
        self.handle = handle
        self.document = document
        self.running = False
        self.began = 0.0
        self.usage = Usage()
        self.image_digest: str | None = None
        self.lock = threading.Lock()
        self.stop: Callable[[int], None] | None = None
        self._verdict: Verdict | None = None
        self._behind: Verdict | None = None
        self._wall: float | None = None
        self._claimed = False

    @property
    def verdict(self) -> Verdict | None:
        """Give the reason for which the attempt was ended from outside, if it was."""
        return self._verdict

    def condemn(self, cause: Cause, message: str) -> bool:
        """Decide that the attempt has failed; the first verdict stays, and True says that it was this one."""
        with self.lock:
            if self._verdict:
                self._behind = self._behind or Verdict(cause, message)
                return False
            if cause is Cause.TIMEOUT and self._in_time():
                return False
            self._verdict = Verdict(cause, message)
            return True

    def ended_after(self, wall: float) -> None:
        """Note in how many seconds the command has ended: in time, it was not ended for taking too long.

        A supervisor that was itself held up (stopped, swapped out) may look at the clock before it hears of an end.
        """
        with self.lock:
            self._wall = wall
            if self._verdict and self._verdict.cause is Cause.TIMEOUT and self._in_time():
                self._verdict, self._behind = self._behind, None

    def _in_time(self) -> bool:
        limit = self.document.resources.time
        return self._wall is not None and limit is not None and self._wall < limit

    def claim(self) -> bool:
        """Take the attempt to bring it to its outcome; True for the first who asks, and for nobody else."""
        with self.lock:
            first, self._claimed = not self._claimed, True
            return first

    def give_up(self) -> None:
        """Let others claim the attempt: it was not begun, and waits again."""
        with self.lock:
            self._claimed = False

    def check(self) -> None:
        """Leave the attempt when it was condemned meanwhile."""
        if self._verdict:
            raise AttemptFailed(self._verdict.cause, self._verdict.message)

    def signal(self, number: int) -> None:
        """Send a signal to what the command started, if it runs."""
        with self.lock:
            if self.stop:
                self.stop(number)

    def failed(self, verdict: Verdict, exit_code: int | None = None, tail: str = "") -> Outcome:
        """Give the outcome of an attempt that has failed."""
        return Outcome(
            task=self.document.task,
            fence=self.document.fence,
            state=STATES[verdict.cause],
            cause=verdict.cause,
            exit_code=exit_code,
            message=verdict.message,
            tail=tail,
            usage=self.usage,
            started_at=self.began,
            ended_at=time.time(),
            image_digest=self.image_digest,
            may_pass=verdict.may_pass,
        )
