"""A task as a document, and what came of it: `task.json` and `outcome.json`.

A task needs the object store and nothing else of ours. The same document runs as a local process, in a container,
in a Kubernetes pod or in AWS Batch.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.record import record
from aliquot.model.state import State

DOCUMENT_FORMAT = 1


class Cause(StrEnum):
    """Why an attempt did not succeed, by who has to act."""

    USER = "user"
    OOM = "oom"
    TIMEOUT = "timeout"
    LOST = "lost"
    REFUSED = "refused"
    OURS = "ours"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task may use: processors, bytes of memory and of disk, seconds of wall time. None: no limit."""

    cpus: float = 1.0
    memory: int | None = None
    disk: int | None = None
    time: float | None = None


@record
class TaskFile:
    """A file that is put before the command starts: `path` below the working directory, and where its bytes lie."""

    path: str
    blob: Location


@record
class Call:
    """A Python function that is called in place of a command.

    `function` is `module:function`, with the module below `bundle/`. `values` are what it may ask for by name:
    parameters, captures and exports as they are, not as text. `inputs` are places as a document's `places` has them.
    """

    function: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    inputs: dict[str, str] = field(default_factory=dict[str, str])


@record
class TaskDocument:
    """All that decides how one attempt runs.

    `files` go to `in/…` and `bundle/…`, relative paths with `/`. `command` is a text for `sh -c` or an argument
    list, in which `$NAME` becomes the value, unsplit. `environment` holds every variable that the command sees, save
    for the ones whose value is a place on the machine: `places` maps those (`OUT`, `BUNDLE`, `TASK`, each input) to
    paths relative to the working directory, and `stage` makes them absolute. With `python` a function is called;
    `command`, `environment` and `places` are empty. `ensure` are rules, as `model.ensure` writes them, for the files
    that the task gives; without command and function, its files below `in/` are those. `run` is the run that it
    belongs to, and `depth` how many steps of it come before: of one run's attempts that wait, the deepest begins first.
    """

    key: Digest
    task: int
    fence: int
    name: str
    command: str | tuple[str, ...]
    store: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    places: dict[str, str] = field(default_factory=dict[str, str])
    files: tuple[TaskFile, ...] = ()
    image: str | None = None
    resources: Resources = Resources()
    network: bool = False
    python: Call | None = None
    ensure: tuple[dict[str, Any], ...] = ()
    run: int = 0
    depth: int = 0

    @property
    def only_checks(self) -> bool:
        """Say whether nothing runs, and the files that it is given are checked and passed on."""
        return bool(self.ensure) and not self.command and self.python is None

    def to_json(self) -> str:
        """Write the document as `task.json` holds it."""
        return _encode({"format": DOCUMENT_FORMAT, **_fields(self)})


@record
class OutputFile:
    """A file that the command left in `out/`: its path with a leading `/`, digest, and size in bytes."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used: seconds of wall and CPU time, bytes of memory at the peak."""

    wall: float = 0.0
    cpu: float = 0.0
    peak_memory: int = 0


@record
class Outcome:
    """What came of one attempt.

    `locations` says where the blobs named by outputs and logs lie, as far as this attempt wrote them. `tail` is the
    last lines of the output for a person to read. `exports` is the content of `out/exports.json`, None without one.
    `may_pass` says of a failure that what stood in the way may go away by itself: it is waited for.
    """

    task: int
    fence: int
    state: State
    cause: Cause | None = None
    exit_code: int | None = None
    message: str = ""
    outputs: tuple[OutputFile, ...] = ()
    exports: Any = None
    stdout: Digest | None = None
    stderr: Digest | None = None
    tail: str = ""
    locations: tuple[Location, ...] = ()
    usage: Usage = Usage()
    started_at: float = 0.0
    ended_at: float = 0.0
    image_digest: str | None = None
    may_pass: bool = False

    def lying_at(self, locations: tuple[Location, ...]) -> "Outcome":
        """Give the outcome with the places of its blobs: without `replace`, which takes longer than all else of it."""
        return Outcome(
            self.task, self.fence, self.state, self.cause, self.exit_code, self.message, self.outputs, self.exports,
            self.stdout, self.stderr, self.tail, locations, self.usage, self.started_at, self.ended_at,
            self.image_digest, self.may_pass,
        )  # fmt: skip

    def to_json(self) -> str:
        """Write the outcome as `outcome.json` holds it."""
        locations = [each._asdict() for each in self.locations]
        return _encode({"format": DOCUMENT_FORMAT, **_fields(self), "locations": locations})


def _fields(value: Any) -> dict[str, Any]:
    """Give a value as JSON has it; places with the names of their fields, for JSON would take them for lists."""
    if isinstance(value, TaskFile):
        return {"path": value.path, "blob": value.blob._asdict()}
    # `asdict` copies every value deeply, which took longer than all the rest of starting a small task.
    return {name: getattr(value, name) for name in value.__slots__}


# Made once: `json.dumps` with settings makes an encoder for every value.
_encode = json.JSONEncoder(default=_fields, separators=(",", ":"), ensure_ascii=False).encode


def _location(value: dict[str, Any]) -> Location:
    return Location(value["digest"], value["size"], value["pack"], value["offset"])


def task_from_json(text: str) -> TaskDocument:
    """Read a task document that `to_json` wrote."""
    value: dict[str, Any] = json.loads(text)
    value.pop("format")
    value["files"] = tuple(TaskFile(each["path"], _location(each["blob"])) for each in value["files"])
    value["resources"] = Resources(**value["resources"])
    if isinstance(value["command"], list):
        value["command"] = tuple(value["command"])  # pyright: ignore[reportUnknownArgumentType]
    if value.get("python"):
        value["python"] = Call(**value["python"])
    value["ensure"] = tuple(value.get("ensure", ()))
    return TaskDocument(**value)


def outcome_from_json(text: str) -> Outcome:
    """Read an outcome that `to_json` wrote."""
    value: dict[str, Any] = json.loads(text)
    value.pop("format")
    value["state"] = State(value["state"])
    value["cause"] = Cause(value["cause"]) if value["cause"] else None
    value["outputs"] = tuple(OutputFile(**each) for each in value["outputs"])
    value["locations"] = tuple(_location(each) for each in value["locations"])
    value["usage"] = Usage(**value["usage"])
    return Outcome(**value)
