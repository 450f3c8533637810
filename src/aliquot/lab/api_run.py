"""A run from Python: its state, its tasks, its outputs, and waiting for it."""

import time
from collections.abc import Mapping

from aliquot.engine import control
from aliquot.engine.publish import FAILED
from aliquot.engine.supervise import Supervisor
from aliquot.lab import acts_run
from aliquot.lab.api_files import FileSet, checkout_of
from aliquot.lab.lab import Lab
from aliquot.lab.loads import load_waiting
from aliquot.lab.outputs import outputs
from aliquot.lab.runs import RunLine, TaskLine, run_line, tasks
from aliquot.model.errors import Unavailable
from aliquot.model.state import ENDED, State

_LOOK = 0.1


class Run:
    """One execution of a pipeline. `state` and all else is looked up when it is asked for."""

    def __init__(self, parts: Lab, number: int) -> None:
        self._parts = parts
        self.number = number

    def __repr__(self) -> str:
        line = self.line
        return f"<Run {self.number} of {line.pipeline}: {line.state}>"

    @property
    def line(self) -> RunLine:
        """Give the run in short: pipeline, state, message, who and when; `Missing` when it is not there."""
        with self._parts.catalogue.read() as connection:
            return run_line(control.find_run(connection, self.number))

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

        Where another supervisor looks after the run (an `aliquot up`), this only watches. Otherwise this process does
        the work, as `aliquot run start --wait` does; what is under way when it stops is given back.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.ended and self._elsewhere():
            _check(self.number, deadline)
            time.sleep(_LOOK)
        if not self.ended:
            self._supervise(deadline)
        line = self.line
        if line.publish and line.state == State.COMPLETE:
            load_waiting(self._parts)
        return State(line.state)

    def outputs(self) -> Mapping[str, FileSet]:
        """Give the files of each output, by the output's name; tasks that failed gave none."""
        with self._parts.catalogue.read() as connection:
            found = outputs(connection, control.find_run(connection, self.number))
        checkout = checkout_of(self._parts)
        return {name: FileSet(checkout, {file.path: file for file in files}) for name, files in found.items()}

    def tasks(self) -> list[TaskLine]:
        """List the tasks, in the order in which they were planned."""
        with self._parts.catalogue.read() as connection:
            control.find_run(connection, self.number)
            return tasks(connection, self.number)

    def failed(self) -> list[TaskLine]:
        """List the tasks that failed for good, with the cause, the message, and the last lines of their output."""
        with self._parts.catalogue.read() as connection:
            control.find_run(connection, self.number)
            return tasks(connection, self.number, FAILED)

    def cancel(self) -> None:
        """Ask for the run's end; `Conflict` when it has ended already."""
        with self._parts.catalogue.write() as connection:
            acts_run.cancel(connection, self._parts.by, self.number)

    def _elsewhere(self) -> bool:
        """Say whether a supervisor looks after the run now."""
        with self._parts.catalogue.read() as connection:
            until = control.find_run(connection, self.number).lease_until
        return until is not None and until > time.time()

    def _supervise(self, deadline: float | None) -> None:
        # Executors of its own: closing the supervisor closes them, and the lab may wait for another run later.
        parts = self._parts
        executors = parts.executors_in(parts.store, parts.work)
        supervisor = Supervisor(
            parts.catalogue, parts.store, executors, pools=parts.config.pools, executors=executors.here
        )
        supervisor.open()
        try:
            while True:
                moved = supervisor.cycle()
                if self.ended:
                    return
                _check(self.number, deadline)
                if not moved:
                    supervisor.wait(_LOOK)
        finally:
            supervisor.close()
            executors.close()


def _check(number: int, deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise Unavailable(
            "wait-ran-out", f"Run {number} has not ended in time; it goes on where somebody works on it.", run=number
        )
