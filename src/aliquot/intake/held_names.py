"""How the files of what was refused are called, where they are taken out: no two alike, and none elsewhere."""

import os.path
from collections.abc import Sequence
from pathlib import Path

from aliquot.intake.quarantine import Held, HeldFile
from aliquot.model.errors import Conflict, Damaged, Invalid

_ELSEWHERE = frozenset({"", ".", ".."})


def place_below(path: str) -> str:
    """Give the place of a held file below a folder of files; a path that leads out of it is `Damaged`."""
    place = path.lstrip("/")
    if "\0" in place or not _ELSEWHERE.isdisjoint(place.split("/")):
        sentence = f"{path!r} leads out of the folder to which it shall be written; nothing was. Tell the lab."
        raise Damaged("entry-damaged", sentence, path=path)
    return place


def targets(held: Held, to: Path) -> dict[HeldFile, Path]:
    """Say where the files go that are taken out as they came: to a new file, or into a folder that is there.

    Below a folder they have their own names, or where two of them have the same, their paths below the folder that
    they share. What is there already is `Conflict`, several for one file are `Invalid`.
    """
    if to.is_dir():
        names = _names([place_below(each.path) for each in held.files])
        found = {each: to / name for each, name in zip(held.files, names, strict=True)}
    elif len(held.files) > 1:
        raise Invalid("folder-needed", f"{held.path} came with other files; name a folder that is there.", path=str(to))
    else:
        found = dict.fromkeys(held.files, to)
    for target in found.values():
        if os.path.lexists(target):
            sentence = f"{target} is there already; remove it or name another place."
            raise Conflict("target-exists", sentence, path=str(target))
    return found


def _names(places: Sequence[str]) -> list[str]:
    own = [each.rpartition("/")[2] for each in places]
    # A disk may not tell upper from lower case.
    if len({each.casefold() for each in own}) == len(own):
        return own
    shared = os.path.commonpath([each.rpartition("/")[0] for each in places])
    names = [os.path.relpath(each, shared or ".") for each in places]
    if len({each.casefold() for each in names}) < len(names):
        sentence = "Two of these files have one name, but for upper and lower case; take them out as a zip."
        raise Conflict("names-clash", sentence)
    return names
