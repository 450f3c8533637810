"""The executor of a machine without containers: commands as processes, functions in warm workers."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aliquot.blobs import Store
from aliquot.executors.command import default_path
from aliquot.executors.distributions import python_identity
from aliquot.executors.owner import Owner
from aliquot.executors.process import ProcessExecutor
from aliquot.executors.warm import WarmExecutor
from aliquot.model.seams import Executor, Handle, Leftover, Sighting
from aliquot.model.task import TaskDocument

_TURN = 0.02


class LocalExecutor:
    """Runs commands as processes and calls functions in warm workers, `workers` of each at once.

    The workers for functions are there from the first function on. `path` and `grace` are as of commands.
    """

    name = "process"

    def __init__(self, store: Store, work: Path, workers: int, path: str | None = None, *, grace: float = 3.0) -> None:
        self._path = path or default_path()
        self._processes = ProcessExecutor(store, work, workers, path, grace=grace)
        self._make_warm: Callable[[], WarmExecutor] = lambda: WarmExecutor(
            store, Owner(work), workers, path, grace=grace
        )
        self._warm: WarmExecutor | None = None
        self._in_processes: set[Handle] = set()
        self._in_workers: set[Handle] = set()

    def identity(self, image: str | None = None, *, python: bool = False) -> str:
        """Name the environment of commands; for functions with what is installed beside the interpreter."""
        return python_identity(self._path) if python else self._processes.identity(image)

    @property
    def capacity(self) -> int:
        """Say how many attempts it makes sense to have submitted at once."""
        return max(each.capacity for each in self._parts())

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        """Start attempts, or find them again when they were started already."""
        calls = [each for each in documents if each.python]
        commands = [each for each in documents if not each.python]
        begun: list[Handle] = []
        called: list[Handle] = []
        if commands:
            begun = self._processes.submit(commands)
            self._in_processes.update(begun)
        if calls:
            warm = self._warm = self._warm or self._make_warm()
            called = warm.submit(calls)
            self._in_workers.update(called)
        if not begun or not called:
            return begun or called
        each_of = iter(begun), iter(called)
        return [next(each_of[each.python is not None]) for each in documents]

    @property
    def runtime(self) -> str:
        """Name the command that containers are started with: nothing."""
        return self._processes.runtime

    def take_over(self) -> Sequence[Leftover]:
        """Take charge of commands whose supervisor is gone; functions have ended with theirs."""
        return self._processes.take_over()

    def drop(self, tasks: Iterable[int]) -> None:
        """End the attempts at these tasks that were taken over and that nobody wants."""
        self._processes.drop(tasks)

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """See what became of attempts."""
        asked = list(handles)
        divided = self._divided(asked)
        if len(divided) == 1:
            return divided[0][0].look(asked)
        seen = {each.handle: each for executor, mine in divided for each in executor.look(mine)}
        return [seen[each] for each in asked]

    def fresh(self) -> list[Handle]:
        """Give the attempts whose outcome has appeared since the last time."""
        return [handle for each in self._parts() for handle in each.fresh()]

    def cancel(self, handles: Iterable[Handle]) -> None:
        """End attempts, with everything that they started."""
        for executor, mine in self._divided(handles):
            executor.cancel(mine)

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
        """Take back attempts that have not begun, as if they had never been submitted; gives those."""
        taken = [each for executor, mine in self._divided(handles) for each in executor.withdraw(mine)]
        self._in_workers.difference_update(taken)
        self._in_processes.difference_update(taken)
        return taken

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of what is kept for attempts whose outcome has been recorded."""
        for executor, mine in self._divided(handles):
            executor.forget(mine)
            self._in_workers.difference_update(mine)
            self._in_processes.difference_update(mine)

    def wait(self, seconds: float) -> None:
        """Return when something may have changed, or after so many seconds."""
        if not self._in_workers or self._warm is None:
            self._processes.wait(seconds)
        elif not self._in_processes:
            self._warm.wait(seconds)
        else:
            # Both are at work: neither is kept waiting for long by the other.
            self._warm.wait(min(seconds, _TURN))
            self._processes.wait(0)

    def close(self) -> None:
        """End what still runs and let go of everything."""
        for each in self._parts():
            each.close()

    def _parts(self) -> list[Executor]:
        parts: list[Executor] = [self._processes]
        return [*parts, self._warm] if self._warm else parts

    def _divided(self, handles: Iterable[Handle]) -> list[tuple[Executor, list[Handle]]]:
        """Give each part the handles that are its own; what neither knows is for the processes to judge."""
        asked = list(handles)
        mine = [each for each in asked if each in self._in_workers]
        others = asked if not mine else [each for each in asked if each not in self._in_workers]
        divided: list[tuple[Executor, list[Handle]]] = [(self._processes, others)] if others else []
        if mine and self._warm:
            divided.append((self._warm, mine))
        return divided
