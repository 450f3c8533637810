"""Runs of a lab on a server: starting, watching, steering them, and what they gave."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aliquot.engine.explain import Reason
from aliquot.lab.compare import RunComparison
from aliquot.lab.run_detail import RunDetail
from aliquot.lab.run_files import GivenFile, OutputLine
from aliquot.lab.run_tries import Parked
from aliquot.lab.runs import AttemptLine, RunLine, TaskLine
from aliquot.model.errors import Missing
from aliquot.remote.client import Client, path_of
from aliquot.remote.folders import Coming, write_folder
from aliquot.remote.lists import at_most


@dataclass(frozen=True, slots=True)
class RunList:
    """A page of runs."""

    runs: list[RunLine]
    next: str | None


@dataclass(frozen=True, slots=True)
class TaskList:
    """A page of tasks."""

    tasks: list[TaskLine]
    next: str | None


@dataclass(frozen=True, slots=True)
class ParkedList:
    """A page of parked tasks, with the counts of all of them."""

    counts: dict[str, int]
    tasks: list[TaskLine]
    tried: list[AttemptLine]
    next: str | None


@dataclass(frozen=True, slots=True)
class AttemptList:
    """A page of attempts."""

    attempts: list[AttemptLine]
    next: str | None


@dataclass(frozen=True, slots=True)
class OutputList:
    """A page of an output's files, with all outputs."""

    outputs: list[OutputLine]
    output: str
    files: list[GivenFile]
    next: str | None


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was queued."""

    run: int
    state: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands after it was steered."""

    run: int
    state: str
    priority: int
    cancel_asked: bool
    looked_after: bool
    under_way: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """The run in which parked tasks are tried again, how many; `outdated` names a pipeline that has changed since."""

    run: int
    parked: int
    outdated: str | None


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The runs that make again what was swept."""

    runs: list[int]


def start(
    client: Client, pipeline: str, parameters: Mapping[str, Any], inputs: Mapping[str, str], *, publish: bool = False,
    priority: int | None = None, deadline: float | None = None,
) -> int:  # fmt: skip
    """Queue a run and give its number."""
    wish = {
        "pipeline": pipeline, "parameters": dict(parameters), "inputs": dict(inputs), "publish": publish,
        "priority": priority, "deadline": deadline,
    }  # fmt: skip
    return client.post(Started, "/runs", wish).run


def runs(client: Client, pipeline: str | None, state: str | None, limit: int | None) -> tuple[list[RunLine], int]:
    """List runs, newest first, and say how many there are."""
    asked = None if limit is None else limit + 1
    pages = client.pages(RunList, "/runs", limit=asked, pipeline=pipeline, state=state)
    return at_most((each for page in pages for each in page.runs), limit)


def detail(client: Client, number: int) -> RunDetail:
    """Look at a run."""
    return client.get(RunDetail, path_of("runs", number))


def steer(client: Client, number: int, verb: str, body: Any = None) -> Standing:
    """Cancel, pause, resume a run, or give it a priority."""
    return client.post(Standing, path_of("runs", number, verb), body)


def retry(client: Client, number: int, tasks: Sequence[str], causes: Sequence[str]) -> Repeated:
    """Try again what is parked."""
    return client.post(Repeated, path_of("runs", number, "retry"), {"tasks": list(tasks), "causes": list(causes)})


def recompute(client: Client, number: int) -> list[int]:
    """Make again what was swept of a run; gives the runs that do it."""
    return client.post(Recomputed, path_of("runs", number, "recompute")).runs


def parked(client: Client, number: int, task: str | None, causes: Sequence[str], limit: int | None) -> Parked:
    """List what is parked in a run."""
    asked = client.pages(ParkedList, path_of("runs", number, "parked"), limit=limit, task=task, cause=list(causes))
    pages = list(asked)
    shown = [each for page in pages for each in page.tasks]
    return Parked(pages[0].counts, shown[:limit], pages[0].tried)


def tasks(client: Client, number: int, stands: str = "") -> list[TaskLine]:
    """List the tasks of a run, or those that stand so."""
    pages = client.pages(TaskList, path_of("runs", number, "tasks"), stands=stands)
    return [each for page in pages for each in page.tasks]


def attempts(client: Client, number: int, task: str | None) -> list[AttemptLine]:
    """List the attempts of a run's tasks, or of one of them."""
    pages = client.pages(AttemptList, path_of("runs", number, "attempts"), task=task)
    return [each for page in pages for each in page.attempts]


def log(client: Client, number: int, tried: AttemptLine, stream: str) -> bytes:
    """Give what an attempt wrote to stdout or stderr."""
    if not getattr(tried, stream):
        return b""
    path = path_of("runs", number, "tasks", *split_task(number, tried.task), "log", tried.attempt, stream)
    return client.send("GET", path).content


def why(client: Client, number: int, task: str) -> Reason:
    """Say why a task ran or was skipped."""
    return client.get(Reason, path_of("runs", number, "tasks", *split_task(number, task), "why"))


def compare(client: Client, before: int, after: int) -> RunComparison:
    """Compare two runs."""
    return client.get(RunComparison, path_of("runs", after, "compare", before))


def outputs(client: Client, number: int) -> dict[str, list[GivenFile]]:
    """Give the files of each output of a run by their paths; two tasks may have given one file, alike."""
    path = path_of("runs", number, "outputs")
    first = client.get(OutputList, path, limit=1)
    return {each.name: _files(client, path, each.name) for each in first.outputs}


def _files(client: Client, path: str, name: str) -> list[GivenFile]:
    found: dict[str, GivenFile] = {}
    for page in client.pages(OutputList, path, output=name):
        for each in page.files:
            found.setdefault(each.path, each)
    return [found[each] for each in sorted(found)]


def write_outputs(client: Client, number: int, files: Mapping[str, Sequence[GivenFile]], target: Path) -> int:
    """Write outputs to a new or empty folder, each in a folder of its name, all or nothing; count the files."""

    def coming() -> Iterator[Coming]:
        for name, several in files.items():
            for each in several:
                yield Coming(name + each.path, each.digest, partial(pieces, client, number, each))

    return write_folder(target, coming(), advice="name a new folder")


def pieces(client: Client, number: int, file: GivenFile) -> Iterator[bytes]:
    """Give the bytes of a file that a run gave."""
    path = path_of("runs", number, "tasks", *split_task(number, file.task), "files", *file.path.split("/")[1:])
    with client.stream(path) as response:
        yield from response.iter_bytes(1 << 20)


def split_task(number: int, name: str) -> tuple[str, str]:
    """Read `step/ordinal`; anything else names no task."""
    step, _, ordinal = name.rpartition("/")
    if not step or not ordinal.isdecimal():
        words = f"Run {number} has no task {name!r}; name it as `aliquot run show {number}` does, like step/1."
        raise Missing("task-missing", words, run=number, task=name)
    return step, ordinal
