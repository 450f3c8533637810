"""The bytes of settled landings on their way into the store, each read as the file that was listed."""

import os
from collections.abc import Collection, Sequence
from typing import NamedTuple

from aliquot.blobs import Batch
from aliquot.blobs.durable import file_changed
from aliquot.blobs.pack import SMALL
from aliquot.intake.adopt import adopt, adopts
from aliquot.intake.decided import Intake, Part, Taken
from aliquot.intake.dispose import is_as_listed
from aliquot.intake.judge import Judgement, at_a_glance
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.model.errors import AliquotError, Conflict, Invalid
from aliquot.model.finding import Finding


class Stored(NamedTuple):
    """A landing whose bytes are in a batch. Of one that its name decided on, `quick` says how."""

    landing: Landing
    parts: tuple[Part, ...]
    quick: Judgement | None


def store_all(intake: Intake, landings: Sequence[Landing], batch: Batch, taken: Taken) -> list[Stored]:
    """Add the files of landings to a batch; what cannot be read, or is another one by now, is told in `taken`."""
    quick = [at_a_glance(landing, intake.rules) for landing in landings]
    # A small file is read in one go, and looked at by the batch itself: thousands of them are one call.
    small = [
        judgement is not None and each.files[0].size < SMALL for each, judgement in zip(landings, quick, strict=True)
    ]
    files = [each.files[0] for each, is_small in zip(landings, small, strict=True) if is_small]
    # What somebody names is read wherever it leads; what is found in a folder has to be the file that was listed.
    watched = intake.watched
    digests = iter(
        batch.add_files(
            [(file.absolute, file.size, file.mtime_ns, file.changed_ns if watched else 0) for file in files]
        )
    )
    stored: list[Stored] = []
    for landing, judgement, is_small in zip(landings, quick, small, strict=True):
        if not is_small:
            if each := _store(intake, landing, judgement, batch, taken):
                stored.append(each)
            continue
        digest, file = next(digests), landing.files[0]
        if isinstance(digest, AliquotError):
            not_stored(landing.files, file, digest, taken)
        else:
            stored.append(Stored(landing, (Part(file.path, digest, file.size),), judgement))
    return stored


def _store(intake: Intake, landing: Landing, quick: Judgement | None, batch: Batch, taken: Taken) -> Stored | None:
    parts: list[Part] = []
    for file in landing.files:
        try:
            if adopts(intake, file):
                blob = adopt(intake, file, batch)
            else:
                known = intake.hashed.get(file.path)
                blob = batch.add_file(file.absolute, (file.size, file.mtime_ns, 0 if known else file.changed_ns), known)
            if file.absolute:
                require_rest(file, intake.hashed)
        except (Conflict, Invalid) as error:
            not_stored(landing.files, file, error, taken)
            return None
        parts.append(Part(file.path, blob.digest, blob.size))
    return Stored(landing, tuple(parts), quick)


def not_stored(files: Sequence[File], file: File, error: AliquotError, taken: Taken) -> None:
    """Tell that files that belong together were not taken in, for what became of one of them."""
    if isinstance(error, Conflict):
        taken.changing += files
    else:
        taken.unreadable.append(Finding(error.code, f"The file cannot be read: {error.message}", file=file.path))


def require_rest(file: File, hashed: Collection[str]) -> None:
    """Refuse a file that has changed since it was listed."""
    try:
        now = os.stat(file.absolute)  # noqa: PTH116  # asked of each file: a Path costs more than the answer
    except OSError as error:
        raise file_changed(file.path) from error
    # One of a known digest gets a second name in the store, which sets the time of its change and not its bytes.
    if not is_as_listed(file._replace(changed_ns=0) if file.path in hashed else file, now):
        raise file_changed(file.path)
