"""What a command sees: its environment and its arguments."""

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from aliquot.executors.attempt import AttemptFailed
from aliquot.model.task import Cause, TaskDocument

TEMPORARY = "tmp"
"""The folder for temporary files in a working directory."""

TASK_MARK = "ALIQUOT_TASK"
OWNER_MARK = "ALIQUOT_OWNER"
"""Two variables that every process of a task inherits, by which leftovers are told from everything else."""

_NAME = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Z_][A-Z0-9_]*))")

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def default_path() -> str:
    """Give the search path of commands: beside this Python, then the system's own folders."""
    return f"{Path(sys.executable).parent}:{_SYSTEM_PATH}"


def task_mark(document: TaskDocument) -> str:
    """Name an attempt for `ALIQUOT_TASK`."""
    return f"{document.task}-{document.fence}"


def environment(document: TaskDocument, folder: str, path: str | None, owner: str) -> dict[str, str]:
    """Give every variable that the command sees, with places made absolute below `folder`.

    Nothing is inherited: what is not in the document is the search path, a home and a place for temporary files in
    the working directory, and a language that is the same everywhere. `path` is None in a container, whose image
    has its own. A value that no environment can hold is the user's error.
    """
    values = {"HOME": folder, "TMPDIR": f"{folder}/{TEMPORARY}", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    if path is not None:
        values["PATH"] = path
    values.update(document.environment)
    for name, place in document.places.items():
        values[name] = f"{folder}/{place}" if place not in {"", "."} else folder
    values[TASK_MARK] = task_mark(document)
    values[OWNER_MARK] = owner
    for name, value in values.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise AttemptFailed(
                Cause.USER,
                f"The variable {name!r} cannot be set: names may not hold '=', and neither names nor values may "
                f"hold a zero byte. Change the parameter that it comes from.",
            )
    return values


def arguments(command: str | tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """Give the arguments of a command; in a list, `$NAME` and `${NAME}` become values, unsplit.

    `$$` is a dollar sign. A name in capitals or braces that has no value is the user's error; any other dollar sign
    is left as it is.
    """
    if not command:
        raise AttemptFailed(Cause.USER, "The step has no command that could be run here; give it one.")
    if isinstance(command, str):
        return ["sh", "-c", command]

    def value_of(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2] or match[3]
        if name not in values:
            known = ", ".join(sorted(name for name in values if name not in {TASK_MARK, OWNER_MARK}))
            raise AttemptFailed(
                Cause.USER,
                f"The command names ${name}, which has no value here. It can use {known}; "
                f"for a dollar sign itself, write $$.",
            )
        return values[name]

    return [_NAME.sub(value_of, element) for element in command]


def find_program(name: str, path: str) -> str:
    """Give the file that a program's name means; one that is not there is the user's error."""
    if "/" in name:
        return name
    if found := shutil.which(name, path=path):
        return found
    raise AttemptFailed(
        Cause.USER,
        f"The command {name!r} was not found. Install it where the executor runs, or correct the name; "
        f"these folders were searched: {path}",
    )
