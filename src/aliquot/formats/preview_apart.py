"""A preview made in a process of its own: what a broken or hostile file does to it, it does to nobody else."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from aliquot.formats.preview import Made, make_preview
from aliquot.model.errors import AliquotError, Unavailable

FAILED = "preview-failed"
"""The code of the finding when the process did not end well: another time, it may."""

_SUMMARY = "summary.json"
_REFUSED = "refused.json"
_MOST_MEMORY = 6 * 2**30
_MOST_SECONDS = 900.0
_MODEST = 10


def make_apart(kind: str, files: Sequence[Path], folder: Path) -> Made:
    """Make a preview as `make_preview` does, within 6 GiB of memory and a quarter of an hour.

    What kills the process gives a summary with a finding; `Unavailable` where an extra is missing.
    """
    command = [sys.executable, "-m", "aliquot.formats.preview_apart", kind, str(folder), *map(str, files)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_MOST_SECONDS, check=False, cwd=folder)
        reason = "" if done.returncode == 0 else _reason(done.stderr)
    except subprocess.TimeoutExpired:
        reason = "it took longer than a quarter of an hour"
    if reason:
        for part in folder.iterdir():
            part.unlink()
        text = f"No preview could be made of this file: {reason}. It can be downloaded all the same."
        return Made({"kind": kind, "findings": [{"code": FAILED, "text": text, "severity": "error"}]})
    if (folder / _REFUSED).exists():
        refused = json.loads((folder / _REFUSED).read_bytes())
        raise Unavailable(refused["code"], refused["message"], **refused["facts"])
    summary = json.loads((folder / _SUMMARY).read_bytes())
    (folder / _SUMMARY).unlink()
    return Made(summary, {part.name: part for part in sorted(folder.iterdir())})


def _reason(said: bytes) -> str:
    if b"MemoryError" in said or b"memory allocation" in said:
        return "it needs more than 6 GiB of memory"
    return "the program that reads it broke"


def main() -> None:
    """Make a preview as the arguments say: kind, folder, files."""
    kind, folder, *files = sys.argv[1:]
    os.nice(_MODEST)
    # Mapped files do not count here, only what is written to.
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
    place = Path(folder)
    try:
        made = make_preview(kind, [Path(file) for file in files], place)
    except AliquotError as error:
        (place / _REFUSED).write_text(json.dumps(error.document()))
        return
    (place / _SUMMARY).write_text(json.dumps(made.summary, allow_nan=False))


if __name__ == "__main__":
    main()
