"""`python -m aliquot.executors.stage task.json`: make one attempt, and write `outcome.json` beside its document.

This is what a cluster starts. It needs the store that the document names and nothing else of ours. The command works
in a folder of its own below the document's, which is removed afterwards. The exit code is 0 when the task is
complete, 1 when it has failed (`outcome.json` says why), 2 when there is no document to run.
"""

import os
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType

from aliquot.blobs import Store, open_store
from aliquot.executors.attempt import Attempt
from aliquot.executors.command import default_path, task_mark
from aliquot.executors.process_runner import ProcessRunner
from aliquot.executors.publisher import Publisher
from aliquot.executors.slot import Slot
from aliquot.executors.steps import perform
from aliquot.executors.turns import Turns
from aliquot.executors.watch import Watch
from aliquot.executors.working_directory import WorkingDirectory, write_outcome
from aliquot.model.errors import AliquotError
from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument, task_from_json

_GRACE = 5.0


def run_document(document: TaskDocument, folder: Path, store: Store) -> Outcome:
    """Make one attempt below `folder`; gives the outcome, whose bytes are all durable.

    SIGTERM and SIGINT end the command: whoever sends them takes the machine away, so the cause is `lost`.
    """
    place = folder.absolute() / f"attempt-{task_mark(document)}"
    directory = WorkingDirectory(place / "task", place)
    attempt = Attempt(Handle(f"stage:{task_mark(document)}"), document)
    watch = Watch(_GRACE)

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        attempt.condemn(Cause.LOST, f"The machine asked the attempt to stop ({signal.Signals(number).name}).")
        watch.hurry()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    outcomes: list[Outcome] = []
    publisher = Publisher(store.batch(), lambda: True, lambda ended: outcomes.extend(outcome for _, outcome in ended))
    owner = f"stage-{os.getpid()}-{secrets.token_hex(4)}"
    path = os.environ.get("PATH") or default_path()
    # Who starts this program looks after it: a command that is left alone is of no use to anybody.
    turns = Turns(1)
    slot = Slot(place, (directory.stdout, directory.stderr), turns, patience=_GRACE)
    runner = ProcessRunner(slot, watch, path, owner, inside_image=True)
    try:
        publisher.ended((attempt, perform(attempt, directory, store, runner, publisher.open_batch)))
    finally:
        publisher.close()
        watch.close()
        runner.close()
        turns.close()
        directory.close()
        place.rmdir()
        for number, handler in before.items():
            signal.signal(number, handler)
    return outcomes[0]


def main(arguments: list[str]) -> int:
    """Run the document that is named on the command line."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m aliquot.executors.stage TASK.JSON\n")
        return 2
    path = Path(arguments[0])
    try:
        document = task_from_json(path.read_text())
        store = open_store(document.store)
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{path} is not a task document that can be read: {error}\n")
        return 2
    except AliquotError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    outcome = run_document(document, path.parent, store)
    write_outcome(str(path.parent), outcome.to_json())
    return 0 if outcome.state is State.COMPLETE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
