"""The checksums that a manifest says, against the bytes that came."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from aliquot.blobs.objects import digest_file
from aliquot.intake.companions import checksum_of
from aliquot.intake.settle import Landing
from aliquot.model.finding import Finding

DIFFERS = "checksum-differs"


def differing(landing: Landing) -> Iterator[Finding]:
    """Give a finding for each file whose bytes are not those of which its manifest says the checksum."""
    for file in landing.files:
        expected = checksum_of(file, landing.beside)
        if expected is None:
            continue
        (algorithm, digits), manifest = expected
        found = _digest(Path(file.absolute), algorithm)
        if found != digits:
            text = (
                f"{manifest.path} says that the {algorithm} of the file is {digits}, but it is {found}: the file was "
                "changed or cut off on its way, or the manifest is of another one. Send it again."
            )
            yield Finding(DIFFERS, text, file=file.path, value=found, rule=digits)


def _digest(path: Path, algorithm: str) -> str:
    if algorithm == "blake3":
        return digest_file(path)[0].partition(":")[2]
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
