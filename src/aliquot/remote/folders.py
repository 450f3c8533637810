"""Writing what comes from a server into a new folder: all of it, each file proved by its digest, or nothing."""

import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from aliquot.datasets.commit import require_path
from aliquot.model.digest import PREFIX
from aliquot.model.errors import Conflict, Damaged, Invalid, Unavailable


class Coming(NamedTuple):
    """A file that shall be written: where below the folder, its digest, and what gives its bytes."""

    place: str
    digest: str
    pieces: Callable[[], Iterator[bytes]]


def write_folder(target: Path, files: Iterable[Coming], *, advice: str) -> int:
    """Write files to a new or empty folder and say how many; `advice` is what to do where it holds something."""
    target = target.absolute()
    _require_empty(target, advice)
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex}.draft"
    count = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        for each in files:
            write_file(draft / _safe(each.place), each)
            count += 1
        _require_empty(target, advice)
        draft.rename(target)
    except OSError as error:
        sentence = f"{target} cannot be written ({error.strerror}); mend that, then export again."
        raise Unavailable("target-unavailable", sentence, path=str(target)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return count


def write_file(path: Path, file: Coming) -> None:
    """Write one file that is not there yet, and prove it."""
    hasher = blake3()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writing = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        sentence = f"{file.place} has the place of another file; this disk may not tell upper from lower case."
        raise Conflict("names-clash", sentence, path=file.place) from error
    with writing:
        for piece in file.pieces():
            hasher.update(piece)
            writing.write(piece)
    if PREFIX + hasher.hexdigest() != file.digest:
        path.unlink()
        sentence = f"What came of {file.place} is not what was stored; fetch it again, or let the lab verify it."
        raise Damaged("transfer-damaged", sentence, path=file.place, digest=file.digest)


def _safe(place: str) -> str:
    """Refuse a path that could lead out of the folder: it is the server that says it."""
    try:
        require_path("/" + place)
    except Invalid as error:
        sentence = f"The server names a path that no dataset takes: {place!r}."
        raise Damaged("entry-damaged", sentence, path=place) from error
    return place


def _require_empty(target: Path, advice: str) -> None:
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        sentence = f"{target} is there already and holds something; {advice}."
        raise Conflict("target-not-empty", sentence, path=str(target))
