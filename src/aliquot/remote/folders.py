"""Writing what comes from a server into a new folder: all of it, each file proved by its digest, or nothing."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from aliquot.blobs.new_folder import new_folder
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
    words = f"{target} is there already and holds something; {advice}."
    count = 0
    try:
        with new_folder(target, Conflict("target-not-empty", words, path=str(target))) as draft:
            for each in files:
                write_file(draft / _safe(each.place), each)
                count += 1
    except OSError as error:
        sentence = f"{target} cannot be written ({error.strerror}); mend that, then export again."
        raise Unavailable("target-unavailable", sentence, path=str(target)) from error
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
