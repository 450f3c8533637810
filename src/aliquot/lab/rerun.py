"""Doing a task of the past again, in a store of its own."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from aliquot.blobs import Batch, Store
from aliquot.blobs.pack import SMALL
from aliquot.datasets import places
from aliquot.engine.chain import Link
from aliquot.engine.document import Command, Given, command_of, document
from aliquot.engine.keys import environment_of
from aliquot.engine.pipelines import Applied, by_id
from aliquot.lab.executors import Executors
from aliquot.lab.lab import Lab
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest
from aliquot.model.errors import AliquotError
from aliquot.model.seams import Executor, Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, TaskDocument, TaskFile

_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a task done again: its outcome, its files as path to digest, and where each content lies.

    `differed` says what was not as the first time before it began.
    """

    outcome: Outcome
    files: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    places: Mapping[Digest, Location] = field(default_factory=dict[Digest, Location])
    differed: tuple[str, ...] = ()


class Rerun:
    """Does tasks again: what arrived is copied to a store apart, what tasks gave comes from the tasks done again."""

    def __init__(self, lab: Lab, store: Store, executors: Executors) -> None:
        self._lab = lab
        self._store = store
        self._executors = executors
        self._copied: dict[Digest, Location] = {EMPTY: Location(EMPTY, 0)}
        self._applied: dict[int, Applied] = {}
        self._under_way: dict[tuple[str, Handle], tuple[Executor, Link, tuple[str, ...]]] = {}
        self._ended: list[tuple[str, Made]] = []

    def begin(self, link: Link, made: Mapping[str, Made]) -> None:
        """Begin a task whose makers have all ended; one that cannot begin ends at once."""
        try:
            given = self._given(link, made)
            if isinstance(given, str):
                self._end(link, _not_made(link, given))
                return
            command = self._command(link)
            executor = self._executors(command.step.image)
            now = environment_of(command.step, self._executors)
            differed = () if now == command.parts["environment"] else (f"environment {now}",)
            handle = executor.submit([_as_asked(link, document(link.task, command, given, self._store.url))])[0]
        except AliquotError as error:
            self._end(link, _not_made(link, error.message))
            return
        self._under_way[executor.name, handle] = (executor, link, differed)

    def ended(self, alive: Callable[[], None]) -> Iterator[tuple[str, Made]]:
        """Give what has ended, as key and what came of it; waits until something has, if anything is under way.

        `alive` is called while it waits, again and again.
        """
        while not self._ended and self._under_way:
            self._look()
            alive()
        ended, self._ended = self._ended, []
        yield from ended

    def _look(self) -> None:
        executors = {executor.name: executor for executor, _, _ in self._under_way.values()}
        for name, executor in executors.items():
            handles = [handle for of, handle in self._under_way if of == name]
            executor.wait(_LOOK)
            for sighting in executor.look(handles):
                if sighting.outcome is None and not sighting.lost:
                    continue
                _, link, differed = self._under_way.pop((name, sighting.handle))
                outcome = sighting.outcome or _not_made(link, "The attempt was lost.")
                files = {each.path: each.digest for each in outcome.outputs}
                where = {each.digest: each for each in outcome.locations} | {EMPTY: Location(EMPTY, 0)}
                self._ended.append((link.task.key, Made(outcome, files, where, differed)))
                executor.forget([sighting.handle])

    def _end(self, link: Link, outcome: Outcome) -> None:
        self._ended.append((link.task.key, Made(outcome)))

    def _given(self, link: Link, made: Mapping[str, Made]) -> Given | str:
        """Give a task's files with their places, or say which one was not made again."""
        arrived = self._copies([each.digest for each in link.takes if each.maker is None])
        given: list[tuple[str, str, Location]] = []
        for each in link.takes:
            if each.maker is None:
                given.append((each.input, each.path, arrived[each.digest]))
                continue
            digest = made[each.maker].files.get(each.path)
            if digest is None:
                return f"Its input {each.path} was not made again."
            given.append((each.input, each.path, made[each.maker].places[digest]))
        return given

    def _command(self, link: Link) -> Command:
        number = link.run.definition_id
        with self._lab.catalogue.read() as connection:
            if number not in self._applied:
                self._applied[number] = by_id(connection, number)
            command = command_of(connection, self._applied[number], link.run, link.task.step)
        where = self._copies([each.blob.digest for each in command.code])
        return replace(command, code=tuple(TaskFile(each.path, where[each.blob.digest]) for each in command.code))

    def _copies(self, digests: list[Digest]) -> Mapping[Digest, Location]:
        """Copy blobs from the lab's store, each once."""
        missing = [digest for digest in dict.fromkeys(digests) if digest not in self._copied]
        with self._lab.catalogue.read() as connection:
            where = places.require(connection, missing)
        batch = self._store.batch()
        for digest in missing:
            self._copy(where[digest], batch)
        self._copied |= {place.digest: place for place in batch.flush()}
        return self._copied

    def _copy(self, place: Location, batch: Batch) -> None:
        store = self._lab.store
        if path := store.local_path(place):
            batch.add_file(path)
        elif place.size < SMALL:
            batch.add_bytes(store.read_checked(place))
        else:
            with TemporaryDirectory(prefix="aliquot-copy-") as folder:
                store.fetch(place, Path(folder) / "blob")
                batch.add_file(Path(folder) / "blob")


def _as_asked(link: Link, made: TaskDocument) -> TaskDocument:
    """Ask for what the first time was asked for, which may have been learnt since from other tasks."""
    if not link.asked:
        return made
    asked = replace(made.resources, **link.asked)
    environment = {**made.environment, "CPUS": f"{asked.cpus:g}"}
    if asked.memory:
        environment["MEMORY_MB"] = str(asked.memory // 2**20)
    return replace(made, resources=asked, environment=environment)


def _not_made(link: Link, message: str) -> Outcome:
    now = time.time()
    return Outcome(
        link.task.id,
        link.task.fence,
        State.SYSTEM_ERROR,
        Cause.REFUSED,
        message=message,
        started_at=now,
        ended_at=now,
    )
