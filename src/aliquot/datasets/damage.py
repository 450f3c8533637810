"""What verification finds."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

Progress = Callable[[int, int], None]
"""Is told how many bytes have been read again, of how many."""


class Kind(StrEnum):
    """What is damaged."""

    BLOB = "blob"
    """A blob's bytes: changed, cut off or gone."""
    PACK = "pack"
    """A pack, in bytes that no blob has which was read: its index, or blobs that the catalogue does not know."""
    PLACE = "place"
    """The catalogue's row that says where a blob lies."""
    VERSION = "version"
    """The catalogue's row of a version, or the chain that leads to it."""
    ENTRY = "entry"
    """The catalogue's row of a file."""
    NAME = "name"
    """The store's object that names a version."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written.

    `references` name what it touches, the first twenty of `touched`: `dataset@version:path` with the version that added
    the file, `quarantine 3: /path`, `run 4, step/2: output /path` or `stdout`, `pipeline name: path` for what it
    bundles, or the receipt of a file as it came; none where nothing needs the bytes. `place` is the object in the store
    (with the offset inside a pack) or the table's row. `message` says what is wrong and what to do.
    """

    kind: Kind
    references: tuple[str, ...]
    touched: int
    place: str
    message: str
    digest: str | None = None

    def document(self) -> dict[str, Any]:
        """Give the damage as the values that `--json` and the API print."""
        return {**asdict(self), "references": list(self.references)}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read again, and what of it is damaged; `bytes` counts blobs that were read."""

    datasets: int
    versions: int
    files: int
    blobs: int
    bytes: int
    damages: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Say whether nothing is damaged."""
        return not self.damages

    def document(self) -> dict[str, Any]:
        """Give the report as the values that `--json` and the API print."""
        return {**asdict(self), "damages": [each.document() for each in self.damages], "sound": self.sound}
