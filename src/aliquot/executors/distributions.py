"""What is installed beside the interpreter that functions run in, for the keys of their tasks."""

import platform
import re
import sys
from functools import cache
from importlib.metadata import distributions

from aliquot.model.digest import Digest, digest_document

_OURS = "aliquot"
_NAME = re.compile(r"^Name:\s*(\S+)", re.MULTILINE)
_VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE)


@cache
def installed() -> tuple[str, ...]:
    """List the installed distributions with their versions, Aliquot itself left out.

    Looked at once: a process goes on with what it has loaded, and so do the workers that it starts, by and large.
    """
    found: set[str] = set()
    for each in distributions():
        # The two lines alone: to have all of it parsed, as `metadata` does, takes eight times as long.
        said = (each.read_text("METADATA") or each.read_text("PKG-INFO") or "").partition("\n\n")[0]
        name, version = _NAME.search(said), _VERSION.search(said)
        if name and version and name[1].lower() != _OURS:
            found.add(f"{name[1].lower().replace('_', '-')}=={version[1]}")
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
