"""Definitions that travel: the files of a folder that define something, and reading them where they have arrived."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from aliquot.definitions.found import Definitions
from aliquot.definitions.read import FOLDERS, LAB_FILE, read_definitions, read_lab
from aliquot.model.errors import Invalid, Unavailable

LARGEST = 32 << 20
"""Bytes of all files together."""
MOST = 5_000
_LONGEST = 1_000


def gather_files(folder: Path) -> dict[str, bytes]:
    """Give the files that a folder's definitions are in, and those that they bundle, by their paths below it.

    Mistakes that need no settings of a lab are raised as `read_lab` does; a folder that defines nothing is `Invalid`.
    """
    found = read_definitions(folder)
    if not found:
        places = ", ".join(f"{each}/" for each in FOLDERS.values())
        words = f"{folder} defines nothing: there is no file in {places}. Change to the folder of the definitions."
        raise Invalid("definitions-absent", words, folder=str(folder))
    files: dict[str, bytes] = {}
    for each in found:
        try:
            files[each.source] = (folder / each.source).read_bytes()
        except OSError as error:
            words = f"{each.source} cannot be read any more ({error.strerror}); try again."
            raise Unavailable("definition-unreadable", words, path=each.source) from error
        files |= {path: bundled.data for path, bundled in each.bundle.items()}
    require_sendable(files)
    return files


def require_sendable(files: Mapping[str, bytes]) -> None:
    """Refuse more than is sent together, and what can be nobody's definitions."""
    size = sum(map(len, files.values()))
    if size > LARGEST or len(files) > MOST:
        words = (
            f"These are {len(files):,} files with {size >> 20} MiB, and up to {MOST:,} with {LARGEST >> 20} MiB are "
            "sent together: data belongs into a dataset, not into a bundle."
        )
        raise Invalid("definitions-large", words, files=len(files), bytes=size)
    for path in files:
        _require_path(path)


def read_sent(home: Path, files: Mapping[str, bytes]) -> Definitions:
    """Read definitions that have arrived as files, beside the settings of the lab in `home`; no file of them stays."""
    require_sendable(files)
    with TemporaryDirectory(prefix="aliquot-definitions-") as place:
        for path, data in files.items():
            target = Path(place) / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            except OSError as error:
                words = f"{path!r} cannot be a file here ({error.strerror}); name it otherwise."
                raise Invalid("definitions-path", words, path=path) from error
        return read_lab(home, definitions=Path(place))


def _require_path(text: str) -> None:
    path = PurePosixPath(text)
    strange = not text.isprintable() or "\\" in text or len(text) > _LONGEST
    if strange or path.is_absolute() or ".." in path.parts or str(path) != text or text == ".":
        words = f"{text!r} is no path below a folder; write it without '/' in front and without '..'."
        raise Invalid("definitions-path", words, path=text[:_LONGEST])
    if text == LAB_FILE:
        words = f"The settings in {LAB_FILE} stay where the lab is: leave that file out."
        raise Invalid("definitions-path", words, path=text)
