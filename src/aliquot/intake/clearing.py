"""What is safe leaves its source, but not before the files that need it there are safe as well."""

from collections.abc import Collection, Iterable, Sequence

from aliquot.intake.scan import File
from aliquot.intake.ties import Ties


class Clearing:
    """Remembers what is safe and is still needed at its source: by files of one list, one folder, one marker."""

    def __init__(self, ties: Ties) -> None:
        self._ties = ties
        self._kept: dict[str, File] = {}

    def due(self, files: Sequence[File], safe: Collection[File], left: Collection[str], *, more: bool) -> list[File]:
        """Give what can go now: of what is safe, and of what had to stay before.

        `files` are those that were looked at, `left` the paths of those that are still to be taken in. While there are
        `more` at which nobody has looked, markers stay, and what had to stay before.
        """
        served = {path for file in safe for path in self._ties.markers_of(file)}
        able = self._kept | {file.path: file for file in files if file.path in served}
        now = {file.path: file for file in safe}
        needed = _needed(self._ties, files, left)
        due = [file for path, file in sorted((now if more else able | now).items()) if path not in needed]
        gone = {file.path for file in due}
        self._kept = {path: file for path, file in (able | now).items() if path not in gone}
        return due

    @property
    def kept(self) -> Iterable[File]:
        """Give what is safe, and stays for others."""
        return self._kept.values()


def _needed(ties: Ties, files: Sequence[File], left: Collection[str]) -> set[str]:
    """Give the paths of what the files that are left need."""
    waiting = [file for file in ties.data(files) if file.path in left]
    needed = {path for file in waiting for path in ties.markers_of(file)}
    if ties.counting:
        folders = {file.folder for file in waiting}
        needed |= {file.path for file in files if file.folder in folders}
    about: dict[str, set[str]] = {}
    for path, beside in ties.companions.find(ties.data(files)).beside.items():
        for each in beside:
            about.setdefault(each.file.path, {each.file.path}).add(path)
    for together in about.values():
        if not together.isdisjoint(left):
            needed |= together
    return needed
