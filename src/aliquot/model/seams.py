"""Every Protocol of the house, on one page. One is drawn only where two real implementations exist."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NewType, Protocol

from aliquot.model.digest import Digest
from aliquot.model.finding import Report
from aliquot.model.task import Outcome, TaskDocument

Handle = NewType("Handle", str)
"""An executor's own name for an attempt, enough to find it again after a restart."""


class Sighting(NamedTuple):
    """What an executor saw of one handle.

    `running` is true from the moment at which the command may have begun. With `outcome` the attempt has ended and
    every byte that the outcome names is durable. Neither: it waits, or the executor does not know the handle (`lost`).
    """

    handle: Handle
    running: bool = False
    lost: bool = False
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """An attempt that was begun for a supervisor that is gone: at which task, under which fence, with which key."""

    task: int
    fence: int
    key: Digest


class Executor(Protocol):
    """A place where tasks run. It renders, submits and looks; it never decides.

    Contract: `submit` is idempotent by task and fence, and gives the handles in the order of the documents; what was
    taken over and has the same task and key is watched on under the new fence, not started again; `look`
    answers for every handle that it is asked about; `cancel` ends the whole tree of processes within seconds, after
    which `look` shows an outcome; silence means nothing. What keeps an attempt from starting (an image that cannot be
    had) is an outcome with cause `refused`, not an exception.
    """

    name: str

    def identity(self, image: str | None, *, python: bool = False) -> str:
        """Name what runs the command, for task keys: an image's digest, or this environment's identity.

        With `python`, of a step that is a function: what is installed beside the interpreter counts, too.
        """
        ...

    @property
    def capacity(self) -> int:
        """Say how many attempts it makes sense to have submitted at once."""
        ...

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        """Start attempts, or find them again when they were started already."""
        ...

    def take_over(self) -> Sequence[Leftover]:
        """Take charge of attempts whose supervisor is gone; gives all that were neither submitted nor dropped yet."""
        ...

    def drop(self, tasks: Iterable[int]) -> None:
        """End the attempts at these tasks that were taken over and that nobody wants."""
        ...

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """See what became of attempts."""
        ...

    def fresh(self) -> Sequence[Handle]:
        """Give the attempts whose outcome has appeared since the last time: a hint where to look, not the truth."""
        ...

    def cancel(self, handles: Iterable[Handle]) -> None:
        """End attempts, with everything that they started."""
        ...

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
        """Take back attempts that have not begun, as if they had never been submitted; gives those."""
        ...

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of what is kept for attempts whose outcome has been recorded."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when something may have changed, or after so many seconds."""
        ...

    def close(self) -> None:
        """End what still runs and let go of everything."""
        ...


class Format(Protocol):
    """What one kind of file means."""

    name: str

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check a file, or the files of a set, by name; a broken file gives findings, never an exception."""
        ...


class Vault(Protocol):
    """A place where secrets are kept."""

    def get(self, name: str) -> str:
        """Give a secret's value, or raise `Missing`."""
        ...
