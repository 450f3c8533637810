"""What is installed beside the interpreter that functions run in, for the keys of their tasks."""

import platform
import sys
from functools import cache
from importlib.metadata import distributions

from aliquot.model.digest import Digest, digest_document

_OURS = "aliquot"


@cache
def installed() -> tuple[str, ...]:
    """List the installed distributions with their versions, Aliquot itself left out.

    Looked at once: a process goes on with what it has loaded, and so do the workers that it starts, by and large.
    """
    found: set[str] = set()
    for each in distributions():
        name = each.metadata["Name"]
        if name and name.lower() != _OURS:
            found.add(f"{name.lower().replace('_', '-')}=={each.version}")
    return tuple(sorted(found))


def python_identity(path: str) -> Digest:
    """Name the environment of functions: system, machine, interpreter, what is installed, and the search path."""
    return digest_document(
        {
            "system": platform.system(),
            "machine": platform.machine(),
            "python": sys.version,
            "installed": list(installed()),
            "path": path,
        }
    )
