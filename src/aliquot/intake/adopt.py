"""Files that are adopted: read once for their digest, and left where they lie."""

from collections.abc import Mapping, Sequence

from aliquot.blobs import Batch
from aliquot.blobs.durable import file_changed
from aliquot.blobs.objects import digest_file
from aliquot.blobs.pack import SMALL
from aliquot.intake.bucket import Bucket
from aliquot.intake.decided import Intake
from aliquot.intake.folder import Lose
from aliquot.intake.held_open import open_listed
from aliquot.intake.judge import at_a_glance
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.model.blob import Blob
from aliquot.model.digest import Digest


def adopts(intake: Intake, file: File) -> bool:
    """Say whether a file is left where it lies; a note of where a small one lies would take as much as the file."""
    return intake.adopting is not None and file.size >= SMALL


def unread(intake: Intake, landings: Sequence[Landing]) -> tuple[list[Landing], list[Landing]]:
    """Part landings into those of which the digest is all that has to be known, so that no disk is needed, and others.

    Of these, only objects in a bucket would need one.
    """
    if not isinstance(intake.adopting, Bucket):
        return [], list(landings)
    far: list[Landing] = []
    near: list[Landing] = []
    for landing in landings:
        plain = adopts(intake, landing.files[0]) and at_a_glance(landing, intake.rules) is not None
        (far if plain else near).append(landing)
    return far, near


def read_far(intake: Intake, landings: Sequence[Landing], lose: Lose) -> Mapping[str, Digest]:
    """Digest objects as they come, and give the digests by path; what cannot be had is told to `lose`."""
    assert isinstance(intake.adopting, Bucket)
    return {file.path: digest for file, digest in intake.adopting.digests(landings, lose).items()}


def adopt(intake: Intake, file: File, batch: Batch) -> Blob:
    """Note where a file lies, with its digest; one that changes while it is read is `Conflict`."""
    assert intake.adopting is not None
    digest = intake.hashed.get(file.path)
    size = file.size
    if digest is None:
        digest, size = digest_file(open_listed(file))
    if size != file.size:
        raise file_changed(file.path)
    blob = Blob(digest, size)
    batch.adopt(blob, intake.adopting.pin(file))
    return blob
