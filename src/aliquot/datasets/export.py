"""Exporting: a version, or a folder or file of it, as plain files in a folder."""

from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from aliquot.blobs import Store
from aliquot.blobs.new_folder import new_folder
from aliquot.datasets import places
from aliquot.datasets.commit import require_path
from aliquot.datasets.read import Entry, entries, missing_file, resolve
from aliquot.db import Catalogue
from aliquot.model.blob import Location
from aliquot.model.digest import PREFIX
from aliquot.model.errors import AliquotError, Conflict, Damaged, Invalid, Unavailable
from aliquot.model.reference import Reference

_PAGE = 1_000


def export(catalogue: Catalogue, store: Store, reference: Reference, target: Path) -> int:
    """Write what a reference names to a new or empty folder, all of it or nothing, and say how many files that were.

    A folder of a version is written without the folders above it, a file by its name alone. Every file is a fresh
    copy whose digest was proved while it was written: bytes that are not those of the version are `Damaged`. A
    target that holds something is `Conflict`.
    """
    target = target.absolute()
    words = f"{target} is there already and holds something; export to a new folder."
    count = 0
    try:
        with new_folder(target, Conflict("target-not-empty", words, path=str(target))) as draft:
            for page in pages_of(catalogue, reference):
                for each, location, relative in page:
                    _write(store, each, location, draft / relative)
                count += len(page)
    except OSError as error:
        raise Unavailable(
            "target-unavailable",
            f"{target} cannot be written ({error.strerror}); mend that, then export again.",
            path=str(target),
        ) from error
    return count


def pages_of(catalogue: Catalogue, reference: Reference) -> Iterator[list[tuple[Entry, Location, str]]]:
    """Give files with where they lie and where they go, each page in the order in which they lie in the store.

    No transaction is open between two pages. A path that names nothing is `Missing`.
    """
    with catalogue.read() as connection:
        of = resolve(connection, reference)
    below = reference.path or "/"
    after = ""
    found = False
    while True:
        with catalogue.read() as connection:
            listed = list(entries(connection, of, below, after, _PAGE))
            located = places.require(connection, [each.digest for each in listed])
        if not listed:
            break
        found = True
        after = listed[-1].path
        page = [(each, located[each.digest], _relative(each.path, below)) for each in listed]
        yield sorted(page, key=lambda row: (row[1].pack or "", row[1].offset))
    if below != "/" and not found:
        with catalogue.read() as connection:
            raise missing_file(connection, of, below)


def _relative(path: str, below: str) -> str:
    """Say where a file goes below the target; a path that could lead out of it is `Damaged`."""
    try:
        require_path(path)
    except Invalid as error:
        raise Damaged(
            "entry-damaged", f"The catalogue holds a path that no commit takes: {path!r}.", path=path
        ) from error
    if path == below:
        return path.rsplit("/", 1)[1]
    return path[len(below.rstrip("/")) + 1 :]


def _write(store: Store, each: Entry, location: Location, file: Path) -> None:
    hasher = blake3()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        writing = file.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise Conflict(
            "names-clash",
            f"{each.path} has the place of another file; this disk may not tell upper from lower case.",
            path=each.path,
        ) from error
    with writing:
        try:
            for piece in store.stream(location):
                hasher.update(piece)
                writing.write(piece)
        except Damaged as error:
            raise _damaged(each, error) from error
    if PREFIX + hasher.hexdigest() != each.digest:
        raise _damaged(each, None)


def _damaged(each: Entry, cause: AliquotError | None) -> Damaged:
    because = cause.message if cause else "Its bytes are not those that were stored."
    return Damaged(
        "blob-damaged",
        f"{each.path} cannot be exported: {because} `aliquot admin verify` says what else is damaged.",
        path=each.path,
        digest=each.digest,
    )
