"""Making files again: the chain of their tasks, apart from the lab's own results and without them."""

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from aliquot.access.by import By, require_may
from aliquot.access.projects import project_of_dataset
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.blobs import Store, open_store
from aliquot.datasets import places
from aliquot.engine.chain import Chain, Link, chain_of
from aliquot.engine.owner import surely_dead, this_process
from aliquot.lab.file_difference import first_difference, line_difference
from aliquot.lab.lab import STATE, Lab
from aliquot.lab.rerun import Made, Rerun
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import AliquotError
from aliquot.model.reference import Reference
from aliquot.model.state import State
from aliquot.model.task import Cause


@dataclass(frozen=True, slots=True)
class FileAgain:
    """A file and what it was when it was made again.

    `verdict` is identical, different, missing (the task no longer gives it), extra (it did not give it before) or
    not made (its task did not come to its end). `first_byte` counts from 0; `lines` is a diff of short texts.
    """

    path: str
    task: str
    verdict: str
    before: str | None
    after: str | None = None
    first_byte: int | None = None
    lines: str = ""


@dataclass(frozen=True, slots=True)
class TaskAgain:
    """A task of the chain that was done again: how it ended, and what differed for it from the first time.

    `differed` names its environment and the files that earlier tasks of the chain gave otherwise.
    """

    task: str
    state: str
    cause: str | None
    message: str
    tail: str
    identical: bool
    differed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What came of making files again: those that were asked for, and every task that it took, first ones first."""

    reference: str
    files: tuple[FileAgain, ...]
    tasks: tuple[TaskAgain, ...]

    @property
    def identical(self) -> bool:
        """Say whether every file is what it was."""
        return all(each.verdict == "identical" for each in self.files)

    def document(self) -> dict[str, Any]:
        """Give all of it as JSON."""
        return {**asdict(self), "identical": self.identical}


Tell = Callable[[int, int, str], None]
"""Is told again and again how many tasks have ended, of how many, and the last one's name; what it raises ends all."""


def find_chain(lab: Lab, by: By, reference: Reference) -> Chain:
    """Find the tasks that made the files of a reference, for somebody who may start each of their runs again."""
    with lab.catalogue.read() as connection:
        project = project_of_dataset(connection, reference.dataset) or DEFAULT_PROJECT
        require_may(by, "dataset.read", project, f"dataset {reference.dataset}")
        chain = chain_of(connection, reference)
    for number, project in sorted({(link.run.id, link.run.project) for link in chain.links.values()}):
        for action in ("run.start", "run.read"):
            require_may(by, action, project, f"run {number}")
    return chain


def reproduce(lab: Lab, reference: Reference, chain: Chain, tell: Tell) -> Reproduced:
    """Do all tasks of a chain again, from what arrived on, apart from the lab: nothing in it changes."""
    with _apart(lab) as folder:
        store = open_store(str(folder / "store"))
        executors = lab.executors_in(store, folder / "work")
        try:
            made = _again(chain, Rerun(lab, store, executors), tell)
            compared = _Comparing(lab, chain, made, store)
            tasks = tuple(compared.task(chain.links[key]) for key in made)
            files = tuple(compared.file(path, *wanted) for path, wanted in sorted(chain.wanted.items()))
        finally:
            executors.close()
            store.close()
    return Reproduced(str(reference), files, tasks)


def _again(chain: Chain, rerun: Rerun, tell: Tell) -> dict[str, Made]:
    """Do the tasks again, each when those before it have ended; gives what came of them in this order."""
    order = TopologicalSorter(
        {key: {each.maker for each in link.takes if each.maker} for key, link in chain.links.items()}
    )
    order.prepare()
    made: dict[str, Made] = {}
    last = ""

    def alive() -> None:
        tell(len(made), len(chain.links), last)

    while order.is_active():
        for key in order.get_ready():
            rerun.begin(chain.links[key], made)
        for key, outcome in rerun.ended(alive):
            made[key], last = outcome, chain.links[key].name
            order.done(key)
            alive()
    return made


@contextmanager
def _apart(lab: Lab) -> Generator[Path]:
    """Give a folder that goes when all is done; those of processes that were killed go now."""
    home = lab.folder / STATE / "reproduce"
    home.mkdir(parents=True, exist_ok=True)
    for left in home.iterdir():
        if surely_dead(unquote(left.name.rpartition("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{quote(this_process(), safe='')}-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Comparing:
    def __init__(self, lab: Lab, chain: Chain, made: Mapping[str, Made], store: Store) -> None:
        self._lab = lab
        self._chain = chain
        self._made = made
        self._store = store

    def task(self, link: Link) -> TaskAgain:
        made = self._made[link.task.key]
        outcome = made.outcome
        return TaskAgain(
            task=link.name,
            state=outcome.state,
            cause=outcome.cause or (Cause.OURS if outcome.state is not State.COMPLETE else None),
            message=outcome.message,
            tail=outcome.tail,
            identical=made.files == link.gave,
            differed=(*made.differed, *self._inputs(link)),
        )

    def _inputs(self, link: Link) -> Iterator[str]:
        for each in link.takes:
            if each.maker and self._made[each.maker].files.get(each.path) != each.digest:
                yield f"input {each.input} {each.path}"

    def file(self, path: str, digest: Digest, key: str) -> FileAgain:
        made, task = self._made[key], self._chain.links[key].name
        if made.outcome.state is not State.COMPLETE:
            return FileAgain(path, task, "not made", digest)
        after = made.files.get(path)
        if after is None:
            return FileAgain(path, task, "missing", digest)
        if after == digest:
            return FileAgain(path, task, "identical", digest, after)
        at, lines = self._difference(digest, made.places[after])
        return FileAgain(path, task, "different", digest, after, at, lines)

    def _difference(self, before: Digest, after: Location) -> tuple[int | None, str]:
        try:
            with self._lab.catalogue.read() as connection:
                place = places.require(connection, [before])[before]
            at = first_difference(self._lab.store.stream(place), self._store.stream(after))
            return at, line_difference(self._lab.store.read(place), self._store.read(after))
        except AliquotError:
            # The first content may be gone by now: its digest still tells that they differ.
            return None, ""
