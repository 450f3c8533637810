"""The lab that `aliquot init` writes: small, commented, and working."""

from importlib.resources import as_file, files
from pathlib import Path

from aliquot.blobs.new_folder import new_folder
from aliquot.model.errors import Conflict, Unavailable
from aliquot.model.reference import require_name

_RENAMED = {"gitignore": ".gitignore"}
"""Files of the package that would mean something where they lie, by the name that they get in a lab."""

_NAME = "LAB_NAME"


def write_template(folder: Path, name: str) -> list[Path]:
    """Write a new lab into a folder that is not there yet, or is empty; give the files that were written.

    The folder has all of it or nothing. One that holds something is a `Conflict`.
    """
    require_name("lab", name)
    folder = folder.absolute()
    words = f"{folder} holds something already; name a folder that is new or empty."
    try:
        with new_folder(folder, Conflict("folder-not-empty", words, folder=str(folder))) as draft:
            _fill(draft, name)
    except OSError as error:
        raise Unavailable(
            "folder-not-writable", f"{folder} cannot be written to ({error.strerror}).", folder=str(folder)
        ) from error
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _fill(folder: Path, name: str) -> None:
    with as_file(files("aliquot.definitions") / "template") as template:
        for source in sorted(template.rglob("*")):
            if not source.is_file() or "__pycache__" in source.parts:
                continue
            below = source.relative_to(template)
            target = folder / below.with_name(_RENAMED.get(below.name, below.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text().replace(_NAME, name))
    (folder / "inbox").mkdir()
