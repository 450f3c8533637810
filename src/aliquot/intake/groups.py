"""Which files belong together: sets by their names, and the markers that say "complete"."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from aliquot.intake.scan import File
from aliquot.model.errors import Invalid
from aliquot.model.glob import Captures, Glob, GlobError, compile_glob

Key = tuple[int, str, tuple[tuple[str, str], ...]]
"""What all files of one set have in common: the number of its patterns, the folder, and what the names say."""

_PLACE = re.compile(r"\{(path|folder|name|stem)\}")
_ENDING = re.compile(r"(?:\.[A-Za-z0-9]+)+\Z")


class Membership(NamedTuple):
    """The set that a file belongs to: equal `key`, equal set; `number` is its place among `patterns`."""

    key: Key
    number: int
    patterns: tuple[str, ...]

    def name_of(self, number: int) -> str:
        """Say how the file at another place of the set is called."""
        captured = dict(self.key[2])
        return re.sub(r"\{(\w+)\}", lambda found: captured.get(found[1], found[0]), self.patterns[number])


def membership(sets: Sequence[Sequence[str]], file: File) -> Membership | None:
    """Find the set that a file belongs to; the pattern that says most about the name decides between several."""
    best: tuple[int, Membership] | None = None
    for at, patterns in enumerate(sets):
        for number, pattern in enumerate(patterns):
            captured = _captures(pattern, file)
            said = len(re.sub(r"\{\w+\}|\*", "", pattern))
            if captured is not None and (best is None or said > best[0]):
                folder = "" if "/" in pattern else file.folder
                key = (at, folder, tuple(sorted(captured.items())))
                best = (said, Membership(key, number, tuple(patterns)))
    return None if best is None else best[1]


class Markers:
    """A pattern for files that say "complete": `{path}.done`, or for all in a folder `{folder}/DONE`.

    `{path}` and `{folder}` are paths below the source, `{name}` the file's name, `{stem}` the name up to its last dot.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern if pattern.startswith(("{path}", "{folder}", "/")) else "{folder}/" + pattern
        if not _PLACE.search(pattern) and "/" not in pattern and not pattern:
            raise Invalid("marker-malformed", "'marker' is empty; write it like '{path}.done'.")
        self.for_folders = not re.search(r"\{(path|name|stem)\}", self._pattern)
        parts = _PLACE.split(self._pattern)
        whole = "".join(
            re.escape(part) if number % 2 == 0 else "(?:/.*)?" if part == "folder" else "/.+" if part == "path"
            else "[^/]+"
            for number, part in enumerate(parts)
        )  # fmt: skip
        self._whole = re.compile(whole, re.DOTALL)

    def is_marker(self, path: str) -> bool:
        """Say whether a file is a marker, and so never data."""
        return self._whole.fullmatch(path) is not None

    def wanted(self, file: File) -> list[str]:
        """List the markers of which one must be there for this file; the nearest first."""
        if not self.for_folders:
            return [self._filled(file, file.folder)]
        folder = file.folder
        folders = [folder]
        while folder:
            folder = folder.rpartition("/")[0]
            folders.append(folder)
        return [self._filled(file, each) for each in folders]

    def _filled(self, file: File, folder: str) -> str:
        stem = file.name.rpartition(".")[0] or file.name
        values = {"path": file.path, "folder": folder, "name": file.name, "stem": stem}
        return _PLACE.sub(lambda found: values[found[1]], self._pattern)


def _captures(pattern: str, file: File) -> Captures | None:
    path = "/" in pattern
    compiled = _compiled(pattern if pattern.startswith("/") else "/" + pattern)
    text = file.path if path else "/" + file.name
    found = compiled.match(text)
    # Instruments' computers write endings in either case.
    if found is None and (ending := _ENDING.search(pattern)) and text.lower().endswith(ending[0].lower()):
        found = compiled.match(text[: -len(ending[0])] + ending[0])
    return found


@lru_cache
def _compiled(pattern: str) -> Glob:
    try:
        return compile_glob(pattern)
    except GlobError as error:
        raise Invalid("set-malformed", f"{pattern!r} is no pattern for files that belong together: {error}.") from None
