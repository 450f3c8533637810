"""Taking refused files out of a lab on a server: as they came, as folders, or as a zip; all of it, or nothing."""

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from aliquot.intake.held_names import place_below, targets
from aliquot.intake.quarantine import Held
from aliquot.intake.taking_out import drafts_for, put_in_place
from aliquot.lab.held_export import drafted_file, drafted_folders, refused_target
from aliquot.model.errors import Damaged
from aliquot.remote import door
from aliquot.remote.client import Client, file_path, path_of
from aliquot.remote.folders import Coming, write_file

_PIECE = 1 << 20


def export(client: Client, number: int, to: Path) -> list[Path]:
    """Write the files of one as they came, to a new file or into a folder that is there; gives their paths."""
    held = door.one_held(client, number)
    wanted = targets(held, to)
    draft = drafts_for(to)
    try:
        draft.mkdir()
        for place, each in enumerate(wanted):
            pieces = partial(_content, client, number, each.path)
            write_file(draft / str(place), Coming(each.path, each.digest, pieces))
        put_in_place(draft, wanted.values())
    except OSError as error:
        raise refused_target(to, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return list(wanted.values())


def write_zip(client: Client, numbers: Sequence[int], to: Path) -> Path:
    """Write a zip to a new file."""
    with drafted_file(to) as draft:
        _fetch(client, numbers, draft)
    return to


def write_folders(client: Client, numbers: Sequence[int], to: Path) -> list[Path]:
    """Write a folder for each below a folder that is there or is made; each file is proved by its digest."""
    several = [door.one_held(client, each) for each in sorted(set(numbers))]
    folders = [to / str(each.id) for each in several]
    with drafted_folders(to, folders) as draft, TemporaryDirectory(prefix="aliquot-quarantine-") as place:
        archive = Path(place) / "held.zip"
        _fetch(client, [each.id for each in several], archive)
        to.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as opened:
            for each in several:
                _unpack(opened, each, draft)
    return folders


def _fetch(client: Client, numbers: Sequence[int], to: Path) -> None:
    """Fetch the zip; one that breaks off before its end is `Damaged`."""
    with client.stream("/quarantine/zip", number=[str(each) for each in numbers]) as response, to.open("xb") as out:
        for piece in response.iter_bytes(_PIECE):
            out.write(piece)
    if not zipfile.is_zipfile(to):
        words = "What came of the refused files breaks off: one of them may be damaged. Let the lab verify them."
        raise Damaged("transfer-damaged", words)


def _unpack(opened: zipfile.ZipFile, held: Held, draft: Path) -> None:
    # Names are those that we know, and none that the archive says.
    folder = str(held.id)
    for name in ("findings.csv", "quarantine.json"):
        target = draft / folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_member(opened, f"{folder}/{name}"))
    for each in held.files:
        name = f"{folder}/files/{place_below(each.path)}"
        write_file(draft / name, Coming(each.path, each.digest, partial(_pieces, opened, name)))


def _member(opened: zipfile.ZipFile, name: str) -> bytes:
    return b"".join(_pieces(opened, name))


def _pieces(opened: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        with opened.open(name) as file:
            while piece := file.read(_PIECE):
                yield piece
    except (KeyError, zipfile.BadZipFile) as error:
        words = f"{name} is missing or damaged in what came; take it out again."
        raise Damaged("transfer-damaged", words, path=name) from error


def _content(client: Client, number: int, path: str) -> Iterator[bytes]:
    with client.stream(path_of("quarantine", number, "content") + file_path(path)) as response:
        yield from response.iter_bytes(_PIECE)
