"""A run of a lab on a server from Python: its state, its tasks, its outputs, and waiting for it."""

import time
from collections.abc import Mapping

from aliquot.lab.api_files import FileSet
from aliquot.lab.run_files import GivenFile
from aliquot.lab.runs import RunLine, TaskLine
from aliquot.model.errors import Unavailable
from aliquot.model.state import ENDED, State
from aliquot.remote import runs
from aliquot.remote.api_files import checkout_of
from aliquot.remote.client import Client
from aliquot.remote.events import follow


class Run:
    """One execution of a pipeline. `state` and all else is looked up when it is asked for."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self.number = number

    def __repr__(self) -> str:
        line = self.line
        return f"<Run {self.number} of {line.pipeline}: {line.state}>"

    @property
    def line(self) -> RunLine:
        """Give the run in short: pipeline, state, message, who and when; `Missing` when it is not there."""
        return runs.detail(self._client, self.number).run

    @property
    def state(self) -> State:
        """Give the run's state."""
        return State(self.line.state)

    @property
    def ended(self) -> bool:
        """Say whether the run has come to its end, good or bad."""
        return self.state in ENDED

    def wait(self, timeout: float | None = None) -> State:
        """Wait for the run's end, and give its state; `Unavailable` (wait-ran-out) after `timeout` seconds.

        Its work is done where the lab is. A server that is away meanwhile is waited for, five minutes at most.
        """
        until = None if timeout is None else time.monotonic() + timeout
        for found in follow(self._client, self.number, self._client.notice, until=until):
            if State(found.run.state) in ENDED:
                return State(found.run.state)
        if (state := self.state) in ENDED:
            return state
        words = f"Run {self.number} has not ended in time; it goes on where somebody works on it."
        raise Unavailable("wait-ran-out", words, run=self.number)

    def outputs(self) -> Mapping[str, FileSet]:
        """Give the files of each output, by the output's name; tasks that failed gave none."""
        found = runs.outputs(self._client, self.number)
        return {name: self._files(files) for name, files in found.items()}

    def tasks(self) -> list[TaskLine]:
        """List the tasks, in the order of their steps; of a log, the last line."""
        return runs.tasks(self._client, self.number)

    def failed(self) -> list[TaskLine]:
        """List the tasks that failed for good, with the cause, the message, and the last lines of their output."""
        return runs.parked(self._client, self.number, None, (), None).tasks

    def cancel(self) -> None:
        """Ask for the run's end; `Conflict` when it has ended already."""
        runs.steer(self._client, self.number, "cancel")

    def _files(self, files: list[GivenFile]) -> FileSet:
        by_path = {each.path: each for each in files}
        checkout = checkout_of(lambda file: runs.pieces(self._client, self.number, by_path[file.path]))
        return FileSet(checkout, by_path)
