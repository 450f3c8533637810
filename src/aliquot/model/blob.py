"""Where bytes lie."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from aliquot.model.digest import Digest, canonical


class Blob(NamedTuple):
    """Bytes by the digest of their content; `size` in bytes."""

    digest: Digest
    size: int


class Location(NamedTuple):
    """Where a blob lies: alone (`pack` is None) or inside a pack, `offset` bytes from its start.

    Of one that is `adopted`, the store has but a note of where it lies. It is only said when a blob has just been
    written: whoever reads it need not know.
    """

    digest: Digest
    size: int
    pack: Digest | None = None
    offset: int = 0
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """Where an adopted blob lies: in a bucket (`place` is its URL) or a folder, under `path`, which begins with `/`.

    What is there under that name is the blob's as long as its `size` in bytes is the same, and its `etag` and
    `version` (of an object, where there are any) or `mtime_ns` (of a file). `settings` are the client's, without any
    credentials.
    """

    place: str
    path: str
    size: int
    etag: str = ""
    version: str = ""
    mtime_ns: int = 0
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        """Say where that is, for people."""
        return f"{self.place}{self.path}"

    @property
    def is_object(self) -> bool:
        """Say whether it lies in a bucket."""
        return "://" in self.place

    def to_json(self) -> bytes:
        """Write the note that the store keeps, always in the same way."""
        return canonical(asdict(self))


def pin_from_json(data: bytes) -> Pin:
    """Read a note of the store; what is none is a `ValueError` or `TypeError`."""
    return Pin(**json.loads(data))
