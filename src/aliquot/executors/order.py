"""What a slot asks of its shepherd, and what it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aliquot.executors.note import Note
from aliquot.executors.parcel import Packed
from aliquot.model.task import TaskDocument

_LEEWAY = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a shepherd is asked to start for an attempt.

    `shell` is given for a program that may be started without one: the shell's file and arguments that mean the same.
    `name` and `image` are those of a container; `undo` is a command that ends what killing the program does not.
    `files` are for the shepherd to lay out, all that the command finds; None when that was done. `doubt`: somebody
    else was at work in the folder since. `gathers`: if the command took less than so many seconds, the shepherd may
    take up what it leaves; that is then with the supervisor alone, and is made again if it is killed.
    """

    document: TaskDocument
    program: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    name: str = ""
    image: str = ""
    undo: Sequence[str] = ()
    files: Sequence[Packed] | None = None
    doubt: bool = False
    gathers: float = 0.0
    shell: Sequence[str] = ()

    def words(self) -> dict[str, Any]:
        """Give the order as the shepherd reads it."""
        limit = self.document.resources.time
        return {
            "task": self.document.task,
            "fence": self.document.fence,
            "key": self.document.key,
            "name": self.name,
            "image": self.image,
            "program": self.program,
            "arguments": self.arguments,
            # As the system takes them: the shepherd has the least time of all.
            "environment": {_bytes(name): _bytes(value) for name, value in self.environment.items()},
            "limit": None if limit is None else limit + _LEEWAY,
            "shell": list(self.shell),
            "undo": self.undo,
            "files": self.files,
            "doubt": self.doubt,
            "gathers": self.gathers,
        }


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended. `files` are what it left, by path, when the shepherd took that up and empties the folder.

    `silent`: it has printed nothing.
    """

    note: Note
    files: Sequence[tuple[str, bytes]] | None
    silent: bool


@dataclass(frozen=True, slots=True)
class RoundAnswer:
    """What became of a round's attempts since the last answer; `over` says that it is the last one.

    `ended` are those that were made, by number: how each ended, and what it left where the shepherd took that up.
    The first `begun` of all were begun or are under way, the others go back. `silent`: the last one has printed
    nothing. `error` is the number of the system's error for which not even the first could be laid out.
    """

    ended: Sequence[tuple[int, Note, Sequence[tuple[str, bytes]] | None]]
    begun: int
    over: bool
    silent: bool
    error: int
