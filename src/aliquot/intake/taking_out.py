"""Taking what was refused out of a lab, as it came."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.held_names import targets
from aliquot.intake.quarantine import held_places, require_sound, show
from aliquot.model.errors import Invalid


def export(catalogue: Catalogue, store: Store, id_: int, to: Path) -> list[Path]:
    """Write the bytes of what was refused to a new file, or to files in a folder that is there; gives their paths.

    Bytes that are not what they were are `Damaged`. Whatever goes wrong, nothing is left that is not whole.
    """
    with catalogue.read() as connection:
        held = show(connection, id_)
        locations = held_places(connection, held)
    wanted = targets(held, to)
    require_sound(store, held, locations)
    draft = drafts_for(to)
    try:
        draft.mkdir()
        for number, each in enumerate(wanted):
            store.fetch(locations[each.digest], draft / str(number))
        put_in_place(draft, wanted.values())
    except OSError as error:
        sentence = f"{to} cannot be written ({error.strerror}); name another place."
        raise Invalid("target-refused", sentence, path=str(to)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return list(wanted.values())


def drafts_for(to: Path) -> Path:
    """Name a folder for drafts that is not there yet, on the disk of the place to which they go."""
    return (to if to.is_dir() else to.parent) / f".{uuid.uuid4().hex}"


def put_in_place(draft: Path, wanted: Iterable[Path]) -> None:
    """Put drafts, which are named by their numbers, where they are wanted."""
    for number, target in enumerate(wanted):
        target.parent.mkdir(parents=True, exist_ok=True)
        (draft / str(number)).rename(target)
