"""Results that are known by name before they are there: those of steps that only check files and pass them on.

Nobody can say beforehand into which folder a command will write. A step without one gives the files that it takes,
under their own paths; when all of its tasks are planned, it can be told which folders still miss files.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from aliquot.db.tables import key_input, task
from aliquot.model.glob import compile_glob
from aliquot.model.pipeline import Pipeline, Step
from aliquot.model.state import State


def foretold(pipeline: Pipeline, unfinished: Collection[str], unplanned: Collection[str]) -> frozenset[str]:
    """Name those of the unfinished steps whose results are known by their paths."""
    return frozenset(each for each in unfinished if each not in unplanned and pipeline.steps[each].only_checks)


def missing(connection: Connection, run_id: int, steps: Collection[str]) -> dict[str, set[str]]:
    """Give the paths that these steps of a run may still give. A person may have what has failed tried again."""
    query = (
        select(task.c.step, key_input.c.path)
        .join(key_input, key_input.c.key == task.c.key)
        .where(task.c.run_id == run_id, task.c.step.in_(steps), task.c.state != State.COMPLETE)
    )
    found: dict[str, set[str]] = {each: set() for each in steps}
    for step, path in connection.execute(query):
        found[step].add(path)
    return found


def growing(step: Step, paths: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Give for each input of a step that takes from these steps the entries that still miss some of these paths."""
    found: dict[str, set[str]] = {}
    for name, given in step.inputs.items():
        if given.from_ in paths:
            datum_of = compile_glob(given.glob).datum_of
            found[name] = {hit[0] for path in paths[given.from_] if (hit := datum_of(path))}
    return found
