"""Where bytes lie."""

from dataclasses import dataclass
from typing import NamedTuple

from aliquot.model.digest import Digest


class Blob(NamedTuple):
    """Bytes by the digest of their content; `size` in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Location:
    """Where a blob lies: alone (`pack` is None) or inside a pack, `offset` bytes from its start."""

    digest: Digest
    size: int
    pack: Digest | None = None
    offset: int = 0
